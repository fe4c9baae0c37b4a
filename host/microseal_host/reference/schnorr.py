"""Section 3: key-prefixed Schnorr signatures with the challenge over the commitment."""

from .curves import Point
from .refusal import Refused
from .suites import Suite, sc, u8, u16


def _challenge(suite: Suite, commitment: Point, public: bytes, label: str, ctx: bytes, msg: bytes) -> bytes:
    return suite.hash(suite.tag("sig/" + label) + suite.pt(commitment) + public + u16(len(ctx)) + ctx + msg)


def nonce(suite: Suite, d: int, label: str, ctx: bytes, msg: bytes, rand: bytes, i: int) -> int:
    """The i-th candidate for v, bound to everything that the challenge covers."""
    bound = suite.tag("sig/" + label) + suite.public(d) + u16(len(ctx)) + ctx + msg
    wide = suite.hkdf(sc(d) + rand, suite.hash(bound), suite.tag("nonce") + u8(i), 48)
    return int.from_bytes(wide, "big") % suite.curve.q


def sign(suite: Suite, d: int, label: str, ctx: bytes, msg: bytes, rand: bytes) -> bytes:
    """e || sc(s), 64 bytes; rand has 32."""
    if len(rand) != 32:
        raise ValueError("rand has 32 bytes")
    i = 0
    while True:
        v = nonce(suite, d, label, ctx, msg, rand, i)
        i += 1
        if v == 0:
            continue
        e = _challenge(suite, suite.base(v), suite.public(d), label, ctx, msg)
        s = (v - int.from_bytes(e, "big") * d) % suite.curve.q
        if s:
            return e + sc(s)


def check(suite: Suite, public: bytes, label: str, ctx: bytes, msg: bytes, sig: bytes, where: str = "") -> None:
    """Refused unless sig, 64 bytes, is the holder's of `public`."""
    if len(sig) != 64:
        raise Refused("length", where)
    e, s = sig[:32], suite.scalar(sig[32:], where)
    point = suite.point(public, where)
    commitment = suite.curve.add(suite.base(s), suite.curve.multiply(int.from_bytes(e, "big"), point))
    if commitment is None or _challenge(suite, commitment, public, label, ctx, msg) != e:
        raise Refused("signature", where)


def verify(suite: Suite, public: bytes, label: str, ctx: bytes, msg: bytes, sig: bytes) -> bool:
    try:
        check(suite, public, label, ctx, msg, sig)
    except Refused:
        return False
    return True
