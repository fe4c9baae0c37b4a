"""The reference's checks: each refusal for its reason, and the rules of time and replay of section 6."""

from dataclasses import replace

import pytest

from microseal_host.reference import envelopes, groups, identity, notices, sessions
from microseal_host.reference.groups import PUBLISHER, SUBSCRIBER
from microseal_host.reference.policy import matches, parse_policy
from microseal_host.reference.reading import client_id
from microseal_host.reference.receiver import Epoch, Group, Receiver
from microseal_host.reference.refusal import Refused
from microseal_host.reference.suites import SUITES, sc, u8, u16, u32

S = SUITES[1]
NOW = 1_800_000_000
D_CA = 1234567
Q_CA = S.public(D_CA)
RAND = bytes(range(32))


def enrol(id: str, number: int, flags: int = 0, not_after: int = NOW + 1000) -> tuple[int, identity.Certificate, int]:
    """(d, certificate, x)."""
    r, g, k = 1000 + number, 2000 + number, 3000 + number
    issued = identity.issue(S, D_CA, identity.request(S, id, r, g), flags, not_after, k)
    d, cert = identity.accept(S, Q_CA, id, flags, r, S.public(g), issued.reply)
    return d, cert, (d + g) % S.curve.q


SIGNER_D, SIGNER, _ = enrol("signer", 1, flags=1)
PUB_D, PUB, PUB_X = enrol("pub", 2)
SUB_D, SUB, SUB_X = enrol("sub", 3)
OTHER_D, OTHER, OTHER_X = enrol("other", 4)
GATE_D, GATE, _ = enrol("gate", 5, flags=2)


def policy(mode: int = 1, max_age: int = 60, max_size: int = 100, *filters: tuple[int, str]) -> bytes:
    out = u8(mode) + u32(max_age) + u16(max_size) + u8(len(filters))
    for kind, text in filters:
        out += u8(kind) + u8(len(text.encode())) + text.encode()
    return out


FILTERS = ((0, "e/#"), (2, "s/+"), (1, "q"), (3, "r"))


def make_epoch(number: int = 70_000, **changed) -> tuple[Epoch, int, int]:
    """An epoch as somebody with both roles holds it, and d_P and d_S. PUB publishes; SUB subscribes; OTHER both."""
    draft = groups.Draft(
        gid="g",
        epoch=number,
        issued=NOW,
        not_after=NOW + 10_000,
        policy=policy(1, 60, 100, *FILTERS),
        publishers=(PUB, OTHER),
        subscribers=(SUB, OTHER),
        blind_p=77 + number,
        blind_s=99 + number,
    )
    draft = replace(draft, **changed)
    encoded = groups.info(S, draft, SIGNER_D, RAND)
    info = groups.parse_info(S, SIGNER.public, encoded)
    xs = {PUB.kid: PUB_X, SUB.kid: SUB_X, OTHER.kid: OTHER_X}
    d_p = groups.private_key(S, [xs[m.kid] for m in draft.publishers], draft.blind_p)
    d_s = groups.private_key(S, [xs[m.kid] for m in draft.subscribers], draft.blind_s)
    rosters = {
        PUBLISHER: groups.roster(S, [m.encoded for m in draft.publishers]),
        SUBSCRIBER: groups.roster(S, [m.encoded for m in draft.subscribers]),
    }
    return Epoch.held(S, info, {PUBLISHER: d_p, SUBSCRIBER: d_s}, rosters), d_p, d_s


EPOCH, D_P, D_S = make_epoch()


def receiver(group: Group | None = None) -> Receiver:
    certs = {c.kid: c.encoded for c in (SIGNER, PUB, SUB, OTHER, GATE)}
    return Receiver(S, Q_CA, [group or Group(EPOCH)], certs)


