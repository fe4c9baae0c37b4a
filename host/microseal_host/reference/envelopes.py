"""Section 6: what a PUBLISH carries, sealed; and the same bytes taken apart, before any check that needs a state."""

from dataclasses import dataclass

from . import schnorr
from .groups import PUBLISHER, SUBSCRIBER, Info
from .refusal import Refused
from .suites import NO_NONCE, Suite, u8, u16, u32

# What each mode adds to M; in mode 3 the padding comes on top.
OVERHEAD = {1: 91, 2: 107, 3: 193}


def sender_role(direction: int) -> int:
    return SUBSCRIBER if direction else PUBLISHER


def receiver_role(direction: int) -> int:
    return PUBLISHER if direction else SUBSCRIBER


def context(gid: str, epoch: int, topic: str) -> bytes:
    """gctx: signed, not sent."""
    return u8(len(gid)) + gid.encode() + u32(epoch) + u16(len(topic.encode())) + topic.encode()


def header(suite: Suite, direction: int, mode: int) -> bytes:
    return u8(suite.number << 4 | direction << 3 | mode)


def public_mode_key(suite: Suite, shared: bytes, n: bytes, direction: int, info: Info, kid: bytes) -> bytes:
    """K2, the same for all messages of one sender, boot and epoch."""
    tail = u8(direction) + u8(len(info.gid)) + info.gid.encode() + u32(info.epoch) + kid
    return suite.hkdf(shared, n[:8], suite.tag("pub") + tail, 16)


def anonymous_mode_key(suite: Suite, shared: bytes, Z: bytes, direction: int, info: Info) -> bytes:
    """K3, new for each message."""
    tail = u8(direction) + u8(len(info.gid)) + info.gid.encode() + u32(info.epoch)
    return suite.hkdf(shared, Z, suite.tag("anon") + tail, 16)


@dataclass(frozen=True)
class Outgoing:
    """One message and where it goes. d is the sender's private key, kid its certificate's."""

    info: Info
    direction: int
    topic: str
    time: int
    d: int
    kid: bytes
    message: bytes


def seal_signed(suite: Suite, out: Outgoing, n: bytes, rand: bytes) -> bytes:
    """Mode 1."""
    head = header(suite, out.direction, 1) + u16(out.info.epoch & 0xFFFF) + out.kid + u32(out.time) + n + out.message
    return head + schnorr.sign(suite, out.d, "m1", context(out.info.gid, out.info.epoch, out.topic), head, rand)


def seal_secret(suite: Suite, out: Outgoing, n: bytes, rand: bytes) -> bytes:
    """Mode 2."""
    gctx = context(out.info.gid, out.info.epoch, out.topic)
    shared = suite.shared(out.d, out.info.public(sender_role(out.direction)))
    key = public_mode_key(suite, shared, n, out.direction, out.info, out.kid)
    head = header(suite, out.direction, 2) + u16(out.info.epoch & 0xFFFF) + out.kid + u32(out.time)
    body = head + n + suite.seal(key, n, gctx + head, out.message)
    return body + schnorr.sign(suite, out.d, "m2", gctx, body, rand)


def seal_anonymous(suite: Suite, out: Outgoing, z: int, group_d: int, rand: bytes, rand_group: bytes) -> bytes:
    """Mode 3; group_d is d_S in direction 0, d_P in direction 1."""
    gctx = context(out.info.gid, out.info.epoch, out.topic)
    Z = suite.public(z)
    head = header(suite, out.direction, 3) + u16(out.info.epoch & 0xFFFF) + u32(out.time) + Z
    inner = out.kid + schnorr.sign(suite, out.d, "m3i", gctx, head + out.message, rand) + out.message
    inner += b"\x80" + bytes(-(len(inner) + 1) % 32)
    return seal_inner(suite, out.info, out.direction, gctx, head, z, inner, group_d, rand_group)


def seal_inner(
    suite: Suite, info: Info, direction: int, gctx: bytes, head: bytes, z: int, inner: bytes, group_d: int, rand: bytes
) -> bytes:
    """The outer part of mode 3, around an inner part that tests may have made otherwise."""
    shared = suite.shared(z, info.public(sender_role(direction)))
    key = anonymous_mode_key(suite, shared, head[7:], direction, info)
    body = head + suite.seal(key, NO_NONCE, gctx + head, inner)
    return body + schnorr.sign(suite, group_d, "m3g", gctx, body, rand)


@dataclass(frozen=True)
class Envelope:
    """The parts of an envelope; those that its mode does not have are empty."""

    encoded: bytes
    direction: int
    mode: int
    ep: int
    kid: bytes
    time: int
    n: bytes
    Z: bytes
    head: bytes
    content: bytes
    body: bytes
    sig: bytes

    @property
    def size(self) -> int:
        """The length of M; in mode 3 the most it can be."""
        return len(self.encoded) - OVERHEAD[self.mode]


def parse(suite: Suite, data: bytes) -> Envelope:
    """Length and header, the first check. That Z is a point is checked where it is used."""
    if not data:
        raise Refused("length", "empty")
    if data[0] >> 4 != suite.number:
        raise Refused("suite", "envelope")
    direction, mode = data[0] >> 3 & 1, data[0] & 7
    if mode not in OVERHEAD:
        raise Refused("kind", "mode")
    if len(data) < OVERHEAD[mode]:
        raise Refused("length", "envelope")
    ep, body, sig = int.from_bytes(data[1:3], "big"), data[:-64], data[-64:]
    if mode == 3:
        if (len(data) - 120) % 32:
            raise Refused("length", "not whole blocks of 32")
        Z = data[7:40]
        time = int.from_bytes(data[3:7], "big")
        return Envelope(data, direction, mode, ep, b"", time, b"", Z, data[:40], body[40:], body, sig)
    time = int.from_bytes(data[11:15], "big")
    return Envelope(data, direction, mode, ep, data[3:11], time, data[15:27], b"", data[:15], body[27:], body, sig)
