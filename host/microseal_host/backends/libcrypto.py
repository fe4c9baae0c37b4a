"""The crypto core on the system's libcrypto (EC_GROUP, BIGNUM) and on `cryptography` (SM4, SM3): see microseal.crypto.

Arguments are bytes-like, results new bytes. A point is 33 bytes (SEC1, compressed), a scalar 32 bytes, big-endian.
Wrong types raise TypeError; wrong lengths, values out of range and points at infinity raise ValueError.

Safe to use from several threads: each has scratch objects of its own, and decoded public points are never written to.
Secret numbers are constant-time BIGNUMs, cleared after use; the copies that Python's bytes make cannot be.
"""

import hashlib
import hmac as _hmac
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import cmac as _cmac
from cryptography.hazmat.primitives import hashes as _hashes
from cryptography.hazmat.primitives import hmac as _sm3_hmac
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

from .openssl import POINT_CONVERSION_COMPRESSED, ffi, lib, scratch

SUITES = (1, 2)

Buffer = bytes | bytearray | memoryview

_ZERO = bytes(32)
_NULL = ffi.NULL
# Decoding a compressed point is a square root, a third of a multiplication: worth keeping for the senders of a group.
_POINT_CACHE = 4096


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _sm3(data: bytes) -> bytes:
    h = _hashes.Hash(_hashes.SM3())
    h.update(data)
    return h.finalize()


def _hmac_sha256(key: bytes, data: bytes) -> bytes:
    return _hmac.digest(key, data, "sha256")


def _hmac_sm3(key: bytes, data: bytes) -> bytes:
    # cryptography refuses an empty key; HMAC pads a short one with zeros, so one zero byte is the same key.
    h = _sm3_hmac.HMAC(key or b"\0", _hashes.SM3())
    h.update(data)
    return h.finalize()


class _Suite:
    """One suite's curve group, hash and precomputed domain tags."""

    def __init__(self, number: int, nid: int, hash_: Callable[[bytes], bytes], hmac_: Callable[[bytes, bytes], bytes]):
        self.number = number
        self.hash = hash_
        self.hmac = hmac_
        self.group = lib.EC_GROUP_new_by_curve_name(nid)
        if self.group == _NULL:
            raise ImportError(f"this libcrypto has no curve for suite {number} (NID {nid})")
        self.q = lib.EC_GROUP_get0_order(self.group)
        q = ffi.new("unsigned char[32]")
        lib.BN_bn2binpad(self.q, q, 32)
        self.q_bytes = bytes(q)
        self.q_int = int.from_bytes(self.q_bytes, "big")
        self.nonce_tag = b"microseal/1/nonce\0" + bytes([number])

    def point(self) -> Any:
        return ffi.gc(lib.EC_POINT_new(self.group), lib.EC_POINT_clear_free)


_SUITES = {1: _Suite(1, 415, _sha256, _hmac_sha256), 2: _Suite(2, 1172, _sm3, _hmac_sm3)}


def _suite(number: int) -> _Suite:
    if not isinstance(number, int):
        raise TypeError(f"suite: int required, not {type(number).__name__}")
    s = _SUITES.get(number)
    if s is None:
        raise ValueError(f"unknown suite {number}")
    return s


def _bytes(data: Buffer, what: str = "argument") -> bytes:
    if type(data) is bytes:
        return data
    if isinstance(data, str):
        raise TypeError(f"{what}: bytes-like object required, not str")
    try:
        return bytes(memoryview(data))
    except TypeError:
        raise TypeError(f"{what}: bytes-like object required, not {type(data).__name__}") from None


def _sized(data: Buffer, length: int, what: str) -> bytes:
    if type(data) is not bytes:
        data = _bytes(data, what)
    if len(data) != length:
        raise ValueError(f"{what}: {length} bytes expected, got {len(data)}")
    return data


def _join(parts: tuple[Buffer, ...]) -> bytes:
    try:
        return b"".join(parts)
    except TypeError:
        return b"".join([_bytes(p) for p in parts])


def _writable(data: Any, length: int, what: str) -> memoryview:
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"{what}: writable buffer required, not {type(data).__name__}") from None
    if view.readonly:
        raise TypeError(f"{what}: buffer is read-only")
    view = view.cast("B")
    if len(view) != length:
        raise ValueError(f"{what}: {length} bytes expected, got {len(view)}")
    return view


