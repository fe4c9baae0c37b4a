"""Topics and filters against CPython's UTF-8 decoder, paho's matching, and brute force."""

from __future__ import annotations

import tracemalloc
from itertools import product

import pytest
from device_support import reason_of
from hypothesis import example, given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from microseal import errors
from microseal.topics import check_filter, check_topic, matches, overlap

# Few levels and short ones, so that they meet.
LEVELS = st.sampled_from(["", "a", "b", "ab", "é", "a b"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=5).map("/".join).filter(bool)
FILTERS = st.builds(
    lambda levels, last: "/".join([*levels, *last]),
    st.lists(st.one_of(LEVELS, st.just("+")), max_size=4),
    st.sampled_from([["#"], ["a"], [""], ["+"]]),
).filter(bool)

# Bytes that are nearly UTF-8: what makes sequences, and what breaks them.
NEARLY_UTF8 = st.lists(
    st.one_of(
        st.text(max_size=2).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.characters(min_codepoint=0xD700, max_codepoint=0xE0FF).map(lambda c: c.encode("utf-8", "surrogatepass")),
        st.sampled_from(
            [b"\x00", b"\xc0\x80", b"\xc1", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f", b"\xf4\x90\x80\x80"]
        ),
        st.binary(max_size=3),
    ),
    max_size=5,
).map(b"".join)


def strict(text: bytes) -> bool:
    try:
        return "\0" not in text.decode()
    except UnicodeDecodeError:
        return False


@given(NEARLY_UTF8)
def test_utf8_as_cpython_decodes_it(text: bytes) -> None:
    # A level of its own, without wildcards: only the encoding is left to be refused.
    topic = b"t/" + text.replace(b"+", b"").replace(b"#", b"")
    expected = None if strict(topic) else errors.TOPIC
    assert reason_of(check_topic, topic) == expected
    assert reason_of(check_filter, topic) == expected


@given(st.one_of(FILTERS, st.text("a+#/$", max_size=8)))
def test_filters_against_their_grammar(pattern: str) -> None:
    levels = pattern.split("/")
    good = bool(pattern) and all(level in ("+", "#") or not set(level) & set("+#") for level in levels)
    good = good and "#" not in levels[:-1]
    assert reason_of(check_filter, pattern.encode()) == (None if good else errors.TOPIC)


@given(st.text("a+#/$m", max_size=8))
@example("microseal/")
@example("microseal/a")
@example("microseal")
@example("microsealed/a")
def test_topics_against_their_grammar(topic: str) -> None:
    good = bool(topic) and not set(topic) & set("+#") and not topic.startswith(("$", "microseal/"))
    assert reason_of(check_topic, topic.encode()) == (None if good else errors.TOPIC)


@given(FILTERS, TOPICS)
def test_matching_as_paho_does_it(pattern: str, topic: str) -> None:
    assert matches(pattern.encode(), topic.encode()) == topic_matches_sub(pattern, topic)


@given(TOPICS, st.data())
def test_matching_what_was_made_to_match(topic: str, data: st.DataObject) -> None:
    levels = topic.split("/")
    pattern = [data.draw(st.sampled_from([level, "+"])) for level in levels]
    if data.draw(st.booleans()):
        pattern = [*pattern[: data.draw(st.integers(0, len(pattern)))], "#"]
    assert matches("/".join(pattern).encode(), topic.encode())
    assert topic_matches_sub("/".join(pattern), topic)


# Every topic of up to four levels out of these; "z" stands for all the levels that no filter below names.
BRUTE_TOPICS = [
    "/".join(levels).encode() for depth in range(1, 5) for levels in product(["", "a", "b", "z"], repeat=depth)
][1:]
BRUTE_FILTERS = st.builds(
    lambda levels, last: "/".join([*levels, *last]),
    st.lists(st.sampled_from(["", "a", "b", "+"]), max_size=2),
    st.sampled_from([["#"], ["a"], ["b"], [""], ["+"]]),
).filter(bool)


@given(BRUTE_FILTERS, BRUTE_FILTERS)
@example("+", "/#")
@example("+/", "#")
def test_overlap_against_brute_force(one: str, other: str) -> None:
    a, b = one.encode(), other.encode()
    assert overlap(a, b) == any(matches(a, topic) and matches(b, topic) for topic in BRUTE_TOPICS)


@given(FILTERS, TOPICS)
def test_a_topic_overlaps_what_matches_it(pattern: str, topic: str) -> None:
    assert overlap(pattern.encode(), topic.encode()) == matches(pattern.encode(), topic.encode())


@pytest.mark.parametrize("pattern", [b"a/#", b"a/+", b"+/+/b", b"#"])
def test_a_topic_of_thousands_of_levels_costs_no_memory(pattern: bytes) -> None:
    """Anybody can publish one, and a device has few kB left: each level taken apart would be an object."""
    topic = b"a" + b"/" * 8000
    tracemalloc.start()
    try:
        assert matches(pattern, topic) == (pattern in (b"a/#", b"#"))
        assert tracemalloc.get_traced_memory()[1] < 3 * len(topic)
    finally:
        tracemalloc.stop()
