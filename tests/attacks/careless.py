"""Cores that lack one check or one construction each: what microseal would compute with if somebody had left it out."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import CTR

from microseal import crypto
from microseal_host.backends import libcrypto
from microseal_host.reference.suites import SUITES, sc


class Core:
    """libcrypto, but for what a subclass does worse."""

    def __getattr__(self, name: str) -> Any:
        return getattr(libcrypto, name)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _sign(suite: int, d: bytes, Q: bytes, label: bytes, ctx: bytes, msg: bytes, v: bytes) -> bytes:
    """Schnorr with a nonce of the caller's choice."""
    head = crypto.tag(b"sig/" + label, suite) + libcrypto.base_mul(suite, v)
    e = libcrypto.hash(suite, head, Q, len(ctx).to_bytes(2, "big"), ctx, bytes(msg))
    return e + sc((_number(v) - _number(e) * _number(d)) % SUITES[suite].curve.q)


class AnyRange(Core):
    """verify() without the range of s, and with 33 zeros for the point at infinity."""

    def verify(self, suite: int, Q: bytes, label: bytes, ctx: bytes, msg: bytes, sig: bytes) -> bool:
        s, curve = SUITES[suite], SUITES[suite].curve
        sig, msg = bytes(sig), bytes(msg)
        commitment = curve.add(s.base(_number(sig[32:])), curve.multiply(_number(sig[:32]), curve.decode(bytes(Q))))
        encoded = bytes(33) if commitment is None else curve.encode(commitment)
        head = crypto.tag(b"sig/" + bytes(label), suite) + encoded
        return libcrypto.hash(suite, head, Q, len(ctx).to_bytes(2, "big"), ctx, msg) == sig[:32]


class NoLabels(Core):
    """Signatures for all purposes in one domain."""

    def sign(self, suite: int, d: bytes, Q: bytes, label: bytes, ctx: bytes, msg: bytes, rand: bytes) -> bytes:
        return libcrypto.sign(suite, d, Q, b"", ctx, msg, rand)

    def verify(self, suite: int, Q: bytes, label: bytes, ctx: bytes, msg: bytes, sig: bytes) -> bool:
        return libcrypto.verify(suite, Q, b"", ctx, msg, sig)


class OneNonce(Core):
    """Mode 3 as published: z is the nonce of both signatures."""

    def base_mul(self, suite: int, k: bytes) -> bytes:
        self._z = k
        return libcrypto.base_mul(suite, k)

    def sign(self, suite: int, d: bytes, Q: bytes, label: bytes, ctx: bytes, msg: bytes, rand: bytes) -> bytes:
        if label in (b"m3i", b"m3g"):
            return _sign(suite, d, Q, label, ctx, msg, self._z)
        return libcrypto.sign(suite, d, Q, label, ctx, msg, rand)


class RandomNonce(Core):
    """v is what the random source gives, and nothing else goes into it."""

    def sign(self, suite: int, d: bytes, Q: bytes, label: bytes, ctx: bytes, msg: bytes, rand: bytes) -> bytes:
        v = libcrypto.scalar_reduce(suite, libcrypto.hash(suite, rand))
        return _sign(suite, d, Q, label, ctx, msg, v)


class LooseInner(Core):
    """Mode 3's inner signature over the message alone, not over the envelope that it is in."""

    def sign(self, suite: int, d: bytes, Q: bytes, label: bytes, ctx: bytes, msg: bytes, rand: bytes) -> bytes:
        return libcrypto.sign(suite, d, Q, label, ctx, bytes(msg)[40:] if label == b"m3i" else msg, rand)

    def verify(self, suite: int, Q: bytes, label: bytes, ctx: bytes, msg: bytes, sig: bytes) -> bool:
        return libcrypto.verify(suite, Q, label, ctx, bytes(msg)[40:] if label == b"m3i" else msg, sig)


class Unverified(Core):
    """Takes every signature made for the purpose `label`."""

    def __init__(self, label: bytes) -> None:
        self._label = label

    def verify(self, suite: int, Q: bytes, label: bytes, ctx: bytes, msg: bytes, sig: bytes) -> bool:
        return label == self._label or libcrypto.verify(suite, Q, label, ctx, msg, sig)


class NoTag(Core):
    """GCM as a cipher that looks at no tag."""

    def gcm_open(self, key: bytes, nonce: bytes, aad: bytes, data: bytes, out: Any) -> bool:
        opener = Cipher(SM4(bytes(key)), CTR(bytes(nonce) + b"\0\0\0\2")).decryptor()
        memoryview(out)[:] = opener.update(bytes(data)[:-16])
        return True


class AnyPoint(Core):
    """ECDH that gives 0 for what is no point."""

    def ecdh(self, suite: int, k: bytes, P: bytes) -> bytes:
        return libcrypto.ecdh(suite, k, P) if libcrypto.is_point(suite, P) else bytes(32)


class AnyReply(Core):
    """Takes the private key that a reply makes without looking whether it is that of the certificate."""

    def ecqv_accept(self, suite: int, cert: bytes, C: bytes, q_ca: bytes, r: bytes, a: bytes) -> tuple[bytes, bytes]:
        e = sc(_number(libcrypto.hash(suite, cert)) >> 1)
        d = libcrypto.scalar_mul_add(suite, e, r, a)
        return d, libcrypto.base_mul(suite, d)


class AllEqual(Core):
    """MACs compared by somebody who wrote != for ==."""

    def equal(self, a: bytes, b: bytes) -> bool:
        return True
