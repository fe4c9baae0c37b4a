"""Key packets and infos that do not come by themselves: what a member asks for, what it fetches again, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from microseal.wire import hexkid
from microseal_host import issuing
from world import Device, Packet, World

pytestmark = pytest.mark.usefixtures("core")

DAY = 86400


@pytest.fixture(params=[1, 2])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(request.param) as world:
        yield world


def asks(world: World) -> list[Packet]:
    return [packet for packet in world.broker.log if packet.topic.startswith(b"microseal/ask/")]


def losing(world: World, *parts: bytes) -> None:
    """The broker loses what has one of `parts` in its topic, the retained messages too."""

    def on_way(packet: Packet, _receiver: str) -> Iterable[Packet]:
        return [] if any(part in packet.topic for part in parts) else [packet]

    world.broker.on_way = on_way


def wait(world: World, seconds: int) -> None:
    """As a client does, a look a second."""
    for _ in range(seconds):
        world.advance(1)
        world.settle()


def pair(world: World) -> tuple[Device, Device]:
    return world.enrol("pump"), world.enrol("desk")


def forget_key_packets(world: World) -> None:
    """Somebody has cleared what was retained."""
    for topic in [topic for topic in world.broker.retained if topic.startswith(b"microseal/key/")]:
        del world.broker.retained[topic]


def test_nothing_is_asked_for_that_comes_by_itself(world: World) -> None:
    pump, desk = pair(world)
    world.form("plant", [pump], [desk], mode=2, topics=["plant/#"])
    wait(world, 30)
    assert not asks(world)


def test_who_lost_its_key_packet_asks_for_it(world: World) -> None:
    pump, desk = pair(world)
    world.form("plant", [pump], [desk], mode=2, topics=["plant/#"])
    losing(world, b"microseal/key/")
    world.change("plant", [pump], [desk])
    forget_key_packets(world)
    assert pump.epoch("plant").info.epoch == desk.epoch("plant").info.epoch == 1
    wait(world, 3)
    assert not asks(world), "what is retained has some time to arrive"
    losing(world)
    wait(world, 30)
    assert pump.epoch("plant").info.epoch == desk.epoch("plant").info.epoch == 2
    assert {ask.topic for ask in asks(world)} == {b"microseal/ask/" + hexkid(each.me.kid) for each in (pump, desk)}
    count = len(asks(world))
    wait(world, 60)
    assert len(asks(world)) == count


def test_what_an_ask_says(world: World) -> None:
    pump, desk = pair(world)
    world.form("plant", [pump], [desk], topics=["plant/#"])
    losing(world, b"microseal/key/", b"microseal/ask/")
    world.change("plant", [pump], [desk])
    forget_key_packets(world)
    wait(world, 10)
    [ask] = [ask for ask in asks(world) if ask.sender == "pump"]
    cert = world.authority.enrolled["pump"].cert
    gid, held, t = issuing.verify_ask(world.authority.anchor, cert, ask.payload, int(world.time), None)
    assert (gid, held) == (b"plant", 1)
    assert abs(world.time - t) <= 10


def test_asks_come_once_a_minute_and_never_share_a_second(world: World) -> None:
    pump, desk = pair(world)
    groups = ["plant", "yard", "road"]
    for gid in groups:
        world.form(gid, [pump], [desk], topics=[gid + "/#"])
    losing(world, b"microseal/key/", b"microseal/ask/")
    for gid in groups:
        world.change(gid, [pump], [desk])
    forget_key_packets(world)
    wait(world, 3600)
    for device in (pump, desk):
        mine = [ask for ask in asks(world) if ask.sender == device.id]
        times = [int.from_bytes(ask.payload[-68:-64], "big") for ask in mine]
        assert times == sorted(set(times)), "the authority takes only a t above the last one"
        for gid in groups:
            at = [t for t, ask in zip(times, mine, strict=True) if ask.payload[1 : 1 + ask.payload[0]] == gid.encode()]
            assert 58 <= len(at) <= 64
            assert 10 <= at[1] - at[0] <= 12 and 59 <= at[-1] - at[-2] <= 62


def test_a_restart_asks_again(world: World) -> None:
    pump, desk = pair(world)
    world.form("plant", [pump], [desk], topics=["plant/#"])
    losing(world, b"microseal/key/")
    world.change("plant", [pump], [desk])
    forget_key_packets(world)
    wait(world, 10)
    pump.restart()
    losing(world)
    wait(world, 90)
    assert pump.epoch("plant").info.epoch == 2


def test_who_is_out_asks_for_nothing(world: World) -> None:
    pump, desk = pair(world)
    other = world.enrol("other")
    world.form("plant", [pump, other], [desk], topics=["plant/#"])
    world.change("plant", [pump], [desk])
    wait(world, 120)
    assert not other.in_group("plant")
    assert not [ask for ask in asks(world) if ask.sender == "other"]


def test_a_forged_key_packet_in_its_place_is_no_end(world: World) -> None:
    pump, desk = pair(world)
    world.form("plant", [pump], [desk], topics=["plant/#"])

    def on_way(packet: Packet, receiver: str) -> Iterable[Packet]:
        if packet.topic.startswith(b"microseal/key/") and receiver == "pump":
            return [Packet(packet.topic, packet.payload[:5] + bytes(81), True)]
        return [packet]

    world.broker.on_way = on_way
    world.change("plant", [pump], [desk])
    wait(world, 4)
    assert pump.epoch("plant").info.epoch == 1
    losing(world)
    wait(world, 61)
    assert pump.epoch("plant").info.epoch == 2


def test_an_epoch_of_the_old_certificate_is_asked_for_by_it(world: World) -> None:
    """The new certificate's share is not at the authority yet, so it is the old one that the epoch is for."""
    world.authority.lifetime = 100 * DAY
    pump, desk = pair(world)
    world.form("plant", [pump], [desk], topics=["plant/#"])
    losing(world, b"microseal/share/")
    wait(world, 1)
    world.advance(76 * DAY)
    wait(world, 30)
    assert len(pump.member._identities) == 2
    losing(world, b"microseal/share/", b"microseal/key/")
    world.change("plant", [pump], [desk])
    forget_key_packets(world)
    losing(world, b"microseal/share/")
    wait(world, 40)
    assert pump.epoch("plant").info.epoch == 2
    assert pump.epoch("plant").me is pump.me


