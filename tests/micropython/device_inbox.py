"""On receipt: the checks in the order of section 6, each seen as the first one that fails, and the rules of time at their edges."""

from device_support import (
    Clock,
    control,
    give_certificates,
    join,
    joined,
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
from microseal.errors import NotReady
from microseal.wire import u32
from microseal_host import issuing

MAX_AGE = 120  # of the scenario's policy


def topic_of(world):
    return world.envelopes(1, 0)[0][0]


class Sender:
    """Member 2, who can seal anything; boots and counters are its choice."""

    def __init__(self, world):
        self._world = world
        self._epoch, self._me = world.epoch(2), world.identity(2)
        self._entropy = Entropy(world.suite, bytes(32), 1, bytes)

    def seal(self, mode=1, t=None, direction=0, topic=None, message=b"x", boot=b"boot-one", counter=0, me=None):
        world = self._world
        t = world.now if t is None else t
        nonce, me = boot + u32(counter), me or self._me
        return bytes(seal(self._epoch, me, direction, mode, topic or topic_of(world), t, message, nonce, self._entropy))


def test_the_order_of_the_checks():
    """Everything is wrong with an envelope, and then less and less."""
    for suite in suites:
        world = scenario(suite)
        for mode in (1, 2):
            member = joined(world, 3)
            raw = bytearray(Sender(world).seal(mode, message=bytes(5000)))
            topic, good = b"elsewhere", topic_of(world)
            raw[0] = 3 - suite << 4 | 8 | 7  # the other suite or none, the other direction, no mode
            raw[1:3] = b"\x00\x01"
            raw[3:11] = b"stranger"
            raw[11:15] = u32(world.now + 500)
            raw[-1] ^= 1
            refused(errors.LENGTH, member.open, topic, b"")
            raw[0] = 0xF0 | 8 | 7
            refused(errors.SUITE, member.open, topic, raw)
            raw[0] = suite << 4 | 8 | 7
            refused(errors.MODE, member.open, topic, raw)
            raw[0] = suite << 4 | 8 | mode
            refused(errors.LENGTH, member.open, topic, raw[:90])
            refused(errors.TOPIC, member.open, topic, raw)
            refused(errors.EPOCH, member.open, good, raw)
            raw[1:3] = (world.info().epoch & 0xFFFF).to_bytes(2, "big")
            refused(errors.DIRECTION, member.open, good, raw)
            raw[0] = suite << 4 | mode
            refused(errors.SIZE, member.open, good, raw)
            raw = raw[:27] + raw[-100:]
            refused(errors.TIME, member.open, good, raw)
            raw[11:15] = u32(world.now)
            refused(errors.ROLE, member.open, good, raw)
            kid = world.identity(2).kid
            raw[3:11] = kid
            listed = issuing.make_revoked(world.identity(4), world.now, [kid], bytes(32))
            member.control(control(b"revoked"), listed)
            refused(errors.REVOKED, member.open, good, raw)
            member.control(control(b"revoked"), issuing.make_revoked(world.identity(4), world.now + 1, [], bytes(32)))
            member.open(good, Sender(world).seal(boot=bytes(raw[15:23]), counter=int.from_bytes(raw[23:27], "big")))
            refused(errors.REPLAY, member.open, good, raw)
            raw[23:27] = u32(77)
            refused(errors.SIGNATURE, member.open, good, raw)


def test_the_order_in_mode_3():
    for suite in suites:
        world = scenario(suite)
        member = joined(world, 3)
        good = topic_of(world)
        raw = bytearray(Sender(world).seal(3, message=bytes(5000)))
        raw[1:3] = b"\x00\x01"
        raw[3:7] = u32(world.now + 500)
        raw[-1] ^= 1
        refused(errors.LENGTH, member.open, b"elsewhere", raw[:-1])
        refused(errors.TOPIC, member.open, b"elsewhere", raw)
        refused(errors.EPOCH, member.open, good, raw)
        raw[1:3] = (world.info().epoch & 0xFFFF).to_bytes(2, "big")
        refused(errors.SIZE, member.open, good, raw)
        raw = raw[:40] + raw[-240:]
        refused(errors.TIME, member.open, good, raw)
        raw[3:7] = u32(world.now)
        refused(errors.SIGNATURE, member.open, good, raw)
        # Size and sender are looked at behind the group's signature, and say no more than that.
        refused(errors.INNER, member.open, good, Sender(world).seal(3, message=bytes(4097)))
        refused(errors.INNER, member.open, good, Sender(world).seal(3, me=world.identity(3)))
        raw = Sender(world).seal(3, message=bytes(4096))
        assert member.open(good, raw).payload == bytes(4096)
        refused(errors.INNER, member.open, good, raw)


def test_time_at_its_edges():
    for suite in suites:
        world = scenario(suite)
        sender = Sender(world)
        for mode in (1, 2, 3):
            for offset, reason in ((120, None), (121, errors.TIME), (-MAX_AGE, None), (-MAX_AGE - 1, errors.TIME)):
                member = joined(world, 3, before=500)
                raw = sender.seal(mode, world.now + offset)
                assert reason_of(member.open, topic_of(world), raw) == reason, (mode, offset)


def test_nothing_from_before_the_start():
    world = scenario(suites[0])
    sender = Sender(world)
    started = world.now - 10
    for mode in (1, 2, 3):
        for t, reason in ((started - 1, errors.TIME), (started, errors.TIME), (started + 1, None)):
            member = joined(world, 3, before=10)
            assert reason_of(member.open, topic_of(world), sender.seal(mode, t)) == reason, (mode, t)


def test_what_was_dated_ahead_is_not_taken_again_after_a_restart():
    """The floor: what a receiver took before its start may be dated after it."""
    world = scenario(suites[0])
    raw = Sender(world).seal(t=world.now + 100)
    member = joined(world, 3)
    assert member.open(topic_of(world), raw).t == world.now + 100
    clock = Clock(world.now)
    again = start(world, 3, directory=member.directory, clock=clock)
    again.can_seal()
    give_certificates(again, world)
    for passed in (0, 50, 50, 5):
        clock.pass_time(passed)
        refused(errors.TIME, again.open, topic_of(world), raw)
    late = Sender(world)
    refused(errors.TIME, again.open, topic_of(world), late.seal(t=world.now + 220, counter=1))
    assert again.open(topic_of(world), late.seal(t=world.now + 221, counter=1)).t == world.now + 221


def test_a_sender_far_ahead_costs_one_write_in_two_minutes():
    """A corrupted member that could make its receivers write at each message would wear their flash out."""
    world = scenario(suites[0])
    member, sender = joined(world, 3), Sender(world)
    records, save = [], member._store.save
    member._store.save = lambda name, content: (records.append(name), save(name, content))
    for counter in range(50):
        member.open(topic_of(world), sender.seal(t=member._clock.seconds + 120, counter=counter))
        member._clock.pass_time(6)
    assert records == ["floor"] * 3, records


def test_states():
    """Old, seen before, from before the start: still states to read, unless something newer was delivered."""
    for suite in suites:
        world = scenario(suite)
        sender = Sender(world)
        topic = b"state/a/x"
        for mode in (1, 2, 3):
            member = joined(world, 3)
            take = lambda t, counter: member.open(topic, sender.seal(mode, t, topic=topic, counter=counter))  # noqa: B023, E731
            assert take(world.now - 5000, 0).stale
            assert take(world.now - 11, 1).stale
            assert not take(world.now, 2).stale
            refused(errors.STALE if mode < 3 else errors.INNER, take, world.now - 5000, 3)
            again = sender.seal(mode, world.now + 1, topic=topic, counter=9)
            assert not member.open(topic, again).stale
            if mode < 3:
                assert member.open(topic, again).stale  # seen before: a state, not an event
            else:
                refused(errors.INNER, member.open, topic, again)
            # A stale one moved no window.
            assert not take(world.now + 2, 1).stale


def test_a_message_needs_a_clock_and_changes_nothing_without():
    world = scenario(suites[0])
    member = start(world, 3, clock=Clock(signed=True))
    join(member, world, 3)
    topic, raw, _ = world.envelopes(1, 0)[0]
    raises(NotReady, member.open, topic, raw)
    assert member.filters().count(control(b"cert/")) == 0


def test_an_expired_sender():
    world = scenario(suites[0])
    member = joined(world, 3)
    end = world.case(2)["not_after"]
    group = member.groups.by_gid[world.gid]
    group.current.info.not_after = end + 1000
    member._clock.seconds = end
    assert member.open(topic_of(world), Sender(world).seal(t=end)).t == end
    member._clock.seconds = end + 1
    refused(errors.EXPIRED, member.open, topic_of(world), Sender(world).seal(t=end, counter=1))


def test_whole_messages():
    for suite in suites:
        world = scenario(suite)
        for mode in (1, 2, 3):
            for direction, index in ((0, 3), (1, 0)):
                member = joined(world, index)
                topic, raw, case = world.envelopes(mode, direction)[1]
                message = member.open(topic, raw)
                assert (message.topic, message.payload.hex()) == (topic, case["message"])
                assert (message.gid, message.sender, message.kid) == (
                    world.gid,
                    world.identity(2).id,
                    world.identity(2).kid,
                )
                assert (message.mode, message.direction, message.t, message.stale) == (
                    mode,
                    direction,
                    case["time"],
                    False,
                )
