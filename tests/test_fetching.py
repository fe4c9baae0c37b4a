"""Fetching certificates: once a minute each, so many at a time, and one held message of few senders."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from microseal.fetching import Fetching

MINUTE = 60_000
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["want", "want", "hold", "done", "give_up"]),
        st.integers(0, 8),
        st.sampled_from([0, 0, 0, 0, 1, 999, 20_000, 59_999, 60_000]),
    ),
    max_size=120,
)


def kid_of(number: int) -> bytes:
    return number.to_bytes(8, "big")


@given(STEPS, st.integers(1, 4), st.integers(1, 3))
def test_limits_hold(steps: list[tuple[str, int, int]], limit: int, held: int) -> None:
    fetching, ticks = Fetching(limit, held), 0
    asked: dict[bytes, int] = {}
    for what, number, passed in steps:
        ticks += passed
        kid = kid_of(number)
        before = list(fetching.wanted)
        if what == "want":
            fetching.want(kid, ticks)
            if kid in fetching.wanted and kid not in before:
                assert ticks - asked.get(kid, -MINUTE) >= MINUTE, "asked for twice in a minute"
                asked[kid] = ticks
        elif what == "hold":
            fetching.hold(kid, b"topic", b"envelope")
        elif what == "done" and fetching.wanted:
            fetching.done(fetching.wanted[number % len(fetching.wanted)])
        elif what == "give_up":
            fetching.give_up(ticks)
            # What was asked for within the minute is not given up, everything else is.
            assert fetching.wanted == [k for k in before if ticks - asked[k] < MINUTE]
        assert len(fetching.wanted) <= limit
        assert len(set(fetching.wanted)) == len(fetching.wanted)
        assert len(fetching._held) <= held
        assert set(fetching._held) <= set(fetching.wanted)
        assert len(fetching._asked) <= 4 * limit


def test_one_message_of_a_sender_is_held_and_given_back_once() -> None:
    fetching = Fetching(4, 2)
    assert not fetching.hold(kid_of(1), b"t", b"never wanted")
    fetching.want(kid_of(1), 0)
    envelope = bytearray(b"first")
    assert fetching.hold(kid_of(1), b"t", envelope)
    envelope[:] = b"later"  # the transport's buffer is used again
    assert not fetching.hold(kid_of(1), b"t", b"second")
    assert fetching.done(kid_of(1)) == (b"t", b"first")
    fetching.want(kid_of(1), MINUTE)
    assert fetching.done(kid_of(1)) is None


def test_whom_there_is_no_room_for_is_asked_for_later() -> None:
    fetching: Any = Fetching(1, 1)
    for number in range(20):
        fetching.want(kid_of(number), number)
    assert fetching.wanted == [kid_of(0)]
    fetching.done(kid_of(0))
    fetching.want(kid_of(7), 30)
    assert fetching.wanted == [kid_of(7)]


def test_the_minute_is_kept_however_many_senders_there_are() -> None:
    fetching, asked = Fetching(1, 1), []
    for ticks in range(0, MINUTE, MINUTE // 100):
        fetching.want(kid_of(ticks % 7), ticks)
        asked += fetching.wanted
        for kid in list(fetching.wanted):
            fetching.done(kid)
    assert len(asked) == len(set(asked))
    # Those who got no turn get it when the others' minute is over.
    fetching.want(kid_of(6), 3 * MINUTE)
    assert fetching.wanted == [kid_of(6)]
