"""Renewal: a new certificate in time, however often the power goes, and the groups that follow it one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from microseal.enrolment import load_identity
from microseal.errors import Refused
from microseal.renewal import MARGIN
from microseal.store import Store
from microseal.wire import hexkid
from microseal_host import issuing
from world import Device, Packet, World

pytestmark = pytest.mark.usefixtures("core")

DAY = 86400
LIFETIME = 100 * DAY


class PowerCut(Exception):
    """Raised in the middle of a write."""


@pytest.fixture(params=[1, 2])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(request.param) as world:
        world.authority.lifetime = LIFETIME
        yield world


def enrolled(world: World, topics: Iterable[str] = ("plant",)) -> tuple[Device, Device]:
    """A pump that publishes and a desk that subscribes, in a group each topic."""
    pump = world.enrol("pump")
    world.authority.lifetime = 10 * LIFETIME
    desk = world.enrol("desk")
    for topic in topics:
        world.form(topic, [pump], [desk], mode=2, topics=[topic + "/#"])
    return pump, desk


def wait(world: World, seconds: float) -> None:
    world.advance(seconds)
    world.settle()


def on_its_way(world: World, change: Callable[[Packet], Iterable[Packet]]) -> list[Packet]:
    """Has the broker do `change` to every reply. Returns the list in which the replies are kept."""
    kept: list[Packet] = []

    def on_way(packet: Packet, _receiver: str) -> Iterable[Packet]:
        if packet.topic.startswith(b"microseal/reply/"):
            kept.append(packet)
            return change(packet)
        return [packet]

    world.broker.on_way = on_way
    return kept


def requests(world: World, device: str) -> list[bytes]:
    """The renewals that a device has sent."""
    topic = b"microseal/enroll/" + device.encode()
    packets = [packet.payload for packet in world.broker.log if packet.topic == topic]
    return [raw for raw in packets if len(raw) == 68 + len(device) + issuing.RENEWAL]


def files(device: Device) -> dict[str, bytes]:
    """What lies on the device's flash, by the name of the file."""
    return {path.name: path.read_bytes() for path in device._directory.iterdir()}


def publish(world: World, pump: Device, desk: Device, topic: str = "plant/level") -> None:
    """A message arrives."""
    before = len(desk.messages)
    pump.publish(topic, b"4.2")
    world.settle()
    assert [message.sender for message in desk.messages[before:]] == [b"pump"], desk.refused


