"""The session between a device and a gate: what is replayed, dated, edited or answered by somebody else."""

from __future__ import annotations

from microseal import errors
from microseal.errors import Refused
from microseal.identity import DEVICE, GATE, Identity
from microseal.session import Connect, Gate, Hello, Initiator, Session

from .outcome import Attack, Outcome, first_success, got, withstood
from .world import World

CLIENT, TOPIC = b"pump/1", b"s/1"
WILL = (b"state/pump", b"gone")


class Ends:
    """A device and a gate with what they know of each other; nothing is sent yet."""

    def __init__(self, world: World) -> None:
        self.world = world
        authority = world.authority
        self.device, self.gate = authority.identity("pump"), authority.identity("gate", GATE)
        self.broker = Gate(self.gate, int(world.time) - 1000)

    def start(self, connect: Connect | None = None, gate: Identity | None = None) -> Initiator:
        now = int(self.world.time)
        connect = connect or Connect(CLIENT, 6, 60, *WILL)
        return Initiator(self.device, (gate or self.gate).cert, connect, self.world.entropy.scalar(), now=now)

    def answer(
        self, hello: bytes, connect: Connect | None = None, cert: Identity | None = None, gate: Gate | None = None
    ) -> tuple[bytes, Session, int]:
        return (gate or self.broker).answer(
            Hello(self.world.suite, hello),
            (cert or self.device).cert,
            connect or Connect(CLIENT, 6, 60, *WILL),
            int(self.world.time),
            self.world.entropy.scalar(),
        )

    def attempt(self, hello: bytes, **how: object) -> Outcome:
        try:
            self.answer(hello, **how)  # type: ignore[arg-type]
        except Refused as refused:
            return withstood(refused.reason)
        return got("a welcome")


def meet(world: World) -> tuple[Session, Session, Ends]:
    """(device's session, gate's session, ends) after an honest handshake, confirmed."""
    ends = Ends(world)
    initiator = ends.start()
    welcome, at_gate, _ = ends.answer(initiator.hello(int(world.time)))
    at_device, _ = initiator.finish(welcome)
    at_gate.check_confirmed(*at_device.confirm())
    return at_device, at_gate, ends


def future(world: World) -> Outcome:
    """A hello that is dated in the future, one that is old, and one from before the gate's start."""
    ends = Ends(world)
    now, outcomes = int(world.time), []
    for t in (now + 121, now - 121, now + 10**6, 2**32 - 1, 1):
        outcomes.append(ends.attempt(ends.start().hello(t)))
    started = Gate(ends.gate, now - 10)
    outcomes.append(ends.attempt(ends.start().hello(now - 10), gate=started))
    outcomes.append(ends.attempt(ends.start().hello(0), gate=started))  # no clock, and a gate that has lost its memory
    return first_success(outcomes)


def will_edited(world: World) -> Outcome:
    """The broker's front end edits what the CONNECT says: will, will topic, flags, keep alive, client id."""
    ends, outcomes = Ends(world), []
    for edited in (
        Connect(CLIENT, 6, 60, WILL[0], b"fine"),
        Connect(CLIENT, 6, 60, b"state/fan", WILL[1]),
        Connect(CLIENT, 6, 60, WILL[0] + WILL[1][:1], WILL[1][1:]),
        Connect(CLIENT, 2, 60),
        Connect(CLIENT, 0x26, 60, *WILL),
        Connect(CLIENT, 6, 61, *WILL),
        Connect(b"pump/2", 6, 60, *WILL),
    ):
        outcomes.append(ends.attempt(ends.start().hello(int(world.time)), connect=edited))
    return first_success(outcomes)


def replayed_hello(world: World) -> Outcome:
    """The same hello again: at once, at the end of its time, and one without a time after half a day."""
    ends = Ends(world)
    hello = ends.start().hello(int(world.time))
    ends.answer(hello)
    outcomes = [ends.attempt(hello)]
    world.advance(120)
    ends.broker.forget(int(world.time))
    outcomes.append(ends.attempt(hello))
    world.advance(90_000)
    hello = ends.start().hello(0)
    ends.answer(hello)
    world.advance(43_200)
    ends.broker.forget(int(world.time))
    return first_success([*outcomes, ends.attempt(hello)])


def other_device(world: World) -> Outcome:
    """A certified device says hello in another one's name, and its own hello is answered with another one's certificate."""
    ends = Ends(world)
    other = world.authority.identity("pump")  # the same id, a certificate of its own
    pretender = Identity(other.anchor, ends.device.cert, other.private, other.public)
    initiator = Initiator(pretender, ends.gate.cert, Connect(CLIENT, 6, 60, *WILL), world.entropy.scalar())
    return ends.attempt(initiator.hello(int(world.time)))


