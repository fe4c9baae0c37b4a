"""Epochs of a group: what a member switches to, what it holds on to for how long, and where it never goes back (section 5)."""

from device_support import (
    Clock,
    NextEpoch,
    control,
    files_of,
    give_certificates,
    join,
    joined,
    key_topic,
    raises,
    reason_of,
    refused,
    scenario,
    start,
    suites,
)

from microseal import errors
from microseal.entropy import Entropy
from microseal.envelope import seal
from microseal.errors import NotReady, StorageError
from microseal.group import PUBLISHER, SUBSCRIBER
from microseal.policy import Policy
from microseal.store import Store
from microseal.wire import hexkid, u32


def group_of(member, world):
    return member.groups.by_gid[world.gid]


def offer(member, world, following):
    offer_raw(member, world, following.raw)


def offer_raw(member, world, raw):
    member.control(control(b"group/" + world.gid + b"/info"), raw)


def test_a_switch_by_key_packets_and_one_by_broadcasts():
    for suite in suites:
        world = scenario(suite)
        for broadcast in (False, True):
            member = joined(world, 2)
            group, following = group_of(member, world), NextEpoch(world)
            old = group.current
            if broadcast:
                following.announce(member)
                for role in (PUBLISHER, SUBSCRIBER):
                    topic = control(b"group/" + world.gid + b"/" + str(role).encode())
                    assert group.current is old
                    member.control(topic, following.broadcast(role, old.keys[role]))
            else:
                following.give(member, 2)
            assert group.current.keys == following.keys
            assert (group.number, group.pending, group.previous) == (following.info.epoch, None, old)
            again = start(world, 2, directory=member.directory)
            assert group_of(again, world).current.keys == following.keys
            assert group_of(again, world).number == following.info.epoch


def test_a_broadcast_is_for_the_next_epoch_and_ones_own_roles():
    world = scenario(suites[0])
    member = joined(world, 3)  # a subscriber alone
    topic = control(b"group/" + world.gid + b"/")
    old = world.epoch(2).keys
    following = NextEpoch(world)
    refused(errors.EPOCH, member.control, topic + b"2", following.broadcast(SUBSCRIBER, old[SUBSCRIBER]))
    following.announce(member)
    refused(errors.ROLE, member.control, topic + b"1", following.broadcast(PUBLISHER, old[PUBLISHER]))
    member.control(topic + b"2", following.broadcast(SUBSCRIBER, old[SUBSCRIBER]))
    assert group_of(member, world).current.keys == {SUBSCRIBER: following.keys[SUBSCRIBER]}
    later = NextEpoch(world, 3)
    later.announce(member)
    broadcast = later.broadcast(SUBSCRIBER, following.keys[SUBSCRIBER])
    refused(errors.EPOCH, member.control, topic + b"2", broadcast)


def test_the_epoch_before_is_held_for_120_s():
    for suite in suites:
        world = scenario(suite)
        for passed, reason in ((0, None), (100, None), (120, errors.TIME), (121, errors.EPOCH)):
            member = joined(world, 3)
            NextEpoch(world).give(member, 3, (SUBSCRIBER,))
            member._clock.pass_time(passed)
            topic, raw, _ = world.envelopes(1, 0)[0]
            # At 120 s the epoch is still held; this message has grown too old.
            assert reason_of(member.open, topic, raw) == reason


def test_in_the_overlap_only_those_who_are_on_both_rosters_are_heard():
    world = scenario(suites[0])
    topic, raw, _ = world.envelopes(1, 0)[0]
    for publishers, reason in (([0, 1, 2], None), ([0, 1], errors.ROLE)):
        member = joined(world, 3)
        NextEpoch(world, publishers=publishers).give(member, 3, (SUBSCRIBER,))
        assert reason_of(member.open, topic, raw) == reason


def test_a_restart_ends_the_overlap():
    world = scenario(suites[0])
    member = joined(world, 3)
    NextEpoch(world).give(member, 3, (SUBSCRIBER,))
    clock = Clock(world.now - 10)
    again = start(world, 3, directory=member.directory, clock=clock)
    again.can_seal()
    clock.pass_time(10)
    give_certificates(again, world)
    topic, raw, _ = world.envelopes(1, 0)[0]
    refused(errors.EPOCH, again.open, topic, raw)