def test_it_is_asked_for_in_time_and_not_before(world: World) -> None:
    pump, _ = enrolled(world)
    date = pump.me.cert.not_after - min(MARGIN, LIFETIME // 4)
    wait(world, date - world.time - 100)
    assert not requests(world, "pump")
    wait(world, 200)
    assert len(requests(world, "pump")) == 1


def test_a_long_life_is_renewed_a_month_before_its_end(world: World) -> None:
    world.authority.lifetime = 1000 * DAY
    pump = world.enrol("pump")
    wait(world, pump.me.cert.not_after - MARGIN - world.time - 100)
    assert not requests(world, "pump")
    wait(world, 200)
    assert len(requests(world, "pump")) == 1


def test_the_date_stands_however_often_it_starts(world: World) -> None:
    """A quarter of what is left, taken anew at each start, would never be reached."""
    pump, _ = enrolled(world)
    wait(world, 1)
    for _ in range(9):
        wait(world, 8 * DAY)
        pump.restart()
        world.settle()
    assert not requests(world, "pump")
    wait(world, 4 * DAY)
    assert len(requests(world, "pump")) == 1


def test_a_clock_that_was_wrong_once_sets_no_date(world: World) -> None:
    """A host that starts before its clock is right: the last second of the certificate would be the date for good."""
    pump, _ = enrolled(world)
    pump.member._store.erase("renew-at")
    pump.restart()
    pump.clock.ahead = 40 * LIFETIME
    world.settle()
    pump.restart()
    wait(world, 1)
    wait(world, 76 * DAY)
    assert requests(world, "pump")


def test_the_key_changes_and_the_group_follows(world: World) -> None:
    pump, desk = enrolled(world)
    before = pump.me
    wait(world, 76 * DAY)
    assert pump.me is before, "the group is in an epoch of the old certificate"
    publish(world, pump, desk)
    assert desk.messages[-1].kid == before.kid
    world.change("plant", [pump], [desk])
    assert pump.me.kid != before.kid
    assert pump.me.cert.not_after > before.cert.not_after
    publish(world, pump, desk)
    assert desk.messages[-1].kid == pump.me.kid
    wait(world, LIFETIME - 80 * DAY)
    assert world.time > before.cert.not_after - 10 * DAY
    publish(world, pump, desk)


def test_renewed_again_and_again(world: World) -> None:
    world.authority.lifetime = 100 * LIFETIME
    desk = world.enrol("desk")
    world.authority.lifetime = LIFETIME
    pump = world.enrol("pump")
    kids = {pump.me.kid}
    for _ in range(3):
        world.form("plant", [pump], [desk], topics=["plant/#"])
        wait(world, 1)
        wait(world, pump.me.cert.not_after - world.time - DAY)
        world.form("plant", [pump], [desk], topics=["plant/#"])
        kids.add(pump.me.kid)
        publish(world, pump, desk)
    assert len(kids) == 4


def test_a_lost_reply_comes_to_the_same_request(world: World) -> None:
    pump, desk = enrolled(world)
    before = pump.me
    on_its_way(world, lambda _: [])
    for _ in range(4):
        wait(world, 20 * DAY)
    for _ in range(3):
        wait(world, 3600)
        pump.restart()
    assert len(requests(world, "pump")) > 3
    assert len(set(requests(world, "pump"))) == 1
    on_its_way(world, lambda packet: [packet])
    wait(world, 3600)
    world.change("plant", [pump], [desk])
    publish(world, pump, desk)
    assert desk.messages[-1].kid == pump.me.kid != before.kid


def test_forged_replies_change_nothing(world: World) -> None:
    pump, desk = enrolled(world)
    before = pump.me
    kept = on_its_way(world, lambda _: [])
    wait(world, 76 * DAY)
    reply = kept[0]
    flash = files(pump)
    forged = [reply.payload[:at] + bytes((reply.payload[at] ^ 1,)) + reply.payload[at + 1 :] for at in range(71)]
    forged += [b"", reply.payload[:-1], reply.payload + b"\0", bytes(71)]
    for raw in forged:
        with pytest.raises(Refused):
            pump.member.control(reply.topic, raw)
    assert files(pump) == flash
    assert pump.me is before
    # What was meant for somebody else is as good as forged.
    with pytest.raises(Refused):
        desk.member.control(reply.topic, reply.payload)
    pump.member.control(reply.topic, reply.payload)
    world.settle()
    world.change("plant", [pump], [desk])
    assert pump.me.kid != before.kid


@pytest.mark.parametrize("restarted", [False, True])
def test_a_reply_that_comes_twice_counts_once(world: World, restarted: bool) -> None:
    pump, desk = enrolled(world)
    before = pump.me
    kept = on_its_way(world, lambda packet: [packet, packet])
    wait(world, 76 * DAY)
    if restarted:
        pump.restart()
        world.settle()
    pump.member.control(kept[0].topic, kept[0].payload)
    world.change("plant", [pump], [desk])
    assert pump.me.kid != before.kid
    pump.member.control(kept[0].topic, kept[0].payload)
    publish(world, pump, desk)


def test_groups_switch_one_by_one(world: World) -> None:
    pump, desk = enrolled(world, ["plant", "yard", "road"])
    before = pump.me
    wait(world, 76 * DAY)
    for topic in ("plant", "yard", "road"):
        assert pump.me.kid == before.kid
        world.change(topic, [pump], [desk])
        for other in ("plant", "yard", "road"):
            publish(world, pump, desk, other + "/level")
        pump.restart()
        wait(world, 60)
    assert pump.me.kid != before.kid
    assert {pump.epoch(topic).me.kid for topic in ("plant", "yard", "road")} == {pump.me.kid}


def test_a_subscriber_renews_as_well(world: World) -> None:
    desk = world.enrol("desk")
    world.authority.lifetime = 10 * LIFETIME
    pump = world.enrol("pump")
    world.form("plant", [pump], [desk], mode=3, topics=["plant/#"])
    before = desk.me
    wait(world, 76 * DAY)
    publish(world, pump, desk)
    world.change("plant", [pump], [desk])
    assert desk.me.kid != before.kid
    wait(world, 60)
    publish(world, pump, desk)


def test_it_is_asked_for_once_while_it_takes_over(world: World) -> None:
    pump, _ = enrolled(world)
    wait(world, 76 * DAY)
    count = len(requests(world, "pump"))
    for _ in range(5):
        wait(world, 3600)
    assert len(requests(world, "pump")) == count


def test_nothing_of_the_old_key_is_left_on_flash(world: World) -> None:
    pump, desk = enrolled(world)
    old = pump.me.private
    assert any(old in content for content in files(pump).values())
    wait(world, 76 * DAY)
    new = pump.member._identities[-1].private
    assert any(old in content for content in files(pump).values()), "it is still in use"
    world.change("plant", [pump], [desk])
    assert not [name for name, content in files(pump).items() if old in content]
    assert {name for name, content in files(pump).items() if new in content} == {"identity.a", "identity.b"}


def test_r_and_g_are_gone_with_the_reply(world: World) -> None:
    pump, _ = enrolled(world)
    kept = on_its_way(world, lambda _: [])
    wait(world, 76 * DAY)
    renewal = pump.member._renewal
    secrets = renewal._r, renewal._g
    assert all(any(secret in content for content in files(pump).values()) for secret in secrets)
    pump.member.control(kept[0].topic, kept[0].payload)
    assert not any(secret in content for secret in secrets for content in files(pump).values())


def test_a_group_that_is_never_heard_of_again_does_not_hold_the_old_key(world: World) -> None:
    """An epoch that is over is no reason to keep the certificate that had a part in it."""
    pump, desk = enrolled(world, ["plant"])
    world.form("gone", [pump], [desk], topics=["gone/#"], lifetime=80 * DAY)
    before = pump.me
    wait(world, 76 * DAY)
    world.change("plant", [pump], [desk])
    assert pump.me is before, "there is still a group that needs it"
    wait(world, 5 * DAY)
    assert pump.me.kid != before.kid
    pump.restart()
    wait(world, 60)
    publish(world, pump, desk)


def test_a_device_in_no_group_any_more_sends_the_new_share(world: World) -> None:
    pump, desk = enrolled(world)
    world.evict(pump)
    pump.restart()
    kept = on_its_way(world, lambda _: [])
    wait(world, 76 * DAY)
    pump.member.control(kept[0].topic, kept[0].payload)
    pump.restart()  # before it has sent the share
    wait(world, 600)
    world.change("plant", [pump], [desk])
    assert pump.in_group("plant")
    publish(world, pump, desk)


class Power:
    """Cuts the write with the number `last` off, in the middle of its bytes."""

    def __init__(self, patch: pytest.MonkeyPatch, directory: str, last: int) -> None:
        self.count = 0
        write = Store._write

        def cut(store: Store, name: str, slot: str, sequence: int, content: bytes) -> None:
            if store._directory == directory:
                self.count += 1
                if self.count == last:
                    write(store, name, slot, sequence, content)
                    with open(store._path(name, slot), "r+b") as file:
                        file.truncate(20)
                    raise PowerCut
                if self.count == -last:
                    write(store, name, slot, sequence, content)
                    raise PowerCut
            write(store, name, slot, sequence, content)

        patch.setattr(Store, "_write", cut)


def live(world: World, last: int) -> int:
    """Renews with the power going at one write (after it, where `last` is negative), and checks. How many writes there were."""
    world.authority.lifetime = LIFETIME
    pump, desk = enrolled(world, ["plant", "yard"])
    before = pump.me

    def step(take: Callable[[], None]) -> None:
        try:
            take()
        except PowerCut:
            pump.restart()
            world.settle()

    with pytest.MonkeyPatch.context() as patch:
        power = Power(patch, str(pump._directory), last)
        step(lambda: wait(world, 1))
        step(lambda: wait(world, 76 * DAY))
        for _ in range(3):
            step(lambda: wait(world, 3600))
        for topic in ("plant", "yard"):
            step(lambda topic=topic: world.change(topic, [pump], [desk]))  # type: ignore[misc]
            wait(world, 120)
        wait(world, 60)
    assert pump.me.kid != before.kid
    pump.restart()
    wait(world, 60)
    assert len(pump.member._identities) == 1
    assert len(set(requests(world, "pump"))) == 1
    for topic in ("plant", "yard"):
        publish(world, pump, desk, topic + "/level")
    assert desk.messages[-1].kid == pump.me.kid
    content = files(pump)
    assert not [name for name in content if before.private in content[name]]
    store = pump.member._store
    assert not store.load("renewal") and not store.load("next")
    found = load_identity(store, world.authority.anchor)
    assert found is not None and found[0].kid == pump.me.kid
    return power.count


def test_the_power_goes_at_every_write() -> None:
    with World() as world:
        writes = live(world, 0)
    assert writes > 10
    for last in [*range(1, writes + 3), *range(-writes - 2, 0)]:
        with World(1 + last % 2) as world:
            live(world, last)


def test_a_reply_delivered_again_after_a_power_cut(world: World) -> None:
    """The device took the reply, the power went before it had erased the request, and the broker, unacknowledged, sends it again."""
    pump, desk = enrolled(world)
    before = pump.me
    kept = on_its_way(world, lambda _: [])
    wait(world, 76 * DAY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "erase", _cut)
        with pytest.raises(PowerCut):
            pump.member.control(kept[0].topic, kept[0].payload)
    pump.restart()
    pump.member.control(kept[0].topic, kept[0].payload)
    world.settle()
    world.change("plant", [pump], [desk])
    assert pump.me.kid != before.kid
    assert b"microseal/key/+/" + hexkid(before.kid) + b"/+" not in pump.member.filters()


def _cut(_store: Store, _name: str) -> None:
    raise PowerCut


def test_an_expired_certificate_is_not_renewed(world: World) -> None:
    pump, _ = enrolled(world)
    world.advance(LIFETIME + DAY)
    world.settle()
    assert not requests(world, "pump")


def test_a_reply_that_was_lost_until_the_end_is_asked_for_again(world: World) -> None:
    """The authority took the renewal in time: what it stored is the only way back that takes no new claim."""
    pump, desk = enrolled(world)
    before = pump.me
    kept = on_its_way(world, lambda packet: [])
    wait(world, before.cert.not_after - DAY - world.time)
    assert kept
    world.broker.on_way = lambda packet, receiver: [packet]
    world.advance(before.cert.not_after + DAY - world.time)
    pump.restart()
    world.settle()
    world.change("plant", [pump], [desk])
    assert pump.me.kid != before.kid
    wait(world, 60)
    publish(world, pump, desk)
