"""Sessions of section 7 in the protocol package: against the vectors and the reference, and every refusal."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microseal import crypto, errors
from microseal.errors import NotReady, Refused
from microseal.identity import Anchor, Certificate, Identity
from microseal.session import NO_CLOCK, SLACK, Connect, Gate, Hello, Initiator, Session, welcome_topic
from microseal_host.backends import libcrypto
from microseal_host.reference import identity, sessions
from microseal_host.reference.suites import SUITES, sc
from published import own

NOW = 1_800_000_000
D_CA = 99


@pytest.fixture(autouse=True)
def on_libcrypto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "core", libcrypto)


def refused(reason: str):
    return pytest.raises(Refused, check=lambda e: e.reason == reason)


def enrol(suite, id: str, number: int, flags: int = 0, not_after: int = NOW + 1000) -> Identity:
    r, g, k = 1000 + number, 2000 + number, 3000 + number
    issued = identity.issue(suite, D_CA, identity.request(suite, id, r, g), flags, not_after, k)
    d, _ = identity.accept(suite, suite.public(D_CA), id, flags, r, suite.public(g), issued.reply)
    crypto.core = libcrypto
    return Identity(Anchor(suite.number, suite.public(D_CA)), Certificate(issued.cert), sc(d))


_old_core = crypto.core
WORLDS = {
    n: SimpleNamespace(
        suite=SUITES[n],
        device=enrol(SUITES[n], "pump", 1),
        other=enrol(SUITES[n], "pump-2", 2),
        gate=enrol(SUITES[n], "gate", 3, flags=2),
        old_gate=enrol(SUITES[n], "old", 4, flags=2, not_after=NOW - 1),
        old=enrol(SUITES[n], "old-pump", 5, not_after=NOW - 1),
    )
    for n in (1, 2)
}
crypto.core = _old_core


@pytest.fixture(params=[1, 2], ids=["suite1", "suite2"])
def world(request: pytest.FixtureRequest) -> SimpleNamespace:
    return WORLDS[request.param]


CONNECT = Connect(b"pump/1", 0xC6, 60, b"w/t", b"gone")


def initiator(world, me=None, gate=None, connect=CONNECT, e: int = 77, **more) -> Initiator:
    return Initiator(me or world.device, (gate or world.gate).cert, connect, sc(e), **more)


def answer(world, hello: bytes, gate: Gate | None = None, who=None, connect=CONNECT, now: int = NOW, revoked=()):
    gate = gate or Gate(world.gate, NOW - 10)
    parsed = Hello(world.suite.number, hello)
    return gate.answer(parsed, (who or world.device).cert, connect, now, sc(88), revoked)


def make(world) -> tuple[Session, Session]:
    device = initiator(world)
    welcome, at_gate, t = answer(world, device.hello(NOW))
    at_device, t_gate = device.finish(welcome)
    assert (t, t_gate) == (NOW, NOW)
    return at_device, at_gate


@pytest.mark.parametrize("name", ["suite1.json", "suite2.json"])
def test_vectors(name: str) -> None:
    file = own(name)
    suite = file["suite"]
    anchor = Anchor(suite, bytes.fromhex(file["ca"]["public"]))
    members = [
        Identity(anchor, Certificate(bytes.fromhex(m["certificate"])), bytes.fromhex(m["private"]))
        for m in file["ecqv"]
    ]
    for s in file["sessions"]:
        connect = Connect(
            s["client"].encode(),
            s["connect_flags"],
            s["keep_alive"],
            s["will_topic"].encode(),
            bytes.fromhex(s["will"]),
        )
        device = Initiator(members[s["sender"]], members[s["gate"]].cert, connect, bytes.fromhex(s["e"]))
        hello = device.hello(s["time"])
        assert hello.hex() == s["hello"]
        gate = Gate(members[s["gate"]], 0)
        welcome, at_gate, t = gate.answer(
            Hello(suite, hello), members[s["sender"]].cert, connect, s["gate_time"], bytes.fromhex(s["e_gate"])
        )
        assert (welcome.hex(), t) == (s["welcome"], s["time"])
        at_device, t_gate = device.finish(welcome)
        assert t_gate == s["gate_time"]
        assert at_device.hash.hex() == at_gate.hash.hex() == s["handshake_hash"]
        assert at_device._send.hex() == at_gate._receive.hex() == s["key_up"]
        assert at_device._receive.hex() == at_gate._send.hex() == s["key_down"]
        for f in s["frames"]:
            sender, receiver = (at_device, at_gate) if f["way"] == "up" else (at_gate, at_device)
            sender._next = f["counter"]
            assert sender.frame(f["topic"].encode(), bytes.fromhex(f["message"])).hex() == f["frame"]
            assert receiver.open(f["topic"].encode(), bytes.fromhex(f["frame"])).hex() == f["message"]


def test_the_reference_is_the_other_side(world) -> None:
    suite = world.suite
    q_ca = suite.public(D_CA)
    device, gate = (identity.parse_certificate(suite, q_ca, x.cert.raw) for x in (world.device, world.gate))
    there = sessions.Connect("pump/1", 0xC6, 60, "w/t", b"gone", device, gate)
    d = int.from_bytes(world.device.private, "big")
    device_there = sessions.Device(suite, there, d, 77)
    welcome, session, _ = answer(world, device_there.hello(NOW))
    found, _ = device_there.finish(welcome)
    assert (found.key_up, found.key_down, found.hash) == (session._receive, session._send, session.hash)
    device_here = initiator(world)
    gate_there = sessions.Gate(suite, int.from_bytes(world.gate.private, "big"))
    welcome, found, _ = gate_there.answer(there, device_here.hello(NOW), NOW, 88)
    session, _ = device_here.finish(welcome)
    assert (found.key_up, found.key_down, found.hash) == (session._send, session._receive, session.hash)


def test_what_is_made_ahead_changes_nothing(world) -> None:
    first = initiator(world)
    again = initiator(world, ephemeral=world.suite.public(77), kept=first.kept, now=NOW)
    assert first.hello(NOW) == again.hello(NOW)


def test_confirmation_and_frames(world) -> None:
    device, gate = make(world)
    topic, first = device.confirm()
    assert topic == b"microseal/up/pump/1"
    assert len(first) == 13
    gate.check_confirmed(topic, first)
    with pytest.raises(NotReady):
        device.confirm()
    with refused(errors.UNKNOWN):
        gate.check_confirmed(topic, first)
    assert gate.open(b"t", device.frame(b"t", b"hello")) == b"hello"
    assert device.open(b"t", gate.frame(b"t", memoryview(b"down"))) == b"down"
    assert welcome_topic(b"pump/1") == b"microseal/session/pump/1"


@pytest.mark.parametrize("kind", ["topic", "counter", "message", "other key"])
def test_only_frame_zero_confirms(world, kind: str) -> None:
    device, gate = make(world)
    topic, frame = device.confirm()
    reason = errors.UNKNOWN
    if kind == "topic":
        topic = b"microseal/up/pump"
    elif kind == "counter":
        frame = device.frame(topic, b"")
    elif kind == "message":
        device._next = 0
        frame = device.frame(topic, b"x")
    else:
        device, _ = make(world)
        device._send = bytes(16)
        frame, reason = device.confirm()[1], errors.MAC
    with refused(reason):
        gate.check_confirmed(topic, frame)
    assert gate.dropped == 1
    assert gate._last == -1


def test_frames_are_refused(world) -> None:
    device, gate = make(world)
    frame = device.frame(b"t", b"message")
    for i in range(len(frame)):
        for bit in (1, 0x80):
            wrong = bytearray(frame)
            wrong[i] ^= bit
            with pytest.raises(Refused):
                gate.open(b"t", wrong)
    for data, reason in ((b"", errors.LENGTH), (frame[:12], errors.LENGTH), (frame[:-1], errors.MAC)):
        with refused(reason):
            gate.open(b"t", data)
    with refused(errors.MAC):
        gate.open(b"u", frame)
    # A frame does not open on the way back.
    with refused(errors.MAC):
        device.open(b"t", frame)
    assert gate.open(b"t", frame) == b"message"
    for again in (frame, gate.frame(b"t", b"x")):
        with refused(errors.COUNTER):
            gate.open(b"t", again)
    assert gate.dropped == 2 * len(frame) + 6


def test_counters_skip_and_end(world) -> None:
    device, gate = make(world)
    device._next = 1000
    gate.open(b"t", device.frame(b"t", b""))
    device._next = 0xFFFFFFFE
    gate.open(b"t", device.frame(b"t", b""))
    with pytest.raises(NotReady, match="reconnect"):
        device.frame(b"t", b"")


# Handshakes that are refused


def test_altered_hello_and_welcome(world) -> None:
    hello = initiator(world).hello(NOW)
    gate = Gate(world.gate, NOW - 10)
    for i in range(len(hello)):
        wrong = bytearray(hello)
        wrong[i] ^= 0x10
        with pytest.raises(Refused):
            answer(world, bytes(wrong), gate)
    for data in (hello[:-1], hello + b"\0", b""):
        with refused(errors.LENGTH):
            answer(world, data, gate)
    assert not gate.seen
    welcome, _, _ = answer(world, hello, gate)
    for i in range(len(welcome)):
        wrong = bytearray(welcome)
        wrong[i] ^= 0x10
        device = initiator(world)
        device.hello(NOW)
        with pytest.raises(Refused):
            device.finish(bytes(wrong))
        # The handshake is over then, whatever comes after.
        with refused(errors.UNKNOWN):
            device.finish(welcome)


@pytest.mark.parametrize(
    "connect",
    [
        Connect(b"pump/2", 0xC6, 60, b"w/t", b"gone"),
        Connect(b"pump/1", 0xC2, 60, b"w/t", b"gone"),
        Connect(b"pump/1", 0xC6, 61, b"w/t", b"gone"),
        Connect(b"pump/1", 0xC6, 60, b"w/u", b"gone"),
        Connect(b"pump/1", 0xC6, 60, b"w/t", b"here"),
        Connect(b"pump/1", 0xC6, 60, b"w/tg", b"one"),
    ],
)
def test_every_field_of_the_connect_counts(world, connect: Connect) -> None:
    with refused(errors.DECRYPTION):
        answer(world, initiator(world).hello(NOW), connect=connect)


def test_client_ids(world) -> None:
    for client_id in (b"pump-2", b"pump-2/1", b"pum", b"pump/", b"pump/" + b"x" * 31, b"pump/a b", b""):
        connect = Connect(client_id, 0xC2, 60)
        with refused(errors.NAME):
            initiator(world, connect=connect)
        with refused(errors.NAME):
            answer(world, initiator(world).hello(NOW), connect=connect)


def test_certificates_must_be_of_the_right_kind_and_in_force(world) -> None:
    with refused(errors.FLAGS):
        initiator(world, gate=world.other)
    with refused(errors.FLAGS):
        Gate(world.device, NOW)
    with refused(errors.EXPIRED):
        initiator(world, gate=world.old_gate, now=NOW)
    with refused(errors.REVOKED):
        initiator(world, revoked=(world.gate.kid,))
    hello = initiator(world).hello(NOW)
    with refused(errors.HASH):
        answer(world, hello, who=world.other)
    for revoked in ((world.device.kid,), (world.gate.kid,)):
        with refused(errors.REVOKED):
            answer(world, hello, revoked=revoked)
    old = Connect(b"old-pump", 0xC2, 60)
    with refused(errors.EXPIRED):
        answer(world, initiator(world, me=world.old, connect=old).hello(NOW), who=world.old, connect=old)
    # A device without a clock learns from the welcome that the gate's certificate is over.
    with refused(errors.EXPIRED):
        answer(world, initiator(world, gate=world.old_gate).hello(NOW), Gate(world.old_gate, 0))
    welcome, late = _from_a_gate_that_looks_at_no_dates(world)
    device = initiator(world)
    device.hello(late)
    with refused(errors.EXPIRED):
        device.finish(welcome)


def _from_a_gate_that_looks_at_no_dates(world) -> tuple[bytes, int]:
    """A welcome given after both certificates' not_after, and when."""

    class Careless(sessions.Connect):
        def check(self, now: int) -> None:
            pass

    suite, late = world.suite, NOW + 1001
    certs = (identity.parse_certificate(suite, suite.public(D_CA), x.cert.raw) for x in (world.device, world.gate))
    connect = Careless("pump/1", 0xC6, 60, "w/t", b"gone", *certs)
    gate = sessions.Gate(suite, int.from_bytes(world.gate.private, "big"))
    return gate.answer(connect, initiator(world).hello(late), late, 88)[0], late