# Hashes, HMAC, HKDF


def hash(suite: int, *parts: Buffer) -> bytes:
    """H over the joined parts, 32 bytes."""
    return _suite(suite).hash(_join(parts))


class _HashState(bytearray):
    """An opaque state, a bytearray as in the native module; the running hash object is an attribute."""

    running: Any = None


def hash_new(suite: int) -> bytearray:
    """A running H, to be given to hash_update and hash_digest."""
    state = _HashState(8)
    state.running = hashlib.sha256() if _suite(suite).number == 1 else _hashes.Hash(_hashes.SM3())
    return state


def _running(state: bytearray) -> Any:
    if not isinstance(state, _HashState):
        raise TypeError("state: not from hash_new")
    if state.running is None:
        raise ValueError("state: already ended by hash_digest")
    return state.running


def hash_update(state: bytearray, data: Buffer) -> None:
    """Takes data of any length into the state."""
    _running(state).update(_bytes(data, "data"))


def hash_digest(state: bytearray) -> bytes:
    """The 32 bytes of H; ends the state, further use of which is a ValueError."""
    running = _running(state)
    state.running = None  # type: ignore[attr-defined]
    return running.finalize() if hasattr(running, "finalize") else running.digest()


def hmac(suite: int, key: Buffer, *parts: Buffer) -> bytes:
    """HMAC with H (RFC 2104), 32 bytes, over the joined parts."""
    return _suite(suite).hmac(_bytes(key, "key"), _join(parts))


def _hkdf(s: _Suite, ikm: bytes, salt: bytes, info: bytes, n: int) -> bytes:
    prk = s.hmac(salt or _ZERO, ikm)
    block = s.hmac(prk, info + b"\1")
    out = block
    while len(out) < n:
        block = s.hmac(prk, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:n]


def hkdf(suite: int, ikm: Buffer, salt: Buffer, info: Buffer, n: int) -> bytes:
    """RFC 5869, 1 <= n <= 8160 bytes; an empty salt is 32 zero bytes."""
    s = _suite(suite)
    if not isinstance(n, int):
        raise TypeError("n: int required")
    if not 1 <= n <= 255 * 32:
        raise ValueError(f"n: 1 to 8160 expected, got {n}")
    return _hkdf(s, _bytes(ikm, "ikm"), _bytes(salt, "salt"), _bytes(info, "info"), n)


# SM4


def gcm_seal(key: Buffer, nonce: Buffer, aad: Buffer, data: Buffer, out: Any) -> None:
    """SM4-GCM (RFC 8998): ciphertext || tag into out, len(data) + 16 bytes; out may start where data does."""
    key, nonce = _sized(key, 16, "key"), _sized(nonce, 12, "nonce")
    aad, data = _bytes(aad, "aad"), _bytes(data, "data")
    target = _writable(out, len(data) + 16, "out")
    sealer = Cipher(SM4(key), GCM(nonce)).encryptor()
    sealer.authenticate_additional_data(aad)
    target[:-16] = sealer.update(data) + sealer.finalize()
    target[-16:] = sealer.tag


def gcm_open(key: Buffer, nonce: Buffer, aad: Buffer, data: Buffer, out: Any) -> bool:
    """Opens ciphertext || tag into out, len(data) - 16 bytes. False, and out as it was, if the tag is wrong."""
    key, nonce = _sized(key, 16, "key"), _sized(nonce, 12, "nonce")
    aad, data = _bytes(aad, "aad"), _bytes(data, "data")
    if len(data) < 16:
        raise ValueError(f"data: at least 16 bytes expected, got {len(data)}")
    target = _writable(out, len(data) - 16, "out")
    opener = Cipher(SM4(key), GCM(nonce, data[-16:])).decryptor()
    opener.authenticate_additional_data(aad)
    plain = opener.update(data[:-16])
    try:
        plain += opener.finalize()
    except InvalidTag:
        return False
    target[:] = plain
    return True


def cmac(key: Buffer, *parts: Buffer) -> bytes:
    """SM4-CMAC (SP 800-38B) over the joined parts, 16 bytes."""
    mac = _cmac.CMAC(SM4(_sized(key, 16, "key")))
    mac.update(_join(parts))
    return mac.finalize()


# Points and scalars


