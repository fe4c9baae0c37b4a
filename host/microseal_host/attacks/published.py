"""The published scheme, read literally, in plain integers on P-256: as much of it as the attacks need.

After "A Flexible and Lightweight Security Solution in MQTT". Each function is one rule of it; nothing is mended, except that
`anonymous` signs the message and not the ciphertext, where the paper's rule cannot be computed (`circular_signature`).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from microseal_host.reference.curves import P256, Point

q = P256.q
GROUP = b"plant"  # ID_G


def draw() -> int:
    return secrets.randbelow(q - 1) + 1


def base(k: int) -> Point:
    return P256.base(k)


def times(k: int, point: Point) -> Point:
    return P256.multiply(k, point)


def plus(one: Point, two: Point) -> Point:
    return P256.add(one, two)


def minus(one: Point, two: Point) -> Point:
    return plus(one, times(q - 1, two))


def encode(value: int | bytes | Point) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.to_bytes(32, "big") if isinstance(value, int) else P256.encode(value)


def h(*parts: int | bytes | Point) -> int:
    return int.from_bytes(hashlib.sha256(b"|".join(map(encode, parts))).digest(), "big") % q


def stream(key: bytes, data: bytes) -> bytes:
    """A stream mode: the key alone decides the key stream."""
    blocks = (hashlib.sha256(key + i.to_bytes(4, "big")).digest() for i in range(len(data) // 32 + 1))
    return bytes(a ^ b for a, b in zip(data, b"".join(blocks), strict=False))


def key(point: Point, T: int) -> bytes:
    """K = H(point ‖ T)."""
    return encode(h(point, T))


@dataclass
class Node:
    """A device with the key of its certificate, d, and its contribution to the group's, g."""

    d: int = field(default_factory=draw)
    g: int = field(default_factory=draw)

    @property
    def Q(self) -> Point:
        return base(self.d)

    @property
    def x(self) -> int:
        return (self.d + self.g) % q


def sign(d: int, M: bytes, T: int, v: int | None = None) -> tuple[Point, int]:
    """(V, s) with s = v − H(M ‖ T ‖ ID_G)·d."""
    v = v or draw()
    return base(v), (v - h(M, T, GROUP) * d) % q


def verify(Q: Point, M: bytes, T: int, signature: tuple[Point, int]) -> bool:
    V, s = signature
    return plus(base(s), times(h(M, T, GROUP), Q)) == V


@dataclass
class Secret:
    """A mode 2 message."""

    T: int
    C: bytes
    signature: tuple[Point, int]


def secret(sender: Node, Q_P: Point, M: bytes, T: int) -> Secret:
    """Mode 2: K = H(d_i·Q_P ‖ T), a stream mode, and a signature over the ciphertext."""
    C = stream(key(times(sender.d, Q_P), T), M)
    return Secret(T, C, sign(sender.d, C, T))


def open_secret(d_P: int, Q: Point, message: Secret, now: int, slack: int = 120) -> bytes | None:
    """What a subscriber takes: the time within the slack, and the signature of whoever has a certificate with Q."""
    if abs(now - message.T) > slack or not verify(Q, message.C, message.T, message.signature):
        return None
    return stream(key(times(d_P, Q), message.T), message.C)


@dataclass
class Anonymous:
    """A mode 3 message; C holds M and s_1."""

    T: int
    Z: Point
    C: bytes
    s_2: int


def anonymous(sender: Node, Q_P: Point, d_S: int, M: bytes, T: int) -> Anonymous:
    """Mode 3: one z for the key and for both signatures."""
    z = draw()
    s_1 = (z - h(M, T, GROUP) * sender.d) % q
    C = stream(key(times(z, Q_P), T), M + encode(s_1))
    return Anonymous(T, base(z), C, (z - h(C, T, GROUP) * d_S) % q)


def circular_signature(d: int, z: int, K: bytes, M: bytes, T: int, s_1: int) -> int:
    """Mode 3's inner signature as defined, over the ciphertext that contains it: a solution is an s_1 that this maps to itself."""
    return (z - h(stream(K, M + encode(s_1)), T, GROUP) * d) % q


def group_secret(authority: bytes, members: list[str]) -> int:
    """The authority's part of a group key: a function of the member list."""
    return h(authority, *(member.encode() for member in sorted(members)))