def device_as_gate(world: World) -> Outcome:
    """A device's certificate as the gate's, at both ends; and a gate's as a device's."""
    ends = Ends(world)
    outcomes = []
    impostor = world.authority.identity("gate", DEVICE)
    for attempt in (
        lambda: ends.start(gate=impostor),
        lambda: Gate(impostor, 0),
        lambda: ends.answer(_as_device(ends, world), cert=ends.gate),
    ):
        try:
            attempt()
            outcomes.append(got("a gate of its own"))
        except Refused as refused:
            outcomes.append(withstood(refused.reason))
    return first_success(outcomes)


def _as_device(ends: Ends, world: World) -> bytes:
    initiator = Initiator(ends.gate, ends.gate.cert, Connect(b"gate", 2, 60), world.entropy.scalar())
    return initiator.hello(int(world.time))


def forged_welcome(world: World) -> Outcome:
    """Another gate of the same authority answers, and the welcome of another connection."""
    ends, now = Ends(world), int(world.time)
    outcomes = [ends.attempt(ends.start().hello(now), gate=Ends(world).broker)]
    welcome, _, _ = ends.answer(ends.start().hello(now))
    for raw in (welcome, welcome[:-1] + bytes([welcome[-1] ^ 1])):
        initiator = ends.start()
        initiator.hello(now)
        try:
            initiator.finish(raw)
            outcomes.append(got("a session with nobody"))
        except Refused as refused:
            outcomes.append(withstood(refused.reason))
    return first_success(outcomes)


def frames(world: World) -> Outcome:
    """Frames that are altered, moved to another topic, sent back, or taken from another session."""
    device, gate, _ = meet(world)
    other, _, _ = meet(world)
    frame = device.frame(TOPIC, b"4.2")
    other.frame(TOPIC, b"")
    attempts = [
        (gate, b"s/2", frame),
        (gate, TOPIC, frame[:-1] + bytes([frame[-1] ^ 1])),
        (gate, TOPIC, frame[:5] + b"9" + frame[6:]),
        (gate, TOPIC, other.frame(TOPIC, b"4.2")),
        (device, TOPIC, frame),
    ]
    outcomes = [_frame(session, topic, raw) for session, topic, raw in attempts]
    if any(outcome.succeeded for outcome in outcomes):
        return first_success(outcomes)
    if not _frame(gate, TOPIC, frame).succeeded:
        return got("nothing: the frame itself is not taken")
    return first_success(outcomes)


def _frame(session: Session, topic: bytes, raw: bytes) -> Outcome:
    try:
        return got(f"{session.open(topic, raw)!r} taken")
    except Refused as refused:
        return withstood(refused.reason)


def replayed_frames(world: World) -> Outcome:
    """A frame again, and one that was held back until a later one had come."""
    device, gate, _ = meet(world)
    first, second = device.frame(TOPIC, b"1"), device.frame(TOPIC, b"2")
    gate.open(TOPIC, second)
    return first_success([_frame(gate, TOPIC, second), _frame(gate, TOPIC, first)])


def unconfirmed(world: World) -> Outcome:
    """Whoever replays a hello to a gate that has forgotten it gets a welcome; without k_up it gets no further."""
    ends = Ends(world)
    initiator = ends.start()
    hello = initiator.hello(int(world.time))
    ends.answer(hello)
    forgetful = Gate(ends.gate, int(world.time) - 1000)
    _, session, _ = ends.answer(hello, gate=forgetful)
    try:
        session.check_confirmed(b"microseal/up/" + CLIENT, bytes([world.suite << 4]) + bytes(4 + 8))
    except Refused as refused:
        return withstood(refused.reason)
    return got("a session in the device's name")


ATTACKS = [
    Attack("hello-time", "a hello dated in the future, or old", future, errors.TIME),
    Attack("will", "a Will edited between device and gate", will_edited, errors.DECRYPTION),
    Attack("hello-replay", "a hello sent again", replayed_hello, errors.REPLAY),
    Attack("hello-name", "a hello in another device's name", other_device, errors.DECRYPTION),
    Attack("as-gate", "a device's certificate used as the gate's", device_as_gate, errors.FLAGS),
    Attack("welcome", "a welcome of another gate or connection", forged_welcome, errors.DECRYPTION),
    Attack("frames", "frames altered, moved, reflected, of another session", frames, errors.MAC),
    Attack("frame-replay", "frames again, or held back", replayed_frames, errors.COUNTER),
    Attack("unconfirmed", "a replayed hello to a gate that forgot it", unconfirmed, errors.MAC),
]
