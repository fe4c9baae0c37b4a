"""SM4 (GB/T 32907), GCM (SP 800-38D) and CMAC (SP 800-38B) on it, in plain integers."""

_MASK = 0xFFFFFFFF
_FK = (0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC)


def _times(a: int, b: int) -> int:
    """The product in SM4's GF(2^8), modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x1F5
        b >>= 1
    return product


def _affine(x: int) -> int:
    """A*x + 0xD3, where each row of A is the one before, turned by one bit."""
    rows = ((0xA7 << i | 0xA7 >> (8 - i)) & 0xFF for i in range(8))
    return sum(((x & row).bit_count() & 1) << i for i, row in enumerate(rows)) ^ 0xD3


def _inverse(x: int) -> int:
    """x^254: the inverse, and 0 for 0."""
    result = 1
    for _ in range(254):
        result = _times(result, x)
    return result


_S = [_affine(_inverse(_affine(x))) for x in range(256)]
# Byte j of round constant i is (4i + j) * 7.
_CK = [int.from_bytes(bytes((4 * i + j) * 7 & 0xFF for j in range(4)), "big") for i in range(32)]


def _left(x: int, n: int) -> int:
    return (x << n | x >> (32 - n)) & _MASK


def _tau(x: int) -> int:
    return _S[x >> 24] << 24 | _S[x >> 16 & 0xFF] << 16 | _S[x >> 8 & 0xFF] << 8 | _S[x & 0xFF]


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 4], "big") for i in range(0, 16, 4)]


def round_keys(key: bytes) -> list[int]:
    if len(key) != 16:
        raise ValueError("an SM4 key has 16 bytes")
    k = [word ^ fixed for word, fixed in zip(_words(key), _FK, strict=True)]
    for i in range(32):
        t = _tau(k[i + 1] ^ k[i + 2] ^ k[i + 3] ^ _CK[i])
        k.append(k[i] ^ t ^ _left(t, 13) ^ _left(t, 23))
    return k[4:]


def encrypt_block(keys: list[int], block: bytes) -> bytes:
    x = _words(block)
    for i in range(32):
        t = _tau(x[i + 1] ^ x[i + 2] ^ x[i + 3] ^ keys[i])
        x.append(x[i] ^ t ^ _left(t, 2) ^ _left(t, 10) ^ _left(t, 18) ^ _left(t, 24))
    return b"".join(word.to_bytes(4, "big") for word in (x[35], x[34], x[33], x[32]))


# GCM


def _gf128(x: int, y: int) -> int:
    """The product in GCM's field, whose first bit is the coefficient of 1."""
    product = 0
    for i in range(127, -1, -1):
        if x >> i & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def _ghash(h: int, aad: bytes, data: bytes) -> int:
    padded = aad + bytes(-len(aad) % 16) + data + bytes(-len(data) % 16)
    padded += (8 * len(aad)).to_bytes(8, "big") + (8 * len(data)).to_bytes(8, "big")
    y = 0
    for i in range(0, len(padded), 16):
        y = _gf128(y ^ int.from_bytes(padded[i : i + 16], "big"), h)
    return y


def _counter_mode(keys: list[int], nonce: bytes, data: bytes) -> bytes:
    stream = b"".join(encrypt_block(keys, nonce + (2 + i).to_bytes(4, "big")) for i in range((len(data) + 15) // 16))
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def _gcm_tag(keys: list[int], nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
    h = int.from_bytes(encrypt_block(keys, bytes(16)), "big")
    mask = int.from_bytes(encrypt_block(keys, nonce + b"\0\0\0\1"), "big")
    return (_ghash(h, aad, ciphertext) ^ mask).to_bytes(16, "big")


def gcm_seal(key: bytes, nonce: bytes, aad: bytes, plain: bytes) -> bytes:
    """Ciphertext || 16-byte tag; 12-byte nonce."""
    if len(nonce) != 12:
        raise ValueError("the nonce has 12 bytes")
    keys = round_keys(key)
    ciphertext = _counter_mode(keys, nonce, plain)
    return ciphertext + _gcm_tag(keys, nonce, aad, ciphertext)


def gcm_open(key: bytes, nonce: bytes, aad: bytes, sealed: bytes) -> bytes | None:
    """The plain text, or None if the tag is wrong."""
    if len(nonce) != 12:
        raise ValueError("the nonce has 12 bytes")
    if len(sealed) < 16:
        return None
    keys = round_keys(key)
    ciphertext, tag = sealed[:-16], sealed[-16:]
    if _gcm_tag(keys, nonce, aad, ciphertext) != tag:
        return None
    return _counter_mode(keys, nonce, ciphertext)


# CMAC


def _double(block: int) -> int:
    return (block << 1 ^ (0x87 if block >> 127 else 0)) & (1 << 128) - 1


def cmac(key: bytes, message: bytes) -> bytes:
    keys = round_keys(key)
    k1 = _double(int.from_bytes(encrypt_block(keys, bytes(16)), "big"))
    whole = message and len(message) % 16 == 0
    if not whole:
        message += b"\x80" + bytes(-(len(message) + 1) % 16)
    last = k1 if whole else _double(k1)
    state = 0
    for i in range(0, len(message), 16):
        state ^= int.from_bytes(message[i : i + 16], "big")
        if i + 16 == len(message):
            state ^= last
        state = int.from_bytes(encrypt_block(keys, state.to_bytes(16, "big")), "big")
    return state.to_bytes(16, "big")