def test_a_key_packet_to_the_old_certificate_is_fetched_again(world: World) -> None:
    world.authority.lifetime = 100 * DAY
    pump, desk = pair(world)
    world.form("plant", [pump], [desk], topics=["plant/#"])
    losing(world, b"microseal/share/")
    wait(world, 1)
    world.advance(76 * DAY)
    wait(world, 30)
    losing(world, b"microseal/share/", b"microseal/ask/", b"microseal/key/")
    world.change("plant", [pump], [desk])
    losing(world, b"microseal/share/", b"microseal/ask/")
    wait(world, 70)
    assert pump.epoch("plant").info.epoch == 2


def test_an_info_that_was_lost_is_fetched_while_another_one_is_pending(world: World) -> None:
    """The rosters at the broker are of an epoch whose info did not arrive: those of the pending one will never come."""
    pump, desk = pair(world)
    world.form("plant", [pump], [desk], topics=["plant/#"])
    losing(world, b"/plant/p", b"/plant/s")
    world.change("plant", [pump], [desk])
    losing(world, b"/info", b"/plant/p", b"/plant/s")
    world.change("plant", [pump], [desk])
    losing(world)
    wait(world, 70)
    assert pump.epoch("plant").info.epoch == desk.epoch("plant").info.epoch == 3


def test_messages_of_unknown_epochs_do_not_keep_rosters_from_being_fetched(world: World) -> None:
    """One fetch a minute is all that a group costs: whoever triggers it, everything that is missing is fetched."""
    pump, desk = pair(world)
    world.form("plant", [pump], [desk], topics=["plant/#"])
    raw = bytearray(pump.seal("plant/level", b"4.2"))
    raw[1] ^= 0x40
    losing(world, b"/plant/p", b"/plant/s")
    world.change("plant", [pump], [desk])
    wait(world, 59)
    losing(world)
    for _ in range(3):
        world.advance(60)
        world.broker.deliver(Packet(b"plant/level", bytes(raw)), "desk")
        desk._take(desk.connection.queue.pop())
    world.settle()
    assert desk.epoch("plant").info.epoch == 2
