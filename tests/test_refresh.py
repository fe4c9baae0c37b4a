"""What was sent once and lost is fetched: nobody stays in an old epoch because one packet did not arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from world import Device, Packet, World


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def without(world: World, *kinds: str) -> None:
    """The broker loses what it sends of these kinds, until it is told otherwise."""

    def on_way(packet: Packet, _receiver: str) -> Iterable[Packet]:
        return [] if any(kind in packet.topic.decode() for kind in kinds) else [packet]

    world.broker.on_way = on_way


def miss_an_epoch(world: World, *kinds: str) -> tuple[Device, Device]:
    pump, desk, other = (world.enrol(name) for name in ("pump", "desk", "other"))
    world.form("plant", [pump], [desk, other], topics=["plant/#"])
    without(world, *kinds)
    world.change("plant", [pump], [desk])
    without(world)
    assert pump.epoch("plant").info.epoch == 1
    return pump, desk


def test_a_publisher_that_missed_everything_of_an_epoch_looks_for_itself(world: World) -> None:
    pump, desk = miss_an_epoch(world, "/group/", "/key/")
    world.advance(60)
    world.settle()
    assert pump.epoch("plant").info.epoch == desk.epoch("plant").info.epoch == 2
    pump.publish("plant/level", b"4.2")
    world.settle()
    assert [message.payload for message in desk.messages] == [b"4.2"]


def test_a_key_packet_without_its_info_has_it_fetched(world: World) -> None:
    pump, _ = miss_an_epoch(world, "/info")
    world.advance(60)
    world.settle()
    assert pump.epoch("plant").info.epoch == 2


def test_a_group_whose_key_packet_was_lost_is_found(world: World) -> None:
    pump, desk = world.enrol("pump"), world.enrol("desk")
    without(world, "/key/")
    world.form("plant", [pump], [desk], topics=["plant/#"])
    without(world)
    assert not pump.in_group("plant")
    world.advance(60)
    world.settle()
    assert pump.in_group("plant") and desk.in_group("plant")


def test_it_looks_once_a_minute(world: World) -> None:
    pump = world.enrol("pump")
    world.form("plant", [pump], [], topics=["plant/#"])
    infos = revoked = 0

    def on_way(packet: Packet, _receiver: str) -> Iterable[Packet]:
        nonlocal infos, revoked
        infos += packet.topic.endswith(b"/info")
        revoked += packet.topic == b"microseal/revoked"
        return [packet]

    world.broker.on_way = on_way
    for _ in range(6 * 60 * 6):
        world.advance(10)
        world.settle()
    assert 359 <= infos <= 360 and 5 <= revoked <= 6
