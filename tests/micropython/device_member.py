"""A member from its start to its messages: what it asks for, when it is ready, what it refuses to do, and what comes in time."""

from device_support import (
    Clock,
    control,
    give_certificates,
    give_roster,
    join,
    joined,
    key_topic,
    raises,
    refused,
    scenario,
    start,
    suites,
)

from microseal import errors
from microseal.envelope import Envelope
from microseal.errors import NotReady
from microseal.group import PUBLISHER, SUBSCRIBER
from microseal.wire import hexkid
from microseal_host import issuing

STATE_TOPIC, QUERY = b"state/a/x", "ask/°C".encode()


def data_topic(world):
    return b"site/public-" + str(world.suite).encode() + b"/1"


def test_what_is_subscribed():
    world = scenario(suites[0])
    member = start(world, 2)
    kid = hexkid(member.me.kid)
    always = [control(name) for name in (b"signer", b"revoked", b"time/" + kid, b"key/+/" + kid + b"/+")]
    assert member.filters() == always
    group = control(b"group/" + world.gid)
    member.control(key_topic(world, member.me.kid, PUBLISHER), world.packets(2)[PUBLISHER])
    assert member.filters() == always + [group + b"/info"]
    member.control(group + b"/info", world.info_raw)
    assert set(member.filters()) == set(always + [group + level for level in (b"/info", b"/p", b"/s")])
    member.control(key_topic(world, member.me.kid, SUBSCRIBER), world.packets(2)[SUBSCRIBER])
    for role in (PUBLISHER, SUBSCRIBER):
        give_roster(member, world, role)
    assert member.groups.by_gid[world.gid].current is not None
    assert member.filters() == always + [group + b"/info"]


def test_the_share_is_sent_until_it_is_known_to_be_there():
    world = scenario(suites[0])
    member = start(world, 2)
    clock = member._clock
    box = bytes.fromhex(world.case(2)["share_box"])
    sent = []
    for second in range(100):
        member.tick()
        for topic, payload in member.take_outgoing():
            if b"/share/" in topic:
                assert (topic, payload) == (control(b"share/" + hexkid(member.me.kid)), box)
                sent.append(second)
        clock.pass_time(1)
    assert sent == [0, 5, 15, 35, 75]
    join(member, world, 2)
    clock.pass_time(100000)
    member.tick()
    assert not [topic for topic, _ in member.take_outgoing() if b"/share/" in topic]


def test_the_time_is_asked_for_and_taken():
    for suite in suites:
        world = scenario(suite)
        clock = Clock(signed=True)
        member = start(world, 2, clock=clock)
        assert not member.can_seal()
        raises(NotReady, member.now)
        raises(NotReady, member.open, data_topic(world), world.envelopes(1, 0)[0][1])
        refused(errors.UNKNOWN, member.control, control(b"time/" + hexkid(member.me.kid)), bytes(68))
        member.tick()
        (challenge,) = [payload for topic, payload in member.take_outgoing() if b"/clock/" in topic]
        signer, topic = world.identity(4), control(b"time/" + hexkid(member.me.kid))
        answer = issuing.sign_time(signer, challenge, world.now, bytes(32))
        clock.ticks += 5001
        refused(errors.TIME, member.control, topic, answer)
        clock.ticks += 1000
        member.tick()
        (again,) = [payload for topic, payload in member.take_outgoing() if b"/clock/" in topic]
        assert again != challenge
        refused(errors.SIGNATURE, member.control, topic, answer)
        member.control(topic, issuing.sign_time(signer, again, world.now, bytes(32)))
        assert member.now() == world.now
        refused(errors.UNKNOWN, member.control, topic, issuing.sign_time(signer, again, world.now + 9, bytes(32)))
        clock.pass_time(3599)
        member.tick()
        assert not [topic for topic, _ in member.take_outgoing() if b"/clock/" in topic]
        clock.pass_time(1)
        member.tick()
        assert [topic for topic, _ in member.take_outgoing() if b"/clock/" in topic]


def test_without_a_clock_an_epoch_waits():
    world = scenario(suites[0])
    clock = Clock(signed=True)
    member = start(world, 2, clock=clock)
    join(member, world, 2)
    group = member.groups.by_gid[world.gid]
    assert group.current is None and group.pending is not None
    member.tick()
    (challenge,) = [payload for topic, payload in member.take_outgoing() if b"/clock/" in topic]
    answer = issuing.sign_time(world.identity(4), challenge, world.now, bytes(32))
    member.control(control(b"time/" + hexkid(member.me.kid)), answer)
    assert group.current is not None and group.pending is None