def test_epochs_go_up_by_65535_at_most():
    world = scenario(suites[0])
    for step, reason in ((0, errors.EPOCH), (-1, errors.EPOCH), (1, None), (65535, None), (65536, errors.EPOCH)):
        member = joined(world, 2)
        assert reason_of(offer, member, world, NextEpoch(world, step)) == reason, step
    member = start(world, 2)  # the first one it ever sees: any
    member.control(key_topic(world, member.me.kid, PUBLISHER), world.packets(2)[PUBLISHER])
    offer(member, world, NextEpoch(world, 1 << 20))


def test_a_newer_info_takes_the_place_of_one_that_is_pending():
    world = scenario(suites[0])
    member = joined(world, 2)
    group = group_of(member, world)
    third, fourth = NextEpoch(world, 3), NextEpoch(world, 4)
    third.announce(member)
    fourth.announce(member)
    assert group.pending.epoch == fourth.info.epoch
    refused(errors.EPOCH, offer, member, world, third)
    assert member.reader(control(b"group/" + world.gid + b"/p")) is None  # both rosters are there
    member.control(key_topic(world, member.me.kid, PUBLISHER), third.packet(2, PUBLISHER))
    member.control(key_topic(world, member.me.kid, SUBSCRIBER), third.packet(2, SUBSCRIBER))
    assert group.current.info.epoch == world.info().epoch
    for role in (PUBLISHER, SUBSCRIBER):
        member.control(key_topic(world, member.me.kid, role), fourth.packet(2, role))
    assert group.current.info.epoch == fourth.info.epoch


def test_who_is_on_neither_roster_is_out_and_stays_out():
    for suite in suites:
        world = scenario(suite)
        member = joined(world, 2)
        following = NextEpoch(world, publishers=[0, 1], subscribers=[3])
        following.announce(member)
        topic, raw, _ = world.envelopes(1, 0)[0]
        again = start(world, 2, directory=member.directory)
        for device in (member, again):
            assert world.gid not in device.groups.by_gid  # its place is free
            refused(errors.TOPIC, device.open, topic, raw)
            refused(errors.TOPIC, device.seal, topic, b"")
            for packet in world.packets(2).values():  # a broker that has kept the epoch before
                device.control(key_topic(world, device.me.kid, packet[0]), packet)
            refused(errors.EPOCH, offer_raw, device, world, world.info_raw)
            refused(errors.EPOCH, offer_raw, device, world, following.raw)
        files = files_of(member.directory)
        for key in world.epoch(2).keys.values():
            assert not any(key in content for content in files.values())
        # A later epoch may have it again.
        back = NextEpoch(world, 2)
        back.give(again, 2)
        for device in (again, start(world, 2, directory=member.directory)):
            assert group_of(device, world).current.keys == back.keys


class PowerCut(Exception):
    pass


class CutStore(Store):
    """Its power goes in the middle of a write; `left`: writes before that, None: it stays on."""

    left = None

    def _write(self, name, slot, sequence, content):
        if CutStore.left == 0:
            with open(self._path(name, slot), "wb") as file:
                file.write(b"half")
            raise PowerCut
        if CutStore.left is not None:
            CutStore.left -= 1
        Store._write(self, name, slot, sequence, content)


class FullStore(Store):
    """No room for one record more."""

    def _write(self, name, slot, sequence, content):
        if name == "left":
            raise StorageError("no room")
        Store._write(self, name, slot, sequence, content)


def test_the_power_goes_while_a_group_is_left():
    world = scenario(suites[0])
    following = NextEpoch(world, publishers=[0, 1], subscribers=[3])
    for writes in (0, 1, 2, 3, 6):  # the last: it does not go
        member = joined(world, 2, store=CutStore, certificates=False)
        CutStore.left = writes
        cut = True
        try:
            following.announce(member)
            cut = False
        except PowerCut:
            pass
        CutStore.left = None
        if writes == 1:  # between the epoch without keys and `left`: no room for this is no reason not to start
            assert group_of(start(world, 2, directory=member.directory, store=FullStore), world).current is None
        again = start(world, 2, directory=member.directory)
        if not writes:
            assert group_of(again, world).number == world.info().epoch
            following.announce(again)
        assert world.gid not in again.groups.by_gid
        for packet in world.packets(2).values():
            again.control(key_topic(world, again.me.kid, packet[0]), packet)
        refused(errors.EPOCH, offer_raw, again, world, world.info_raw)
        for key in world.epoch(2).keys.values():
            assert not any(key in content for content in files_of(member.directory).values())
    assert not cut