def seal(
    message: bytes = b"m",
    topic: str = "e/1",
    t: int = NOW,
    *,
    mode: int = 1,
    direction: int = 0,
    boot: bytes = b"bootboot",
    counter: int = 0,
    who: tuple[int, identity.Certificate] = (PUB_D, PUB),
    epoch: Epoch = EPOCH,
    z: int = 31337,
) -> bytes:
    out = envelopes.Outgoing(epoch.info, direction, topic, t, who[0], who[1].kid, message)
    n = boot + u32(counter)
    if mode == 1:
        return envelopes.seal_signed(S, out, n, RAND)
    if mode == 2:
        return envelopes.seal_secret(S, out, n, RAND)
    return envelopes.seal_anonymous(S, out, z, epoch.keys[2 - direction], RAND, RAND[::-1])


def refused(reason: str):
    return pytest.raises(Refused, check=lambda e: e.reason == reason)


# Receipt


@pytest.mark.parametrize("mode", [1, 2, 3])
@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("size", [0, 22, 23, 24, 100])
def test_opens_what_was_sealed(mode: int, direction: int, size: int) -> None:
    who = (SUB_D, SUB) if direction else (PUB_D, PUB)
    data = seal(b"x" * size, "q" if direction else "e/1", mode=mode, direction=direction, who=who)
    found = receiver().open("q" if direction else "e/1", data, NOW)
    assert (found.message, found.kid, found.mode, found.stale) == (b"x" * size, who[1].kid, mode, False)
    assert len(data) - size == envelopes.OVERHEAD[mode] or mode == 3


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_size_and_topic(mode: int) -> None:
    with refused("policy"):
        receiver().open("e/1", seal(b"x" * 101, mode=mode), NOW)
    with refused("signature"):
        receiver().open("e/2", seal(mode=mode), NOW)
    for topic in ("elsewhere", "$e/1", "microseal/e"):
        with refused("topic"):
            receiver().open(topic, seal(mode=mode), NOW)
    with refused("policy"):
        receiver().open("q", seal(mode=mode), NOW)


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_a_sender_must_have_the_role(mode: int) -> None:
    for who in ((SUB_D, SUB), (SIGNER_D, SIGNER), (GATE_D, GATE)):
        with refused("member"):
            receiver().open("e/1", seal(mode=mode, who=who), NOW)
    with refused("member"):
        receiver().open("q", seal(topic="q", mode=mode, direction=1), NOW)


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_revoked_expired_unknown(mode: int) -> None:
    r = receiver()
    r.revoked.add(PUB.kid)
    with refused("revoked"):
        r.open("e/1", seal(mode=mode), NOW)
    r = receiver()
    del r.certs[PUB.kid]
    with refused("certificate"):
        r.open("e/1", seal(mode=mode), NOW)
    with refused("certificate"):
        receiver().open("e/1", seal(mode=mode, t=NOW + 1001), NOW + 1001)


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_time(mode: int) -> None:
    receiver().open("e/1", seal(mode=mode, t=NOW + 120), NOW)
    receiver().open("e/1", seal(mode=mode, t=NOW - 60), NOW)
    for t in (NOW + 121, NOW - 61):
        with refused("time"):
            receiver().open("e/1", seal(mode=mode, t=t), NOW)
    with refused("time"):
        receiver().open("e/1", seal(mode=mode), None)
    restarted = receiver()
    restarted.started = NOW
    with refused("time"):
        restarted.open("e/1", seal(mode=mode), NOW)
    restarted.open("e/1", seal(mode=mode, t=NOW + 1), NOW)
    with refused("epoch"):
        receiver().open("e/1", seal(mode=mode), NOW + 10_001)


@pytest.mark.parametrize("mode", [1, 2])
def test_counters(mode: int) -> None:
    r = receiver()
    for counter in (5, 3, 69, 6):
        r.open("e/1", seal(mode=mode, counter=counter), NOW)
    for counter in (5, 3, 69, 6, 4, 0):
        with refused("replay"):
            r.open("e/1", seal(mode=mode, counter=counter), NOW)
    # Another boot value needs a later time, and replaces the one before for good.
    with refused("replay"):
        r.open("e/1", seal(mode=mode, boot=b"otherone"), NOW)
    r.open("e/1", seal(mode=mode, boot=b"otherone", t=NOW + 1), NOW)
    with refused("replay"):
        r.open("e/1", seal(mode=mode, counter=70, t=NOW + 1), NOW)


