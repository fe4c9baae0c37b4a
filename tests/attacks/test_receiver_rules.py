"""Rules of section 6 that an attack on one message does not show: what a receiver takes, and in which order."""

from __future__ import annotations

import pytest

from microseal import errors
from microseal.errors import Refused
from world import World

STATE = 2  # the kind of a state topic


def test_fresh_states_may_overtake_each_other() -> None:
    """Rule 3 holds back what is delivered again; what rules 1 and 2 take is delivered, whatever came before it."""
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk")
        world.form("plant", [pump], [desk], kinds=[(STATE, "state/#")])
        pump.publish("state/valve", b"known")
        world.settle()
        raw = []
        for message in (b"open", b"shut"):
            world.advance(1)
            raw.append(pump.seal("state/valve", message, retain=True))
        taken = [desk.open("state/valve", message) for message in reversed(raw)]
        assert [(m.payload, m.stale) for m in taken] == [(b"shut", False), (b"open", False)]
        with pytest.raises(Refused, match=errors.STALE):
            desk.open("state/valve", raw[0])
        assert desk.open("state/valve", raw[1]).stale


def test_mode_3_needs_a_max_age() -> None:
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk")
        world.form("plant", [pump], [desk], max_age=0, topics=["plant/#"])
        with pytest.raises(Refused, match=errors.POLICY):
            pump.seal("plant/level", b"4.2", mode=3)
