"""Floods of messages that are no good: every table stays within its bound, and on MicroPython the heap stays where it is."""

import gc

from device_support import Clock, control, joined, key_topic, reason_of, scenario, start, suites

from microseal import errors
from microseal.errors import Refused
from microseal.group import PUBLISHER
from microseal.wire import hexkid, u32
from microseal_host import issuing

ROUNDS = 300
SLACK = (
    6144  # bytes of heap: what the caches of topics may differ by. One object a message would be twice as much at least
)


def heap():
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0


def flood(send):
    """send(number) for many numbers, first so that the tables fill, then with an eye on the heap."""
    for number in range(ROUNDS):
        send(number)
    before = heap()
    for number in range(ROUNDS, 3 * ROUNDS):
        send(number)
    after = heap()
    assert after - before < SLACK, f"the heap grew from {before} to {after} bytes"


def refused_at_all(call, *arguments):
    try:
        call(*arguments)
    except Refused:
        return
    raise AssertionError("not refused")


def test_key_packets_of_groups_that_nobody_knows():
    world = scenario(suites[0])
    member = start(world, 2, groups=4)
    kid = hexkid(member.me.kid)

    def send(number):
        topic = control(b"key/made-up-" + str(number).encode() + b"/" + kid + b"/1")
        member.control(topic, b"\x01" + u32(number + 1) + bytes(81))
        assert len(member.groups.by_gid) <= 4
        assert len(member.filters()) <= 4 + 4
        member.tick()
        member.take_outgoing()
        assert len(member.take_refetch()) <= 4

    flood(send)
    # The real ones still find room.
    member.control(key_topic(world, member.me.kid, PUBLISHER), world.packets(2)[PUBLISHER])
    member.control(control(b"group/" + world.gid + b"/info"), world.info_raw)
    assert member.groups.by_gid[world.gid].pending is not None


def test_key_packets_of_epochs_to_come():
    world = scenario(suites[0])
    member = joined(world, 2)
    group = member.groups.by_gid[world.gid]

    def send(number):
        packet = b"\x01" + u32(group.number + 1 + number) + bytes(81)
        member.control(key_topic(world, member.me.kid, PUBLISHER), packet)
        assert len(group._packets) == 1

    flood(send)


def test_topics_of_no_group():
    world = scenario(suites[0])
    member = joined(world, 2)
    raw = world.envelopes(1, 0)[0][1]

    def send(number):
        name = str(number).encode()
        assert reason_of(member.open, b"nowhere/" + name, raw) == errors.TOPIC
        assert reason_of(member.open, b"site/public-1/x" + name, raw) == errors.SIGNATURE
        assert len(member.groups._cache) <= 32

    flood(send)


def test_long_topics():
    world = scenario(suites[0])
    member = joined(world, 2)
    raw = world.envelopes(1, 0)[0][1]

    def send(number):
        topic = b"site/public-1/" + b"x" * (number % 300 * 20) + str(number).encode()
        assert reason_of(member.open, topic, raw) == errors.SIGNATURE
        assert sum([len(topic) for topic in member.groups._cache]) <= 32 * 128

    flood(send)


def test_messages_of_senders_whose_certificates_do_not_come():
    world = scenario(suites[0])
    member = joined(world, 3, certificates=False)
    topic, raw, _ = world.envelopes(1, 0)[0]
    kids = [world.identity(index).kid for index in (0, 1, 2)]

    def send(number):
        altered = raw[:3] + kids[number % 3] + raw[11:23] + u32(number) + raw[27:]
        assert reason_of(member.open, topic, altered) in (None, errors.ROOM)
        assert len(member._fetching._held) <= 3
        if number % 7 == 0:
            member._clock.ticks += 30000
            member.tick()

    flood(send)


def test_signatures_that_are_none():
    for suite in suites:
        world = scenario(suite)
        member = joined(world, 2)
        found = [world.envelopes(mode, direction)[1] for mode in (1, 2, 3) for direction in (0, 1)]

        def send(number, member=member, found=found):
            topic, raw, _ = found[number % len(found)]
            raw = raw[:-2] + number.to_bytes(2, "big")
            assert reason_of(member.open, topic, raw) == errors.SIGNATURE

        flood(send)


def test_envelopes_of_other_epochs():
    world = scenario(suites[0])
    member = joined(world, 2)
    topic, raw, _ = world.envelopes(1, 0)[0]
    held = int.from_bytes(raw[1:3], "big")

    def send(number):
        other = (held + 1 + number) % 65536
        assert reason_of(member.open, topic, raw[:1] + other.to_bytes(2, "big") + raw[3:]) == errors.EPOCH
        member._clock.ticks += 100
        assert len(member.take_refetch()) <= 1

    flood(send)


def test_replays():
    world = scenario(suites[0])
    member = joined(world, 3)
    topic, raw, _ = world.envelopes(1, 0)[0]
    third, anonymous, _ = world.envelopes(3, 0)[0]
    member.open(topic, raw)
    member.open(third, anonymous)

    def send(number):
        assert reason_of(member.open, topic, raw) == errors.REPLAY
        assert reason_of(member.open, third, anonymous) == errors.INNER

    flood(send)


def test_what_the_authority_did_not_say():
    world = scenario(suites[0])
    clock = Clock(world.now, signed=True)
    member = joined(world, 2)
    member._clock = clock
    member.tick()
    kid, info = hexkid(member.me.kid), control(b"group/" + world.gid + b"/info")
    listed = issuing.make_revoked(world.identity(4), world.now, [kid[:8]], bytes(32))

    def send(number):
        tail = number.to_bytes(4, "big")
        refused_at_all(member.control, info, world.info_raw[:-4] + tail)
        refused_at_all(member.control, control(b"revoked"), listed[:-4] + tail)
        refused_at_all(member.control, control(b"time/" + kid), tail + bytes(64))
        refused_at_all(member.control, control(b"cert/" + hexkid(tail + tail)), world.certificate(0))
        refused_at_all(member.control, control(b"group/other-" + hexkid(tail) + b"/info"), world.info_raw)
        refused_at_all(member.control, control(tail), b"x")
        signer = world.signer_raw[:10] + b"\xff" + tail[1:] + world.signer_raw[14:]
        member.control(control(b"signer"), signer)  # announced, and no more than that
        member.take_outgoing()

    flood(send)
    assert member._trust.signer.cert.raw == world.signer_raw