@lru_cache(_POINT_CACHE)
def _decode(number: int, encoded: bytes) -> Any:
    s = _SUITES[number]
    if encoded[0] not in (2, 3):
        raise ValueError("point: prefix is neither 02 nor 03")
    point = s.point()
    # This also refuses x >= p, and an x whose point would not be on the curve.
    if lib.EC_POINT_oct2point(s.group, point, encoded, 33, scratch.ctx) != 1:
        lib.ERR_clear_error()
        raise ValueError("point: not on the curve")
    return point


def _point(s: _Suite, encoded: Buffer, what: str) -> Any:
    return _decode(s.number, _sized(encoded, 33, what))


def _encode(s: _Suite, point: Any) -> bytes:
    buffer = scratch.buffer
    if lib.EC_POINT_point2oct(s.group, point, POINT_CONVERSION_COMPRESSED, buffer, 33, scratch.ctx) != 33:
        raise ValueError("result: point at infinity")
    return ffi.buffer(buffer, 33)[:]


def _scalar(s: _Suite, x: Buffer, what: str) -> bytes:
    x = _sized(x, 32, what)
    # The comparison stops early only for values that share their first four bytes with q or are zero.
    if _hmac.compare_digest(x, _ZERO) or x >= s.q_bytes:
        raise ValueError(f"{what}: not in 1 to q - 1")
    return x


def _ok(result: int) -> None:
    if result != 1:
        lib.ERR_clear_error()
        raise MemoryError("libcrypto: out of memory")


def _read(number: Any) -> bytes:
    buffer = scratch.buffer
    lib.BN_bn2binpad(number, buffer, 32)
    out = ffi.buffer(buffer, 32)[:]
    lib.OPENSSL_cleanse(buffer, 32)
    return out


def _multiply(s: _Suite, result: Any, k: bytes, point: Any) -> None:
    """result = k*point (None: G) in constant time; 0 < k < q, so the result is never infinity."""
    number = scratch.secret[0]
    lib.BN_bin2bn(k, 32, number)
    try:
        if point is None:
            _ok(lib.EC_POINT_mul(s.group, result, number, _NULL, _NULL, scratch.ctx))
        else:
            _ok(lib.EC_POINT_mul(s.group, result, _NULL, point, number, scratch.ctx))
    finally:
        lib.BN_clear(number)


def _times_public(s: _Suite, result: Any, e: bytes, point: Any, addend: Any) -> None:
    """result = e*point + addend, for a public e below 2**256."""
    number = scratch.public[0]
    lib.BN_bin2bn(e, 32, number)
    _ok(lib.EC_POINT_mul(s.group, result, _NULL, point, number, scratch.ctx))
    _ok(lib.EC_POINT_add(s.group, result, result, addend, scratch.ctx))


def _muladd(s: _Suite, a: bytes, b: bytes, c: bytes, subtract: bool = False) -> bytes:
    """a*b + c, or c - a*b, mod q, in constant time, for 32-byte integers."""
    x, y, z, _ = scratch.secret
    ctx, q = scratch.ctx, s.q
    lib.BN_bin2bn(a, 32, x)
    lib.BN_bin2bn(b, 32, y)
    lib.BN_bin2bn(c, 32, z)
    try:
        _ok(lib.BN_mod_mul(x, x, y, q, ctx))
        if subtract:
            # q - x instead of BN_mod_sub: nothing is negative on the way, so no sign of a secret decides a branch.
            _ok(lib.BN_sub(x, q, x))
        _ok(lib.BN_mod_add(x, x, z, q, ctx))
        return _read(x)
    finally:
        for number in (x, y, z):
            lib.BN_clear(number)


def _reduce(s: _Suite, wide: bytes) -> bytes:
    x, _, _, r = scratch.secret
    lib.BN_bin2bn(wide, len(wide), x)
    try:
        _ok(lib.BN_div(_NULL, r, x, s.q, scratch.ctx))
        return _read(r)
    finally:
        lib.BN_clear(x)
        lib.BN_clear(r)


def base_mul(suite: int, k: Buffer) -> bytes:
    """k*G for 0 < k < q, in constant time."""
    s = _suite(suite)
    result = s.point()
    _multiply(s, result, _scalar(s, k, "k"), None)
    return _encode(s, result)