def test_another_authority_or_another_key(world) -> None:
    foreign = Identity(
        Anchor(world.suite.number, world.suite.public(D_CA + 1)), world.device.cert, world.device.private
    )
    with refused(errors.ISSUER):
        initiator(world, me=foreign)
    # Somebody who has the device's certificate but not its key.
    thief = Identity(world.device.anchor, world.device.cert, world.other.private, world.device.public)
    with refused(errors.DECRYPTION):
        answer(world, initiator(world, me=thief).hello(NOW))
    # A gate that has the certificate but not the key.
    false_gate = Identity(world.gate.anchor, world.gate.cert, world.other.private, world.gate.public)
    with refused(errors.DECRYPTION):
        answer(world, initiator(world).hello(NOW), Gate(false_gate, NOW - 10))


def test_replayed_hello(world) -> None:
    gate = Gate(world.gate, NOW - 10)
    hello = initiator(world).hello(NOW)
    answer(world, hello, gate)
    with refused(errors.REPLAY):
        answer(world, hello, gate, now=NOW + SLACK)
    # Remembered exactly as long as the time in it would still be taken.
    gate.forget(NOW + SLACK)
    assert gate.seen
    gate.forget(NOW + SLACK + 1)
    assert not gate.seen
    with refused(errors.TIME):
        answer(world, hello, gate, now=NOW + SLACK + 1)


