"""Section 7: the session between a device and a gate by the Noise pattern KK (rev 34, section 5), and its frames."""

from dataclasses import dataclass

from . import sm4
from .identity import DEVICE, GATE, Certificate
from .reading import client_id
from .refusal import Refused
from .suites import Suite, u8, u16, u32, u64

HELLO, WELCOME = 4, 5
TAG = 8


@dataclass(frozen=True)
class Connect:
    """What the CONNECT packet says, and the two ends' certificates."""

    client: str
    flags: int
    keep_alive: int
    will_topic: str
    will: bytes
    device: Certificate
    gate: Certificate

    def prologue(self, suite: Suite) -> bytes:
        def short(text: str) -> bytes:
            return u8(len(text)) + text.encode()

        def long(data: bytes) -> bytes:
            return u16(len(data)) + data

        head = suite.tag("session") + short(self.gate.id) + short(self.client) + u8(self.flags) + u16(self.keep_alive)
        return head + long(self.will_topic.encode()) + long(self.will) + self.device.hash + self.gate.hash

    def check(self, now: int) -> None:
        """Which certificates may stand at the two ends, and the client id at the device's."""
        if self.device.flags != DEVICE or self.gate.flags != GATE:
            raise Refused("kind", "flags")
        if client_id(self.client) != self.device.id:
            raise Refused("text", "client id of another device")
        if now > self.device.not_after or now > self.gate.not_after:
            raise Refused("certificate", "expired")


class Handshake:
    """Noise's SymmetricState: ck, h, and the cipher key with its counter."""

    def __init__(self, suite: Suite, prologue: bytes, initiator: bytes, responder: bytes) -> None:
        self.suite = suite
        name = suite.noise_name
        self.h = name + bytes(32 - len(name)) if len(name) <= 32 else suite.hash(name)
        self.ck = self.h
        self.k = b""
        self.n = 0
        self.mix_hash(prologue)
        # The pattern's pre-messages: -> s, <- s.
        self.mix_hash(initiator)
        self.mix_hash(responder)

    def mix_hash(self, data: bytes) -> None:
        self.h = self.suite.hash(self.h + data)

    def _two(self, ikm: bytes) -> tuple[bytes, bytes]:
        temp = self.suite.hmac(self.ck, ikm)
        one = self.suite.hmac(temp, b"\1")
        return one, self.suite.hmac(temp, one + b"\2")

    def mix_key(self, ikm: bytes) -> None:
        self.ck, temp = self._two(ikm)
        self.k, self.n = temp[:16], 0

    def _nonce(self) -> bytes:
        self.n += 1
        return bytes(4) + u64(self.n - 1)

    def encrypt_and_hash(self, plain: bytes) -> bytes:
        sealed = self.suite.seal(self.k, self._nonce(), self.h, plain)
        self.mix_hash(sealed)
        return sealed

    def decrypt_and_hash(self, sealed: bytes, where: str) -> bytes:
        plain = self.suite.unseal(self.k, self._nonce(), self.h, sealed, where)
        self.mix_hash(sealed)
        return plain

    def split(self) -> tuple[bytes, bytes]:
        """k_up and k_down."""
        up, down = self._two(b"")
        return up[:16], down[:16]


@dataclass(frozen=True)
class Session:
    key_up: bytes
    key_down: bytes
    hash: bytes


def _start(suite: Suite, connect: Connect) -> Handshake:
    return Handshake(suite, connect.prologue(suite), connect.device.public, connect.gate.public)


def _read_ephemeral(suite: Suite, data: bytes, at: int, length: int, kind: int) -> bytes:
    if len(data) != length:
        raise Refused("length", "handshake")
    if data[0] >> 4 != suite.number:
        raise Refused("suite", "handshake")
    if data[0] & 15 != kind:
        raise Refused("kind", "handshake")
    suite.point(data[at : at + 33], "E")
    return data[at : at + 33]