def test_the_places_of_groups_that_one_is_out_of():
    """Made-up key packets push them out of memory as they do others; what they leave is there when the number of them is full."""
    world = scenario(suites[0])
    member = joined(world, 2, groups=2)
    NextEpoch(world, publishers=[0, 1], subscribers=[3]).announce(member)
    for name in (world.gid, b"one", b"two", b"three", world.gid):
        member.control(control(b"key/" + name + b"/" + hexkid(member.me.kid) + b"/1"), bytes(86))
    refused(errors.EPOCH, offer_raw, member, world, world.info_raw)
    full = joined(world, 2, groups=2)
    full._store.save("left", b"".join([u32(at) * 3 for at in range(64)]))
    full = start(world, 2, directory=full.directory, groups=2)
    following = NextEpoch(world, publishers=[0, 1], subscribers=[3])
    following.announce(full)
    for device in (full, start(world, 2, directory=full.directory, groups=2)):
        for name in (b"one", b"two", b"three"):
            device.control(control(b"key/" + name + b"/" + hexkid(device.me.kid) + b"/1"), bytes(86))
        group = group_of(device, world)
        assert (group.current, group.previous, group.number) == (None, None, following.info.epoch)
        refused(errors.EPOCH, offer_raw, device, world, world.info_raw)


def test_an_info_is_used_up_to_its_not_after():
    world = scenario(suites[0])
    member = joined(world, 2)
    topic, raw, _ = world.envelopes(1, 0)[0]
    end = world.group["not_after"]
    member._clock.seconds = end
    member.seal(topic, b"")
    assert group_of(member, world).held(world.info().epoch & 0xFFFF, end) is not None
    member._clock.seconds = end + 1
    refused(errors.EXPIRED, member.seal, topic, b"")
    refused(errors.EPOCH, member.open, topic, raw)
    # One that has run out already is not switched to.
    member = joined(world, 2)
    following = NextEpoch(world, not_after=world.now - 1)
    for role in (PUBLISHER, SUBSCRIBER):
        member.control(key_topic(world, member.me.kid, role), following.packet(2, role))
    refused(errors.EXPIRED, following.announce, member)
    assert group_of(member, world).number == world.info().epoch


def test_a_roster_that_is_too_long_for_this_device():
    world = scenario(suites[0])
    member = start(world, 3, senders=2)
    refused(errors.ROOM, join, member, world, 3)
    assert group_of(member, world).current is None
    assert group_of(member, world).trouble == errors.ROOM
    # One who only publishes keeps no roster of publishers; that of the subscribers fits.
    member = start(world, 0, senders=2)
    join(member, world, 0)
    assert group_of(member, world).current is not None


def test_a_publisher_of_a_group_without_queries_hears_nobody():
    world = scenario(suites[0])
    member = start(world, 0)
    following = NextEpoch(world, policy=Policy(1, 120, 100, [(0, b"a/#")]))
    following.give(member, 0, (PUBLISHER,))
    current = group_of(member, world).current
    assert current.keys == {PUBLISHER: following.keys[PUBLISHER]}
    assert not any(current.senders.values())


def test_a_subscriber_does_not_hear_queries_nor_a_publisher_messages():
    for suite in suites:
        world = scenario(suite)
        epoch, me, entropy = world.epoch(2), world.identity(2), Entropy(world.suite, bytes(32), 1, bytes)
        for index, heard in ((3, 0), (0, 1), (2, None)):
            member = joined(world, index)
            for direction, topic in ((0, world.envelopes(1, 0)[0][0]), (1, "ask/°C".encode())):
                for mode in (1, 2, 3):
                    nonce = b"boot----" + bytes((0, direction, 0, mode))
                    raw = seal(epoch, me, direction, mode, topic, world.now, b"x", nonce, entropy)
                    found = reason_of(member.open, topic, raw)
                    assert found == (None if heard in (None, direction) else errors.DIRECTION)


def test_two_groups_with_one_topic():
    """The second group's filters meet the first one's: the topic belongs to neither any more."""
    world = scenario(suites[0])
    member = joined(world, 2)
    topic = world.envelopes(1, 0)[0][0]
    member.seal(topic, b"")
    other = group_of(member, world)
    member.groups._cache.clear()
    member.groups.by_gid[b"another"] = other
    for call in (member.seal, member.open):
        refused(errors.TOPIC, call, topic, b"\x11" + bytes(90))


def test_nothing_works_before_enrolment_or_a_group():
    world = scenario(suites[0])
    member = start(world, 2)
    topic, raw, _ = world.envelopes(1, 0)[0]
    for call in (lambda: member.seal(topic, b""), lambda: member.open(topic, raw), lambda: member.mode_of(topic)):
        refused(errors.TOPIC, call)
    member.me = None
    for call in (lambda: member.seal(topic, b""), lambda: member.open(topic, raw)):
        raises(NotReady, call)