def test_the_order_in_which_things_come_does_not_matter():
    for suite in suites:
        world = scenario(suite)
        group = control(b"group/" + world.gid)
        for order in range(6):
            member = start(world, 2)
            kid = member.me.kid
            packets = world.packets(2)
            steps = [
                lambda: member.control(key_topic(world, kid, SUBSCRIBER), packets[SUBSCRIBER]),  # noqa: B023
                lambda: give_roster(member, world, PUBLISHER),  # noqa: B023
                lambda: give_roster(member, world, SUBSCRIBER),  # noqa: B023
            ]
            member.control(key_topic(world, kid, PUBLISHER), packets[PUBLISHER])
            member.control(group + b"/info", world.info_raw)
            first = steps.pop(order % 3)
            second = steps.pop(order % 2)
            for step in (first, second, steps[0]):
                assert member.groups.by_gid[world.gid].current is None
                step()
            assert member.groups.by_gid[world.gid].current.keys.get(SUBSCRIBER)


def test_a_restart_takes_up_where_it_was():
    for suite in suites:
        world = scenario(suite)
        member = joined(world, 2)
        again = start(world, 2, directory=member.directory, clock=Clock(world.now + 100))
        before, after = member.groups.by_gid[world.gid].current, again.groups.by_gid[world.gid].current
        assert after.info.raw == before.info.raw
        assert (after.keys, after.senders) == (before.keys, before.senders)
        raises(NotReady, again.seal, data_topic(world), b"")
        again._clock.pass_time(1)
        first, second = Envelope(member.seal(data_topic(world), b"x")), Envelope(again.seal(data_topic(world), b"x"))
        assert first.nonce[:8] != second.nonce[:8]
        assert second.nonce[8:] == bytes(4)
        # What was held before the start is not taken again without the windows of before.
        topic, raw, _ = world.envelopes(1, 0)[0]
        give_certificates(again, world)
        refused(errors.TIME, again.open, topic, raw)


def test_what_is_not_sealed():
    for suite in suites:
        world = scenario(suite)
        raises(NotReady, start(world, 2, clock=Clock(signed=True)).now)
        topic = data_topic(world)
        publisher, subscriber, both = joined(world, 0), joined(world, 3), joined(world, 2)
        refused(errors.ROLE, subscriber.seal, topic, b"")
        refused(errors.ROLE, publisher.seal, QUERY, b"")
        for wrong in (
            b"elsewhere",
            b"site/public-0/x",
            b"state/a/y",
            b"microseal/signer",
            b"$x",
            b"",
            b"site/+",
            b"\xff",
        ):
            refused(errors.TOPIC, both.seal, wrong, b"")
        refused(errors.SIZE, both.seal, topic, bytes(4097))
        refused(errors.POLICY, both.seal, topic, b"", True)
        refused(errors.MODE, both.seal, topic, b"", False, 4)
        assert Envelope(both.seal(topic, bytes(4096))).mode == 1
        assert Envelope(both.seal(STATE_TOPIC, b"", True)).mode == 1
        for mode in (1, 2, 3):
            assert Envelope(both.seal(topic, b"", False, mode)).mode == mode
            assert Envelope(both.seal(QUERY, b"", False, mode)).direction == 1
        both._clock.seconds = world.group["not_after"]
        both.seal(topic, b"")
        both._clock.seconds += 1
        refused(errors.EXPIRED, both.seal, topic, b"")


def test_counters_and_boot_values():
    world = scenario(suites[0])
    member = joined(world, 2)
    topic = data_topic(world)
    nonces = [Envelope(member.seal(topic, b"", False, 1 + at % 2)).nonce for at in range(5)]
    assert [nonce[8:] for nonce in nonces] == [at.to_bytes(4, "big") for at in range(5)]
    assert len({nonce[:8] for nonce in nonces}) == 1
    member.seal(topic, b"", False, 3)  # mode 3 has no counter
    assert Envelope(member.seal(QUERY, b"")).nonce[8:] == (5).to_bytes(4, "big")
    # The last counter is never used: a new boot value is drawn, and that takes until the next second.
    member._counter = 0xFFFFFFFE
    last = Envelope(member.seal(topic, b"")).nonce
    assert last[8:] == b"\xff\xff\xff\xfe"
    raises(NotReady, member.seal, topic, b"")
    assert not member.can_seal()
    member._clock.pass_time(1)
    assert member.can_seal()
    first = Envelope(member.seal(topic, b"")).nonce
    assert first[8:] == bytes(4) and first[:8] != last[:8]


def test_the_time_in_an_envelope():
    world = scenario(suites[0])
    member = joined(world, 2)
    for seconds in (0, 1, 29, 30, 31):
        member._clock.seconds = world.now + seconds
        now = member.now()
        assert Envelope(member.seal(data_topic(world), b"")).t == now
        assert Envelope(member.seal(data_topic(world), b"", False, 3)).t == now - now % 30