def test_nothing_changes_when_refused() -> None:
    r = receiver()
    broken = bytearray(seal(counter=9))
    broken[-1] ^= 1
    with refused("signature"):
        r.open("e/1", bytes(broken), NOW)
    assert not r.senders
    r.open("e/1", seal(counter=9), NOW)


def test_anonymous_replay_is_forgotten_with_age() -> None:
    r = receiver()
    data = seal(mode=3)
    r.open("e/1", data, NOW)
    with refused("replay"):
        r.open("e/1", data, NOW + 60)
    r.open("e/1", seal(mode=3, z=5, t=NOW + 61), NOW + 61)
    assert len(r.anonymous) == 1


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_state_topics(mode: int) -> None:
    r = receiver()
    assert not r.open("s/1", seal(topic="s/1", mode=mode, counter=1, t=NOW), NOW).stale
    late = seal(topic="s/1", mode=mode, counter=2, t=NOW, z=7)
    assert r.open("s/1", late, NOW + 500).stale
    # Stale ones change no window, so the same one comes again; an older one than was delivered does not.
    assert r.open("s/1", late, NOW + 500).stale
    with refused("replay"):
        r.open("s/1", seal(topic="s/1", mode=mode, counter=3, t=NOW - 1, z=8), NOW + 500)
    if mode != 3:
        assert r.senders[PUB.kid].highest == 1
        assert r.open("s/1", seal(topic="s/1", mode=mode, counter=1, t=NOW), NOW).stale


def test_epochs_overlap_for_members_of_both() -> None:
    after, _, _ = make_epoch(70_001, publishers=(PUB,))
    r = receiver(Group(after, EPOCH, switched=NOW))
    r.open("e/1", seal(), NOW + 60)
    r.open("e/1", seal(counter=1, epoch=after), NOW + 60)
    with refused("member"):
        r.open("e/1", seal(who=(OTHER_D, OTHER)), NOW + 60)
    with refused("epoch"):
        r.open("e/1", seal(t=NOW + 121, counter=2), NOW + 121)


def test_topics_of_two_groups_or_kinds() -> None:
    twice, _, _ = make_epoch(policy=policy(1, 60, 100, (0, "e/#"), (2, "e/1")))
    with refused("topic"):
        receiver(Group(twice)).open("e/1", seal(epoch=twice), NOW)
    r = receiver()
    r.groups.append(Group(make_epoch(gid="h")[0]))
    with refused("topic"):
        r.open("e/1", seal(), NOW)


# Policy and names


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a", True),
        ("#", "$SYS/x", False),
        ("#", "microseal/x", False),
        ("+/+", "/a", True),
        ("+", "/a", False),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("+/b", "$x/b", False),
        ("microseal/#", "microseal/x", False),
        ("microseal", "microseal", True),
        ("a", "a/b", False),
    ],
)
def test_filters(pattern: str, topic: str, expected: bool) -> None:
    assert matches(pattern, topic) is expected


@pytest.mark.parametrize("pattern", ["", "a#", "#/a", "a+", "+a/b", "a\0b"])
def test_invalid_filters(pattern: str) -> None:
    with refused("text"):
        parse_policy(policy(1, 60, 100, (0, pattern)))


def test_invalid_policies() -> None:
    good = policy(1, 60, 100, *FILTERS)
    for data in (good[:-1], good + b"\0", b"", good[:7] + b"\7" + good[8:]):
        with refused("length"):
            parse_policy(data)
    for data in (policy(4), policy(3, 0), policy(1, 60, 100, (4, "a"))):
        with refused("kind"):
            parse_policy(data)
    with refused("text"):
        parse_policy(u8(1) + u32(60) + u16(9) + u8(1) + u8(0) + u8(2) + b"\xc3(")


