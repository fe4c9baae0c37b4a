"""SHA-256 (FIPS 180-4) and SM3 (GB/T 32905) in plain integers."""

from math import isqrt

_MASK = 0xFFFFFFFF


def _primes(count: int) -> list[int]:
    found: list[int] = []
    n = 2
    while len(found) < count:
        if all(n % p for p in found):
            found.append(n)
        n += 1
    return found


def _cube_root(n: int) -> int:
    low, high = 0, 1 << (n.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= n else (low, middle - 1)
    return low


# The first 32 bits of the fractional parts of the square and cube roots of the first primes.
_SHA256_START = [isqrt(p << 64) & _MASK for p in _primes(8)]
_SHA256_K = [_cube_root(p << 96) & _MASK for p in _primes(64)]

_SM3_START = [
    0x7380166F,
    0x4914B2B9,
    0x172442D7,
    0xDA8A0600,
    0xA96F30BC,
    0x163138AA,
    0xE38DEE4D,
    0xB0FB0E4E,
]


def _right(x: int, n: int) -> int:
    return (x >> n | x << (32 - n)) & _MASK


def _left(x: int, n: int) -> int:
    return _right(x, (32 - n) % 32)


def _blocks(data: bytes) -> list[list[int]]:
    """Both hashes pad alike: 0x80, zeros, the length in bits as u64; 16 words a block."""
    data += b"\x80" + bytes(-(len(data) + 9) % 64) + (8 * len(data)).to_bytes(8, "big")
    words = [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]
    return [words[i : i + 16] for i in range(0, len(words), 16)]


def _joined(state: list[int]) -> bytes:
    return b"".join(word.to_bytes(4, "big") for word in state)


def sha256(data: bytes) -> bytes:
    state = list(_SHA256_START)
    for w in _blocks(data):
        for i in range(16, 64):
            s0 = _right(w[i - 15], 7) ^ _right(w[i - 15], 18) ^ w[i - 15] >> 3
            s1 = _right(w[i - 2], 17) ^ _right(w[i - 2], 19) ^ w[i - 2] >> 10
            w.append((w[i - 16] + s0 + w[i - 7] + s1) & _MASK)
        a, b, c, d, e, f, g, h = state
        for i in range(64):
            s1 = _right(e, 6) ^ _right(e, 11) ^ _right(e, 25)
            choice = e & f ^ ~e & g
            t1 = h + s1 + choice + _SHA256_K[i] + w[i]
            s0 = _right(a, 2) ^ _right(a, 13) ^ _right(a, 22)
            majority = a & b ^ a & c ^ b & c
            a, b, c, d, e, f, g, h = (t1 + s0 + majority) & _MASK, a, b, c, (d + t1) & _MASK, e, f, g
        state = [(x + y) & _MASK for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]
    return _joined(state)


def _p0(x: int) -> int:
    return x ^ _left(x, 9) ^ _left(x, 17)


def _p1(x: int) -> int:
    return x ^ _left(x, 15) ^ _left(x, 23)


def sm3(data: bytes) -> bytes:
    state = list(_SM3_START)
    for w in _blocks(data):
        for j in range(16, 68):
            w.append(_p1(w[j - 16] ^ w[j - 9] ^ _left(w[j - 3], 15)) ^ _left(w[j - 13], 7) ^ w[j - 6])
        a, b, c, d, e, f, g, h = state
        for j in range(64):
            t = 0x79CC4519 if j < 16 else 0x7A879D8A
            ss1 = _left((_left(a, 12) + e + _left(t, j % 32)) & _MASK, 7)
            ss2 = ss1 ^ _left(a, 12)
            ff = a ^ b ^ c if j < 16 else a & b | a & c | b & c
            gg = e ^ f ^ g if j < 16 else e & f | ~e & g
            tt1 = (ff + d + ss2 + (w[j] ^ w[j + 4])) & _MASK
            tt2 = (gg + h + ss1 + w[j]) & _MASK
            a, b, c, d, e, f, g, h = tt1, a, _left(b, 9), c, _p0(tt2), e, _left(f, 19), g
        state = [x ^ y for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]
    return _joined(state)
