"""Section 2: the suites, with the constructions that take their hash, curve and cipher."""

from collections.abc import Callable
from dataclasses import dataclass

from . import sm4
from .curves import P256, SM2, Curve, Point
from .hashes import sha256, sm3
from .refusal import Refused

NO_NONCE = bytes(12)


@dataclass(frozen=True)
class Suite:
    number: int
    curve: Curve
    hash: Callable[[bytes], bytes]
    noise_name: bytes

    def tag(self, name: str) -> bytes:
        """T(name), which separates the domains of every hash and KDF."""
        return b"microseal/1/" + name.encode("ascii") + b"\0" + bytes([self.number])

    def hmac(self, key: bytes, message: bytes) -> bytes:
        """RFC 2104; both hashes have blocks of 64 bytes."""
        if len(key) > 64:
            key = self.hash(key)
        key += bytes(64 - len(key))
        inner = self.hash(bytes(b ^ 0x36 for b in key) + message)
        return self.hash(bytes(b ^ 0x5C for b in key) + inner)

    def hkdf(self, ikm: bytes, salt: bytes, info: bytes, length: int) -> bytes:
        """RFC 5869."""
        prk = self.hmac(salt or bytes(32), ikm)
        block, out = b"", b""
        for i in range(1, -(-length // 32) + 1):
            block = self.hmac(prk, block + info + bytes([i]))
            out += block
        return out[:length]

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plain: bytes) -> bytes:
        return sm4.gcm_seal(key, nonce, aad, plain)

    def unseal(self, key: bytes, nonce: bytes, aad: bytes, sealed: bytes, where: str = "") -> bytes:
        plain = sm4.gcm_open(key, nonce, aad, sealed)
        if plain is None:
            raise Refused("decryption", where)
        return plain

    # Encodings: pt, sc, X

    def pt(self, point: Point) -> bytes:
        return self.curve.encode(point)

    def base(self, k: int) -> Point:
        return self.curve.base(k)

    def shared(self, k: int, point: Point) -> bytes:
        """X(k*P)."""
        product = self.curve.multiply(k, point)
        if product is None:
            raise Refused("point", "a shared secret at infinity")
        return sc(product[0])

    def public(self, d: int) -> bytes:
        return self.pt(self.base(d))

    def point(self, data: bytes, where: str = "") -> Point:
        try:
            return self.curve.decode(data)
        except ValueError:
            raise Refused("point", where) from None

    def scalar(self, data: bytes, where: str = "") -> int:
        if len(data) != 32:
            raise Refused("length", where)
        x = int.from_bytes(data, "big")
        if not 0 < x < self.curve.q:
            raise Refused("scalar", where)
        return x


def sc(x: int) -> bytes:
    return x.to_bytes(32, "big")


def u8(x: int) -> bytes:
    return x.to_bytes(1, "big")


def u16(x: int) -> bytes:
    return x.to_bytes(2, "big")


def u32(x: int) -> bytes:
    return x.to_bytes(4, "big")


def u64(x: int) -> bytes:
    return x.to_bytes(8, "big")


SUITES = {
    1: Suite(1, P256, sha256, b"Noise_KK_P256_SM4GCM_SHA256"),
    2: Suite(2, SM2, sm3, b"Noise_KK_SM2_SM4GCM_SM3"),
}