def test_client_ids() -> None:
    assert client_id("pump-3") == client_id("pump-3/x") == "pump-3"
    for bad in ("", "a" * 33, "a b", "a/", "a/b/c", "a/" + "b" * 31, "ä"):
        with refused("text"):
            client_id(bad)


# Sections 4, 5 and 7


def test_enrolment_is_refused() -> None:
    request = identity.request(S, "new", 11, 12)
    with refused("claim"):
        identity.open_claimed(S, identity.claimed(S, request, b"c" * 32), b"d" * 32)
    with refused("length"):
        identity.open_claimed(S, request, b"c" * 32)
    renewal = identity.renewal(S, identity.request(S, "pub", 11, 12), PUB.encoded, PUB_D, RAND)
    assert identity.open_renewal(S, renewal, Q_CA, PUB.encoded, NOW).id == "pub"
    with refused("claim"):
        identity.open_renewal(S, renewal, Q_CA, SUB.encoded, NOW)
    with refused("certificate"):
        identity.open_renewal(S, renewal, Q_CA, PUB.encoded, NOW + 1001)
    forged = identity.renewal(S, identity.request(S, "pub", 11, 12), PUB.encoded, SUB_D, RAND)
    with refused("signature"):
        identity.open_renewal(S, forged, Q_CA, PUB.encoded, NOW)
    with refused("kind"):
        issued = identity.issue(S, D_CA, request, 0, NOW, 13)
        identity.accept(S, Q_CA, "new", 1, 11, S.public(12), issued.reply)


def test_infos_are_refused() -> None:
    for changed, reason in (({"number": 0}, "epoch"), ({"policy": policy(3, 0)}, "kind"), ({"gid": "a b"}, "text")):
        with refused(reason):
            make_epoch(**changed)
    with refused("signature"):
        groups.parse_info(S, PUB.public, EPOCH.info.encoded)
    for data in (EPOCH.info.encoded[:-1], EPOCH.info.encoded + b"\0"):
        with refused("length"):
            groups.parse_info(S, SIGNER.public, data)


def test_sums_and_rosters_are_checked() -> None:
    groups.check_sums(S, EPOCH.info, [PUB, OTHER], [OTHER, SUB])
    with refused("key"):
        groups.check_sums(S, EPOCH.info, [PUB], [OTHER, SUB])
    whole = groups.roster(S, [PUB.encoded, OTHER.encoded])
    for roster, reason in ((whole[:-1], "length"), (whole[32:] + whole[:32], "order"), (whole[:32] * 2, "order")):
        with refused(reason):
            groups.parse_roster(roster)
    with refused("key"):
        groups.check_roster(S, EPOCH.info, PUBLISHER, whole[:32])


def test_keys_are_refused() -> None:
    info = EPOCH.info
    packet = groups.key_packet(S, info.encoded, info.epoch, SUBSCRIBER, SUB, D_P, 55)
    assert groups.open_key_packet(S, info, SUBSCRIBER, SUB.encoded, SUB_D, packet) == D_P
    with refused("decryption"):
        groups.open_key_packet(S, info, SUBSCRIBER, PUB.encoded, PUB_D, packet)
    with refused("kind"):
        groups.open_key_packet(S, info, PUBLISHER, SUB.encoded, SUB_D, packet)
    with refused("key"):
        wrong = groups.key_packet(S, info.encoded, info.epoch, SUBSCRIBER, SUB, D_S, 55)
        groups.open_key_packet(S, info, SUBSCRIBER, SUB.encoded, SUB_D, wrong)
    with refused("epoch"):
        wrong = groups.key_packet(S, info.encoded, info.epoch - 1, SUBSCRIBER, SUB, D_P, 55)
        groups.open_key_packet(S, info, SUBSCRIBER, SUB.encoded, SUB_D, wrong)
    with refused("decryption"):
        rekey = groups.rekey(S, info.encoded, "g", info.epoch, PUBLISHER, 9, D_S)
        groups.open_rekey(S, info, PUBLISHER, 8, rekey)


