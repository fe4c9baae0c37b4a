"""Topic names and filters: UTF-8, MQTT 3.1.1 section 4.7, and what is microseal's own."""

from device_support import refused

from microseal import errors
from microseal.errors import Refused
from microseal.topics import check_filter, check_topic, matches, overlap

# RFC 3629 and MQTT 3.1.1 section 1.5.3, at every boundary: what comes before the first and after the last of each length.
WELL_FORMED = (
    b"\x01",
    b"\x7f",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbf",
    b"\xef\xbb\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf",
)
ILL_FORMED = (
    b"\x00",
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc2",
    b"\xc2\x7f",
    b"\xc2\xc0",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xe0\xa0",
    b"\xe1\x80\x7f",
    b"\xe1\x7f\x80",
    b"\xe1\x80\xc0",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x90\x80",
    b"\xf1\x80\x80\x7f",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe",
    b"\xff",
)


def test_utf8():
    for text in WELL_FORMED:
        for topic in (text, b"a/" + text, text + b"/b", text + text):
            assert check_topic(topic) == topic
            assert check_filter(topic) == topic
    for text in ILL_FORMED:
        for topic in (text, b"a/" + text, text + b"/b", WELL_FORMED[5] + text):
            refused(errors.TOPIC, check_topic, topic)
            refused(errors.TOPIC, check_filter, topic)


def test_how_many_pairs_of_bytes_are_utf8():
    # 127 · 127 pairs of ASCII without U+0000, and 30 · 64 of a lead byte and its continuation.
    count = 0
    for first in range(256):
        for second in range(256):
            # After a slash, so that no topic begins with `$`; wildcards are not the question here.
            pair = bytes((first, second))
            if b"+" in pair or b"#" in pair:
                count += 1 if first < 128 and second < 128 and first and second else 0
                continue
            try:
                check_topic(b"/" + pair)
                count += 1
            except Refused:
                pass
    assert count == 127 * 127 + 30 * 64


def test_topics():
    for topic in (
        b"a",
        b"/",
        b"//",
        b"a/b c/d",
        b"microseal",
        b"Microseal/a",
        b"a/microseal/b",
        b"a$",
        b"a/$b",
        b"a" * 60000,
    ):
        assert check_topic(topic) == topic
    for topic in (b"", b"a+", b"a/+/b", b"#", b"a/#", b"$", b"$SYS/x", b"microseal/", b"microseal/group/g/info"):
        refused(errors.TOPIC, check_topic, topic)


def test_the_longest_topic_still_fits_into_what_is_signed():
    # ctx of a signature is u8(len gid) ‖ gid ‖ u32(epoch) ‖ u16(len topic) ‖ topic, and its own length a u16.
    longest = 65535 - 1 - 32 - 4 - 2
    assert len(check_topic(b"a" * longest)) == longest
    refused(errors.TOPIC, check_topic, b"a" * (longest + 1))
    refused(errors.TOPIC, check_topic, b"a" * 65536)


def test_filters():
    for pattern in (b"a", b"#", b"+", b"/", b"+/+", b"a/#", b"/#", b"+/#", b"a/+/b", b"$a", b"microseal/#", b"a" * 255):
        assert check_filter(pattern) == pattern
    for pattern in (b"", b"a+", b"+a", b"a#", b"a/#/b", b"#/a", b"##", b"++", b"a/b+/c", b"a/#b", b"#/#", b"a" * 256):
        refused(errors.TOPIC, check_filter, pattern)


def test_matches():
    # The examples of MQTT 3.1.1 section 4.7.1 and the edges of each rule.
    for pattern, yes, no in (
        (b"s/t/p1/#", (b"s/t/p1", b"s/t/p1/ranking", b"s/t/p1/score/x"), (b"s/t", b"s/t/p12")),
        (b"sport/#", (b"sport", b"sport/", b"sport/a"), (b"sports",)),
        (b"#", (b"a", b"a/b", b"/"), ()),
        (b"s/t/+", (b"s/t/player1", b"s/t/"), (b"s/t/player1/ranking", b"s/t")),
        (b"sport/+", (b"sport/",), (b"sport",)),
        (b"+", (b"finance",), (b"/finance", b"a/")),
        (b"+/+", (b"/finance", b"/"), (b"finance", b"/a/")),
        (b"/+", (b"/finance",), (b"finance",)),
        (b"+/t/#", (b"a/t", b"/t/b/c"), (b"t", b"a/b/t")),
        (b"a/b", (b"a/b",), (b"A/b", b"a/b/", b"/a/b", b"a")),
    ):
        for topic in yes:
            assert matches(pattern, topic), (pattern, topic)
        for topic in no:
            assert not matches(pattern, topic), (pattern, topic)


def test_overlap():
    for one, other, expected in (
        (b"a", b"a", True),
        (b"a", b"b", False),
        (b"a/#", b"a", True),
        (b"a/#", b"a/b/c", True),
        (b"a/b/#", b"a", False),
        (b"a/b/#", b"a/+", True),
        (b"#", b"x/y", True),
        (b"+", b"x/y", False),
        (b"+/y", b"x/+", True),
        (b"+/y", b"x/z", False),
        (b"a/+/c", b"a/b/+", True),
        (b"a/+/c", b"a/b/d", False),
        (b"a/+/c/#", b"+/b/c", True),
        (b"+/#", b"a", True),
    ):
        assert overlap(one, other) == expected, (one, other)
        assert overlap(other, one) == expected, (other, one)