def test_a_message_waits_for_its_certificate():
    for suite in suites:
        world = scenario(suite)
        member = joined(world, 3, certificates=False)
        found = world.envelopes(1, 0)
        assert member.open(found[0][0], found[0][1]) is None
        refused(errors.ROOM, member.open, found[1][0], found[1][1])  # one of a sender waits, no more
        kid = world.identity(2).kid
        asked = control(b"cert/" + hexkid(kid))
        assert asked in member.filters()
        refused(errors.HASH, member.control, asked, world.certificate(1))
        assert member.take_arrived() == []
        member.control(asked, world.certificate(2))
        assert [message.payload for message in member.take_arrived()] == [bytes.fromhex(found[0][2]["message"])]
        assert member.take_arrived() == []
        assert asked not in member.filters()
        refused(errors.UNKNOWN, member.control, asked, world.certificate(2))
        refused(errors.REPLAY, member.open, found[0][0], found[0][1])


def test_a_certificate_that_does_not_come_is_asked_for_once_a_minute():
    world = scenario(suites[0])
    member = joined(world, 3, certificates=False)
    topic, raw, _ = world.envelopes(1, 0)[0]
    asked = control(b"cert/" + hexkid(world.identity(2).kid))
    assert member.open(topic, raw) is None
    for _ in range(3):
        member._clock.ticks += 19000
        member.tick()
        assert asked in member.filters()
    member._clock.ticks += 3000
    member.tick()
    assert asked not in member.filters()
    assert member.open(topic, raw) is None
    assert asked in member.filters()
    member.control(asked, world.certificate(2))
    assert len(member.take_arrived()) == 1


def test_an_unknown_epoch_asks_for_the_info_once_a_minute():
    world = scenario(suites[0])
    member = joined(world, 3)
    topic, raw, _ = world.envelopes(1, 0)[0]
    raw = raw[:1] + b"\x00\x00" + raw[3:]
    for minute in range(3):
        for _ in range(5):
            refused(errors.EPOCH, member.open, topic, raw)
        assert member.take_refetch() == [control(b"group/" + world.gid + b"/info")], minute
        member._clock.ticks += 59999
        refused(errors.EPOCH, member.open, topic, raw)
        assert member.take_refetch() == []
        member._clock.ticks += 1


def test_control_topics_that_are_not_for_this_member():
    world = scenario(suites[0])
    member = joined(world, 2)
    other = hexkid(world.identity(0).kid)
    for name in (
        b"",
        b"x",
        b"signer/x",
        b"revoked/x",
        b"time",
        b"time/" + other,
        b"time/" + hexkid(member.me.kid) + b"/x",
        b"cert",
        b"key/" + world.gid + b"/" + other + b"/1",
        b"key/" + world.gid + b"/" + hexkid(member.me.kid) + b"/3",
        b"key/" + world.gid + b"/" + hexkid(member.me.kid),
        b"group/" + world.gid,
        b"group/" + world.gid + b"/x",
        b"group/another/info",
        b"enroll/x",
        b"share/x",
        b"up/x",
    ):
        refused(errors.UNKNOWN, member.control, control(name), b"x" * 86)
    for name in (b"cert/x", b"cert/" + other.upper()):
        refused(errors.NAME, member.control, control(name), b"x")
    refused(errors.NAME, member.control, control(b"key/a b/" + hexkid(member.me.kid) + b"/1"), b"x" * 86)


def test_retained_messages_that_were_cleared():
    world = scenario(suites[0])
    member = joined(world, 2)
    kid = hexkid(member.me.kid)
    before = member.groups.by_gid[world.gid].current
    for name in (b"signer", b"revoked", b"time/" + kid, b"key/" + world.gid + b"/" + kid + b"/1", b"cert/" + kid):
        member.control(control(name), b"")
    for level in (b"/info", b"/p", b"/1"):
        member.control(control(b"group/" + world.gid + level), b"")
    assert member.groups.by_gid[world.gid].current is before


def test_the_revoked_list():
    for suite in suites:
        world = scenario(suite)
        member = joined(world, 3)
        topic, raw, _ = world.envelopes(1, 0)[0]
        signer, kid = world.identity(4), world.identity(2).kid
        listed = issuing.make_revoked(signer, world.now, [kid], bytes(32))
        member.control(control(b"revoked"), listed)
        refused(errors.REVOKED, member.open, topic, raw)
        member.control(control(b"revoked"), listed)  # the same again is nothing new
        for issued in (world.now, world.now - 1, 0):
            older = issuing.make_revoked(signer, issued, [], b"\x01" * 32)
            refused(errors.STALE, member.control, control(b"revoked"), older)
        refused(errors.REVOKED, member.open, topic, raw)
        again = start(world, 3, directory=member.directory, clock=Clock(world.now - 10))
        again.can_seal()
        again._clock.pass_time(10)
        give_certificates(again, world)
        refused(errors.REVOKED, again.open, topic, raw)
        again.control(control(b"revoked"), issuing.make_revoked(signer, world.now + 1, [], bytes(32)))
        assert again.open(topic, raw).sender == world.identity(2).id