def test_times(world) -> None:
    for t, now, started, good in (
        (NOW, NOW + SLACK, NOW - 1, True),
        (NOW, NOW + SLACK + 1, NOW - 1, False),
        (NOW + SLACK, NOW, NOW - 1, True),
        (NOW + SLACK + 1, NOW, NOW - 1, False),
        (NOW, NOW, NOW, False),
        (0, NOW, NOW - NO_CLOCK, True),
        (0, NOW, NOW - NO_CLOCK + 1, False),
    ):
        hello = initiator(world).hello(t)
        if good:
            assert answer(world, hello, Gate(world.gate, started), now=now)[2] == t
        else:
            with refused(errors.TIME):
                answer(world, hello, Gate(world.gate, started), now=now)


def test_a_gate_that_kept_its_memory(world) -> None:
    before = Gate(world.gate, NOW - 2 * NO_CLOCK)
    hello = initiator(world).hello(0)
    answer(world, hello, before)
    after = Gate(world.gate, NOW + 5, since=NOW - 2 * NO_CLOCK, seen=before.seen)
    with refused(errors.REPLAY):
        answer(world, hello, after, now=NOW + 10)
    assert answer(world, initiator(world, e=78).hello(0), after, now=NOW + 10)[2] == 0


def test_a_device_fills_only_its_own_memory() -> None:
    world = WORLDS[1]
    gate = Gate(world.gate, NOW - 10)
    for e in range(64):
        answer(world, initiator(world, e=1000 + e).hello(NOW), gate)
    with refused(errors.ROOM):
        answer(world, initiator(world, e=2000).hello(NOW), gate)
    connect = Connect(b"pump-2", 0xC2, 60)
    answer(world, initiator(world, me=world.other, connect=connect).hello(NOW), gate, who=world.other, connect=connect)


def test_one_hello_a_handshake(world) -> None:
    device = initiator(world)
    with refused(errors.UNKNOWN):
        device.finish(bytes(54))
    device.hello(NOW)
    with pytest.raises(NotReady):
        device.hello(NOW)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_anything_else_is_refused(hello: bytes, frame: bytes) -> None:
    crypto.core = libcrypto
    world = WORLDS[1]
    with pytest.raises(Refused):
        answer(world, hello)
    session = Session(1, b"pump", random.Random(1).randbytes(16), random.Random(2).randbytes(16), b"")
    with pytest.raises(Refused):
        session.open(b"t", frame)
