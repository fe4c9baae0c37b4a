"""Short Weierstrass curves over a prime field, in affine coordinates: the textbook's addition, one inversion each.

A point is a pair (x, y) of integers, infinity is None.
"""

from dataclasses import dataclass
from functools import lru_cache

Point = tuple[int, int] | None


@dataclass(frozen=True)
class Curve:
    """y^2 = x^3 + a*x + b modulo the prime p = 3 mod 4, with a generator of prime order q."""

    p: int
    a: int
    b: int
    q: int
    generator: tuple[int, int]

    def contains(self, point: tuple[int, int]) -> bool:
        x, y = point
        return 0 <= x < self.p and 0 <= y < self.p and (y * y - (x * x * x + self.a * x + self.b)) % self.p == 0

    def add(self, one: Point, two: Point) -> Point:
        if one is None:
            return two
        if two is None:
            return one
        (x1, y1), (x2, y2) = one, two
        if x1 == x2:
            if (y1 + y2) % self.p == 0:
                return None
            slope = (3 * x1 * x1 + self.a) * pow(2 * y1, -1, self.p) % self.p
        else:
            slope = (y2 - y1) * pow(x2 - x1, -1, self.p) % self.p
        x = (slope * slope - x1 - x2) % self.p
        return x, (slope * (x1 - x) - y1) % self.p

    def multiply(self, k: int, point: Point) -> Point:
        return _multiply(self, k % self.q, point)

    def base(self, k: int) -> Point:
        return self.multiply(k, self.generator)

    def encode(self, point: Point) -> bytes:
        """SEC1 compressed, 33 bytes; infinity has no encoding."""
        if point is None:
            raise ValueError("the point at infinity has no encoding")
        x, y = point
        return bytes([2 + (y & 1)]) + x.to_bytes(32, "big")

    def decode(self, data: bytes) -> Point:
        """The point of 33 bytes; ValueError if they encode none."""
        if len(data) != 33 or data[0] not in (2, 3):
            raise ValueError("not a compressed point")
        x = int.from_bytes(data[1:], "big")
        if x >= self.p:
            raise ValueError("x is not below p")
        square = (x * x * x + self.a * x + self.b) % self.p
        # p = 3 mod 4: if there is a root, this is one. No curve here has a point with y = 0, as its order is odd.
        y = pow(square, (self.p + 1) // 4, self.p)
        if y * y % self.p != square:
            raise ValueError("not on the curve")
        return x, y if y & 1 == data[0] & 1 else self.p - y


@lru_cache(maxsize=8192)
def _multiply(curve: Curve, k: int, point: Point) -> Point:
    """Doubling and adding. Remembered, as a scenario multiplies by the same few keys again and again."""
    result: Point = None
    for bit in bin(k)[2:]:
        result = curve.add(result, result)
        if bit == "1":
            result = curve.add(result, point)
    return result


_P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256 = Curve(
    p=_P256_P,
    a=_P256_P - 3,
    b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    q=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    generator=(
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
)

_SM2_P = 2**256 - 2**224 - 2**96 + 2**64 - 1
SM2 = Curve(
    p=_SM2_P,
    a=_SM2_P - 3,
    b=0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93,
    q=0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123,
    generator=(
        0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
        0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
    ),
)
