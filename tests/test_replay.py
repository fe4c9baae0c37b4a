"""Rule 2 against a model that remembers every message for ever, and the bounds of the tables."""

from __future__ import annotations

import tracemalloc
from collections import defaultdict

import pytest
from device_support import reason_of
from hypothesis import given, settings
from hypothesis import strategies as st

from microseal import errors
from microseal.replay import STATES, WINDOW, Replay

KIDS = [b"kid-aaaa", b"kid-bbbb"]
BOOTS = [b"boot-%d__" % i for i in range(3)]
COUNTERS = st.one_of(st.integers(0, 150), st.integers(0, 2**32 - 1), st.integers(2**32 - 70, 2**32 - 1))
MESSAGES = st.lists(
    st.tuples(st.sampled_from(KIDS), st.integers(100, 110), st.sampled_from(BOOTS), COUNTERS), min_size=1, max_size=60
)


class Model:
    """One sender: everything that was accepted, in order."""

    def __init__(self) -> None:
        self.accepted: list[tuple[int, bytes, int]] = []

    def takes(self, t: int, boot: bytes, counter: int) -> bool:
        if not self.accepted:
            return True
        in_use = self.accepted[-1][1]
        if boot != in_use:
            return t > max(then for then, _, _ in self.accepted)
        counters = []
        for at, (_, then_boot, then_counter) in reversed(list(enumerate(self.accepted))):
            if then_boot != in_use:
                if t <= max(then for then, _, _ in self.accepted[: at + 1]):
                    return False
                break
            counters.append(then_counter)
        return counter not in counters and counter > max(counters) - WINDOW


@settings(max_examples=300)
@given(MESSAGES)
def test_the_window_against_a_model_that_forgets_nothing(messages: list[tuple[bytes, int, bytes, int]]) -> None:
    replay, models = Replay(len(KIDS)), defaultdict(Model)
    for kid, t, boot, counter in messages:
        nonce = boot + counter.to_bytes(4, "big")
        expected = models[kid].takes(t, boot, counter)
        assert (reason_of(replay.check, kid, t, nonce) is None) == expected
        if expected:
            replay.accept(kid, t, nonce)
            models[kid].accepted.append((t, boot, counter))
            assert reason_of(replay.check, kid, t, nonce) == errors.REPLAY
    for model in models.values():
        assert len(set(model.accepted)) == len(model.accepted)


@given(MESSAGES, st.integers(0, 3))
def test_windows_are_bounded(messages: list[tuple[bytes, int, bytes, int]], limit: int) -> None:
    replay = Replay(limit)
    for at, (_, t, boot, counter) in enumerate(messages):
        kid = b"%08d" % at
        nonce = boot + counter.to_bytes(4, "big")
        if reason_of(replay.check, kid, t, nonce) is None:
            replay.accept(kid, t, nonce)
    assert len(replay._windows) == min(limit, len(messages))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(100, 140), st.integers(0, 40)), max_size=60))
def test_mode_3_is_taken_once_while_it_is_young_enough(messages: list[tuple[int, int, int]]) -> None:
    """max_age is 10 s here; what is older never gets to this table."""
    replay, now, seen = Replay(8), 100, set()
    for z, t, step in messages:
        now += step % 5
        if now - t > 10:
            continue
        key = z.to_bytes(33, "big")
        reason = reason_of(replay.check_anonymous, key, KIDS[0], now)
        if (z, t) in seen:
            assert reason is not None
        if reason is None:
            assert (z, t) not in seen
            replay.accept_anonymous(key, KIDS[0], t + 10)
            seen.add((z, t))
        assert len(replay._anonymous) <= 8


@given(
    st.lists(st.tuples(st.sampled_from(KIDS), st.integers(0, 20), st.integers(100, 110), st.booleans()), max_size=60)
)
def test_states_never_go_back(messages: list[tuple[bytes, int, int, bool]]) -> None:
    replay, newest = Replay(2), {}
    for kid, number, t, stale in messages:
        topic = b"t/%d" % number
        if reason_of(replay.check_state, kid, topic, t, stale) is None:
            assert not stale or t >= newest.get((kid, topic), 0)
            replay.accept_state(kid, topic, t)
            newest[kid, topic] = max(t, newest.get((kid, topic), 0))
    assert len(replay._states) <= 2
    assert all(len(states) <= STATES for states in replay._states.values())


@pytest.mark.usefixtures("core")
def test_long_topics_cost_no_more_than_short_ones() -> None:
    """A corrupted member chooses the topics of its states, of up to 65,496 bytes each."""
    replay = Replay(1)
    topics = [b"t" * 60_000 + b"%d" % number for number in range(STATES)]
    tracemalloc.start()
    try:
        for topic in topics:
            replay.check_state(KIDS[0], topic, 100, False)
            replay.accept_state(KIDS[0], topic[:-1] + topic[-1:], 100)  # a copy, as each packet is one
        assert tracemalloc.get_traced_memory()[0] < 10_000
    finally:
        tracemalloc.stop()
    for topic in topics:
        assert reason_of(replay.check_state, KIDS[0], topic, 99, True) == errors.STALE
        assert reason_of(replay.check_state, KIDS[0], topic, 100, True) is None
    assert reason_of(replay.check_state, KIDS[0], topics[0] + b"x", 100, False) == errors.ROOM
