"""The world in memory does what it says: deliveries, the attacker on the way, restarts, and the same world from the same seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from microseal.errors import Refused
from world import READY, Packet, World


@pytest.fixture(params=[1, 2])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(request.param) as world:
        yield world


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_messages_arrive_in_every_mode_and_direction(world: World, mode: int) -> None:
    pump, desk = world.enrol("pump-1"), world.enrol("desk", signed=True)
    world.form("plant", [pump], [desk], mode=mode, topics=["plant/#"], queries=["ask/+"])
    world.advance(60)
    pump.publish("plant/level", b"4.2")
    desk.publish("ask/level", b"?")
    world.settle()
    assert [(m.payload, m.sender, m.mode, m.direction) for m in desk.messages] == [(b"4.2", b"pump-1", mode, 0)]
    assert [(m.payload, m.sender, m.mode, m.direction) for m in pump.messages] == [(b"?", b"desk", mode, 1)]
    assert not pump.refused
    assert not desk.refused


def test_same_seed_same_bytes() -> None:
    logs = []
    for _ in range(2):
        with World(seed=5) as world:
            pump, desk = world.enrol("pump-1"), world.enrol("desk")
            world.form("plant", [pump], [desk], mode=3, topics=["plant/#"])
            pump.publish("plant/level", b"4.2")
            logs.append(world.broker.log)
    assert logs[0] == logs[1]


def test_the_attacker_drops_alters_and_delays(world: World) -> None:
    pump, desk, other = (world.enrol(id) for id in ("pump-1", "desk", "other"))
    world.form("plant", [pump], [desk, other], topics=["plant/#"])
    pump.publish("plant/level", b"0")
    world.settle()
    kept = []

    def on_way(packet: Packet, receiver: str) -> Iterable[Packet]:
        if receiver == "desk" and not packet.topic.startswith(b"microseal/"):
            kept.append(packet)
            return []
        return [packet]

    world.broker.on_way = on_way
    pump.publish("plant/level", b"1")
    world.settle()
    assert [m.payload for m in desk.messages] == [b"0"]
    assert [m.payload for m in other.messages] == [b"0", b"1"]
    [packet] = kept
    world.broker.deliver(Packet(packet.topic, packet.payload[:-1] + b"\0"), "desk")
    world.broker.deliver(packet, "desk")
    world.settle()
    assert desk.refused == [(b"plant/level", "signature")]
    assert [m.payload for m in desk.messages] == [b"0", b"1"]


def test_a_restarted_device_finds_its_groups_again(world: World) -> None:
    pump, desk = world.enrol("pump-1"), world.enrol("desk", signed=True)
    world.form("plant", [pump], [desk], mode=2, topics=["plant/#"])
    for device in (pump, desk):
        device.restart()
    world.settle()
    world.advance(READY)
    pump.publish("plant/level", b"again")
    world.settle()
    assert [m.payload for m in desk.messages] == [b"again"]


def test_evict_and_revoke(world: World) -> None:
    pump, bad, desk = (world.enrol(id) for id in ("pump-1", "pump-2", "desk"))
    world.form("plant", [pump, bad], [desk], topics=["plant/#"])
    world.revoke(bad)
    bad.publish("plant/level", b"revoked")
    world.settle()
    assert desk.refused == [(b"plant/level", "revoked")]
    world.evict(bad)
    assert not bad.in_group("plant")
    with pytest.raises(Refused):
        bad.seal("plant/level", b"evicted")
    pump.publish("plant/level", b"fine")
    world.settle()
    assert [m.payload for m in desk.messages] == [b"fine"]
