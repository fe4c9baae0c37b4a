"""Section 5's other words of the authority's signer: the time, and the list of what was taken back."""

from collections.abc import Iterable

from . import schnorr
from .reading import Reader
from .refusal import Refused
from .suites import Suite, u32


def signed_time(suite: Suite, challenge: bytes, t: int, d_a: int, rand: bytes) -> bytes:
    return u32(t) + schnorr.sign(suite, d_a, "time", challenge, u32(t), rand)


def open_time(suite: Suite, signer: bytes, signer_not_after: int, challenge: bytes, data: bytes) -> int:
    """The time; the caller takes it within 5 s of its challenge, and never sets its clock back."""
    if len(challenge) != 16:
        raise Refused("length", "challenge")
    if len(data) != 68:
        raise Refused("length", "time")
    schnorr.check(suite, signer, "time", challenge, data[:4], data[4:], "time")
    t = int.from_bytes(data[:4], "big")
    if signer_not_after < t:
        raise Refused("certificate", "signer")
    return t


def revoked(suite: Suite, issued: int, kids: Iterable[bytes], d_a: int, rand: bytes) -> bytes:
    body = u32(issued) + b"".join(sorted(set(kids)))
    return body + schnorr.sign(suite, d_a, "revoked", b"", body, rand)


def open_revoked(suite: Suite, signer: bytes, data: bytes, newest: int = 0) -> tuple[int, tuple[bytes, ...]]:
    """When it was issued, and the kids; `newest`: when the list that is held was issued."""
    if len(data) < 68 or (len(data) - 68) % 8:
        raise Refused("length", "revoked")
    reader = Reader(data[:-64])
    issued = reader.number(4, "issued")
    listed = reader.rest()
    kids = tuple(listed[i : i + 8] for i in range(0, len(listed), 8))
    if any(a >= b for a, b in zip(kids, kids[1:], strict=False)):
        raise Refused("order", "revoked")
    schnorr.check(suite, signer, "revoked", b"", data[:-64], data[-64:], "revoked")
    if issued < newest:
        raise Refused("replay", "revoked")
    return issued, kids