def mul_add(suite: int, k: Buffer, P: Buffer | None, A: Buffer) -> bytes:
    """k*P + A for 0 < k < q, constant time in k; P None is G. ValueError if the sum is infinity."""
    s = _suite(suite)
    k = _scalar(s, k, "k")
    point = None if P is None else _point(s, P, "P")
    addend = _point(s, A, "A")
    result = s.point()
    _multiply(s, result, k, point)
    _ok(lib.EC_POINT_add(s.group, result, result, addend, scratch.ctx))
    return _encode(s, result)


def ecdh(suite: int, k: Buffer, P: Buffer) -> bytes:
    """X(k*P), 32 bytes, for 0 < k < q."""
    s = _suite(suite)
    k = _scalar(s, k, "k")
    point = _point(s, P, "P")
    result = s.point()
    _multiply(s, result, k, point)
    x = _encode(s, result)[1:]
    lib.OPENSSL_cleanse(scratch.buffer, 33)
    return x


def is_point(suite: int, P: Buffer) -> bool:
    """Whether P encodes a point of the curve; False for a wrong length."""
    s = _suite(suite)
    encoded = _bytes(P, "P")
    if len(encoded) != 33:
        return False
    try:
        _decode(s.number, encoded)
    except ValueError:
        return False
    return True


def is_scalar(suite: int, x: Buffer) -> bool:
    """Whether x is 32 bytes with 0 < x < q."""
    s = _suite(suite)
    x = _bytes(x, "x")
    return len(x) == 32 and not _hmac.compare_digest(x, _ZERO) and x < s.q_bytes


def scalar_reduce(suite: int, wide: Buffer) -> bytes:
    """A big-endian integer of 1 to 64 bytes mod q."""
    s = _suite(suite)
    wide = _bytes(wide, "wide")
    if not 1 <= len(wide) <= 64:
        raise ValueError(f"wide: 1 to 64 bytes expected, got {len(wide)}")
    return _reduce(s, wide)


def scalar_mul_add(suite: int, a: Buffer, b: Buffer, c: Buffer) -> bytes:
    """a*b + c mod q, for any 32-byte integers; may be 0."""
    s = _suite(suite)
    return _muladd(s, _sized(a, 32, "a"), _sized(b, 32, "b"), _sized(c, 32, "c"))


# Signatures (section 3)


def _bound(s: _Suite, encoded: bytes, label: bytes, ctx: bytes, msg: bytes) -> tuple[bytes, bytes]:
    """What the challenge covers, before and after pt(V)."""
    if len(ctx) > 65535:
        raise ValueError(f"ctx: at most 65535 bytes, got {len(ctx)}")
    tag = b"microseal/1/sig/" + label + b"\0" + bytes([s.number])
    return tag, encoded + len(ctx).to_bytes(2, "big") + ctx + msg


def sign(
    suite: int,
    d: Buffer,
    Q: Buffer,
    label: Buffer,
    ctx: Buffer,
    msg: Buffer,
    rand: Buffer,
) -> bytes:
    """e || sc(s), 64 bytes: Schnorr by d, whose public key is Q, with the hedged nonce of section 3; rand 32 bytes."""
    s = _suite(suite)
    d, rand = _scalar(s, d, "d"), _sized(rand, 32, "rand")
    _point(s, Q, "Q")
    tag, covered = _bound(s, _bytes(Q), _bytes(label, "label"), _bytes(ctx, "ctx"), _bytes(msg, "msg"))
    bound = s.hash(tag + covered)
    commitment = s.point()
    for i in range(256):
        v = _reduce(s, _hkdf(s, d + rand, bound, s.nonce_tag + bytes([i]), 48))
        if v == _ZERO:
            continue
        _multiply(s, commitment, v, None)
        e = s.hash(tag + _encode(s, commitment) + covered)
        response = _muladd(s, e, d, v, subtract=True)
        if response != _ZERO:
            return e + response
    raise ValueError("no nonce found")


def sign_pair(suite: int, d: Buffer, Q: Buffer, label: Buffer, ctx: Buffer, msg: Buffer, pair: Any) -> bytes:
    """As sign, with a precomputed pair v || pt(v*G) (65 bytes, writable), which is zeroed; ValueError for one that was used."""
    s = _suite(suite)
    public = _sized(Q, 33, "Q")
    tag, covered = _bound(s, public, _bytes(label, "label"), _bytes(ctx, "ctx"), _bytes(msg, "msg"))
    d, held = _sized(d, 32, "d"), _writable(pair, 65, "pair")
    v, commitment = bytes(held[:32]), bytes(held[32:])
    held[:] = bytes(65)  # before there is a signature: never two with one nonce
    d, v = _scalar(s, d, "d"), _scalar(s, v, "pair")
    e = s.hash(tag + commitment + covered)
    response = _muladd(s, e, d, v, subtract=True)
    if response == _ZERO:
        raise ValueError("pair: does not do for this message")
    return e + response