class Device:
    """The initiator: e, es, ss; then e, ee, se."""

    def __init__(self, suite: Suite, connect: Connect, d: int, e: int) -> None:
        self.suite, self.connect, self.d, self.e = suite, connect, d, e
        self.state = _start(suite, connect)

    def hello(self, t: int) -> bytes:
        E = self.suite.public(self.e)
        gate = self.suite.point(self.connect.gate.public)
        self.state.mix_hash(E)
        self.state.mix_key(self.suite.shared(self.e, gate))
        self.state.mix_key(self.suite.shared(self.d, gate))
        head = u8(self.suite.number << 4 | HELLO) + self.connect.device.kid
        return head + E + self.state.encrypt_and_hash(u32(t))

    def finish(self, welcome: bytes) -> tuple[Session, int]:
        """The session and the gate's time."""
        encoded = _read_ephemeral(self.suite, welcome, 1, 54, WELCOME)
        E_B = self.suite.point(encoded)
        self.state.mix_hash(encoded)
        self.state.mix_key(self.suite.shared(self.e, E_B))
        self.state.mix_key(self.suite.shared(self.d, E_B))
        t = int.from_bytes(self.state.decrypt_and_hash(welcome[34:], "welcome"), "big")
        return Session(*self.state.split(), self.state.h), t


def hello_kid(suite: Suite, hello: bytes) -> bytes:
    """The kid by which the gate finds the device's certificate."""
    _read_ephemeral(suite, hello, 9, 62, HELLO)
    return hello[1:9]


class Gate:
    """The responder. `seen`: the E of hellos that have opened, with the time until which each is remembered."""

    def __init__(self, suite: Suite, d: int, started: int = 0) -> None:
        self.suite, self.d, self.started = suite, d, started
        self.seen: dict[bytes, int] = {}

    def answer(self, connect: Connect, hello: bytes, now: int, e_gate: int) -> tuple[bytes, Session, int]:
        """The welcome, the session, and the time that the device named; 0 says that it has no clock."""
        suite = self.suite
        if hello_kid(suite, hello) != connect.device.kid:
            raise Refused("certificate", "hello")
        connect.check(now)
        encoded = hello[9:42]
        self.seen = {E: until for E, until in self.seen.items() if until >= now}
        if encoded in self.seen:
            raise Refused("replay", "E")
        E, device = suite.point(encoded), suite.point(connect.device.public)
        state = _start(suite, connect)
        state.mix_hash(encoded)
        state.mix_key(suite.shared(self.d, E))
        state.mix_key(suite.shared(self.d, device))
        t = int.from_bytes(state.decrypt_and_hash(hello[42:], "hello"), "big")
        if t == 0:
            # Without a clock only E tells one hello from its replay, so a gate that has not kept them waits for a day.
            if now < self.started + 86400:
                raise Refused("time", "hello without a clock")
        elif abs(t - now) > 120 or t <= self.started:
            raise Refused("time", "hello")
        self.seen[encoded] = now + 86400 if t == 0 else t + 120
        E_B = suite.public(e_gate)
        state.mix_hash(E_B)
        state.mix_key(suite.shared(e_gate, E))
        state.mix_key(suite.shared(e_gate, device))
        welcome = u8(suite.number << 4 | WELCOME) + E_B + state.encrypt_and_hash(u32(now))
        return welcome, Session(*state.split(), state.h), t


# Frames


def _mac(suite: Suite, key: bytes, counter: int, topic: str, message: bytes) -> bytes:
    encoded = topic.encode()
    return sm4.cmac(key, u8(suite.number << 4) + u32(counter) + u16(len(encoded)) + encoded + message)[:TAG]


def frame(suite: Suite, key: bytes, counter: int, topic: str, message: bytes) -> bytes:
    return u8(suite.number << 4) + u32(counter) + message + _mac(suite, key, counter, topic, message)


def open_frame(suite: Suite, key: bytes, last: int, topic: str, data: bytes) -> tuple[int, bytes]:
    """The counter and M; `last`: the counter taken before, -1 at first."""
    if len(data) < 5 + TAG:
        raise Refused("length", "frame")
    if data[0] >> 4 != suite.number:
        raise Refused("suite", "frame")
    if data[0] & 15:
        raise Refused("kind", "frame")
    counter, message = int.from_bytes(data[1:5], "big"), data[5:-TAG]
    if counter <= last:
        raise Refused("replay", "frame")
    if _mac(suite, key, counter, topic, message) != data[-TAG:]:
        raise Refused("decryption", "frame")
    return counter, message