def test_asks_and_notices_are_refused() -> None:
    ask = groups.ask(S, "g", 3, NOW, PUB_D, RAND)
    assert groups.open_ask(S, PUB, ask, NOW + 120) == groups.Ask("g", 3, NOW)
    with refused("time"):
        groups.open_ask(S, PUB, ask, NOW + 121)
    with refused("replay"):
        groups.open_ask(S, PUB, ask, NOW, last=NOW)
    with refused("signature"):
        groups.open_ask(S, SUB, ask, NOW)
    signed = notices.signed_time(S, b"c" * 16, NOW, SIGNER_D, RAND)
    assert notices.open_time(S, SIGNER.public, NOW, b"c" * 16, signed) == NOW
    with refused("signature"):
        notices.open_time(S, SIGNER.public, NOW, b"d" * 16, signed)
    with refused("certificate"):
        notices.open_time(S, SIGNER.public, NOW - 1, b"c" * 16, signed)
    listed = notices.revoked(S, NOW, [PUB.kid, SUB.kid, PUB.kid], SIGNER_D, RAND)
    assert notices.open_revoked(S, SIGNER.public, listed) == (NOW, tuple(sorted((PUB.kid, SUB.kid))))
    with refused("replay"):
        notices.open_revoked(S, SIGNER.public, listed, newest=NOW + 1)
    with refused("order"):
        notices.open_revoked(S, SIGNER.public, listed[:12] + listed[4:12] + listed[20:])


def connect(**changed) -> sessions.Connect:
    return replace(sessions.Connect("pub/1", 0xC2, 60, "", b"", PUB, GATE), **changed)


def test_sessions() -> None:
    device, gate = sessions.Device(S, connect(), PUB_D, 21), sessions.Gate(S, GATE_D)
    hello = device.hello(NOW)
    welcome, session, t = gate.answer(connect(), hello, NOW + 120, 22)
    assert t == NOW
    assert device.finish(welcome) == (session, NOW + 120)
    frame = sessions.frame(S, session.key_up, 0, "t", b"m")
    assert sessions.open_frame(S, session.key_up, -1, "t", frame) == (0, b"m")
    for key, topic, last, reason in (
        (session.key_down, "t", -1, "decryption"),
        (session.key_up, "u", -1, "decryption"),
        (session.key_up, "t", 0, "replay"),
    ):
        with refused(reason):
            sessions.open_frame(S, key, last, topic, frame)
    with refused("replay"):
        gate.answer(connect(), hello, NOW, 23)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"client": "other"}, "text"),
        ({"client": "pub"}, "decryption"),
        ({"will": b"x"}, "decryption"),
        ({"keep_alive": 61}, "decryption"),
        ({"gate": SIGNER}, "kind"),
        ({"device": SUB}, "certificate"),
    ],
)
def test_hellos_are_refused(changed: dict, reason: str) -> None:
    hello = sessions.Device(S, connect(), PUB_D, 21).hello(NOW)
    with refused(reason):
        sessions.Gate(S, GATE_D).answer(connect(**changed), hello, NOW, 22)


@pytest.mark.parametrize(
    ("t", "now", "started", "good"),
    [
        (NOW, NOW + 121, 0, False),
        (NOW, NOW - 121, 0, False),
        (NOW, NOW, NOW, False),
        (0, NOW, NOW - 86399, False),
        (0, NOW, NOW - 86400, True),
    ],
)
def test_hello_times(t: int, now: int, started: int, good: bool) -> None:
    hello = sessions.Device(S, connect(), PUB_D, 21).hello(t)
    gate = sessions.Gate(S, GATE_D, started)
    if good:
        assert gate.answer(connect(), hello, now, 22)[2] == t
    else:
        with refused("time"):
            gate.answer(connect(), hello, now, 22)


def test_group_keys_must_match() -> None:
    with refused("key"):
        Epoch.held(S, EPOCH.info, {PUBLISHER: D_S}, {})
    assert sc(D_P) != sc(D_S)