def verify(
    suite: int,
    Q: Buffer,
    label: Buffer,
    ctx: Buffer,
    msg: Buffer,
    sig: Buffer,
) -> bool:
    """Whether sig (64 bytes) is Q's over label, ctx and msg. ValueError if Q is no point or a length is wrong."""
    s = _suite(suite)
    Q = _sized(Q, 33, "Q")
    point = _decode(s.number, Q)
    sig = _sized(sig, 64, "sig")
    tag, covered = _bound(s, Q, _bytes(label, "label"), _bytes(ctx, "ctx"), _bytes(msg, "msg"))
    e, response = sig[:32], sig[32:]
    if response == _ZERO or response >= s.q_bytes:
        return False
    scaled = e if e < s.q_bytes else (int.from_bytes(e, "big") - s.q_int).to_bytes(32, "big")
    r_number, e_number = scratch.public
    lib.BN_bin2bn(response, 32, r_number)
    lib.BN_bin2bn(scaled, 32, e_number)
    commitment = s.point()
    _ok(lib.EC_POINT_mul(s.group, commitment, r_number, point, e_number, scratch.ctx))
    try:
        encoded = _encode(s, commitment)
    except ValueError:
        return False
    return s.hash(tag + encoded + covered) == e


# Implicit certificates (section 4)


def _hn(s: _Suite, cert: Buffer) -> bytes:
    """Hn(cert): the hash as an integer, shifted right by one bit (SEC 4 section 2.3)."""
    return (int.from_bytes(s.hash(_bytes(cert, "cert")), "big") >> 1).to_bytes(32, "big")


def ecqv_issue(suite: int, cert: Buffer, k: Buffer, d_ca: Buffer) -> bytes:
    """a = e*k + d_ca mod q, 32 bytes; ValueError if that is 0: the authority then draws another k."""
    s = _suite(suite)
    a = _muladd(s, _hn(s, cert), _scalar(s, k, "k"), _scalar(s, d_ca, "d_ca"))
    if a == _ZERO:
        raise ValueError("a is zero")
    return a


def _rebuilt(s: _Suite, cert: Buffer, C: Buffer, q_ca: Buffer) -> bytes:
    result = s.point()
    _times_public(s, result, _hn(s, cert), _point(s, C, "C"), _point(s, q_ca, "q_ca"))
    return _encode(s, result)


def ecqv_public(suite: int, cert: Buffer, C: Buffer, q_ca: Buffer) -> bytes:
    """Q = e*C + q_ca, the public key that the certificate implies."""
    return _rebuilt(_suite(suite), cert, C, q_ca)


def ecqv_accept(
    suite: int,
    cert: Buffer,
    C: Buffer,
    q_ca: Buffer,
    r: Buffer,
    a: Buffer,
) -> tuple[bytes, bytes]:
    """(d, Q) with d = e*r + a; ValueError unless d is not 0 and d*G == e*C + q_ca."""
    s = _suite(suite)
    d = _muladd(s, _hn(s, cert), _scalar(s, r, "r"), _scalar(s, a, "a"))
    public = _rebuilt(s, cert, C, q_ca)
    if d == _ZERO:
        raise ValueError("private key is zero")
    own = s.point()
    _multiply(s, own, d, None)
    if _encode(s, own) != public:
        raise ValueError("private key does not match the certificate")
    return d, public


# Memory


def equal(a: Buffer, b: Buffer) -> bool:
    """Compares in time that depends on the lengths alone; False when they differ."""
    return _hmac.compare_digest(_bytes(a, "a"), _bytes(b, "b"))


def wipe(buffer: Any) -> None:
    """Zeroes a writable buffer."""
    try:
        size = memoryview(buffer).nbytes
    except TypeError:
        raise TypeError(f"buffer: writable buffer required, not {type(buffer).__name__}") from None
    target = _writable(buffer, size, "buffer")
    target[:] = bytes(len(target))
