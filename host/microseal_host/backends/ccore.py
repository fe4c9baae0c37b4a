"""The crypto core in C (firmware/native/core) as a shared library: see microseal.crypto for the interface.

Arguments are bytes-like and are not copied, results new bytes. A point is 33 bytes (SEC 1, compressed), a scalar 32
bytes, big-endian. Wrong types raise TypeError; wrong lengths, values out of range and points at infinity raise
ValueError. Safe to use from several threads: the core keeps no state.

The library is build/native/libmicroseal_core.so of the checkout, or what MICROSEAL_CORE_LIBRARY names.
"""

import os
from pathlib import Path
from typing import Any

import cffi

Buffer = bytes | bytearray | memoryview

_CHECKOUT = Path(__file__).resolve().parents[3]

_ffi = cffi.FFI()
# microseal_core.h, without its comments.
_ffi.cdef("""
    typedef struct { uint64_t length; uint32_t state[8]; uint8_t block[64]; uint8_t suite; } ms_hash;
    typedef struct { ms_hash inner, outer; } ms_hmac;
    typedef struct { uint32_t round_keys[32]; uint32_t chain[4]; uint8_t used; } ms_cmac;
    const char *ms_error_text(int error);
    int ms_has_suite(uint8_t suite);
    int ms_hash_init(ms_hash *ctx, uint8_t suite);
    int ms_hash_update(ms_hash *ctx, const void *data, size_t length);
    int ms_hash_final(ms_hash *ctx, uint8_t *out);
    int ms_hmac_init(ms_hmac *ctx, uint8_t suite, const void *key, size_t key_length);
    int ms_hmac_update(ms_hmac *ctx, const void *data, size_t length);
    int ms_hmac_final(ms_hmac *ctx, uint8_t *out);
    int ms_hkdf(uint8_t suite, const void *ikm, size_t ikm_length, const void *salt, size_t salt_length,
                const void *info, size_t info_length, uint8_t *out, size_t n);
    int ms_gcm_seal(const uint8_t *key, const uint8_t *nonce, const void *aad, size_t aad_length,
                    const uint8_t *data, size_t length, uint8_t *out);
    int ms_gcm_open(const uint8_t *key, const uint8_t *nonce, const void *aad, size_t aad_length,
                    const uint8_t *data, size_t length, uint8_t *out);
    void ms_cmac_init(ms_cmac *ctx, const uint8_t *key);
    void ms_cmac_update(ms_cmac *ctx, const void *data, size_t length);
    void ms_cmac_final(ms_cmac *ctx, uint8_t *out);
    int ms_is_scalar(uint8_t suite, const uint8_t *x);
    int ms_is_point(uint8_t suite, const uint8_t *point);
    int ms_scalar_reduce(uint8_t suite, const uint8_t *wide, size_t length, uint8_t *out);
    int ms_scalar_mul_add(uint8_t suite, const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *out);
    int ms_base_mul(uint8_t suite, const uint8_t *k, uint8_t *out);
    int ms_mul_add(uint8_t suite, const uint8_t *k, const uint8_t *P, const uint8_t *A, uint8_t *out);
    int ms_ecdh(uint8_t suite, const uint8_t *k, const uint8_t *P, uint8_t *out);
    int ms_sign(uint8_t suite, const uint8_t *d, const uint8_t *Q, const void *label, size_t label_length,
                const void *context, size_t context_length, const void *message, size_t length,
                const uint8_t *random, uint8_t *sig);
    int ms_sign_pair(uint8_t suite, const uint8_t *d, const uint8_t *Q, const void *label, size_t label_length,
                     const void *context, size_t context_length, const void *message, size_t length,
                     uint8_t *pair, uint8_t *sig);
    int ms_verify(uint8_t suite, const uint8_t *Q, const void *label, size_t label_length, const void *context,
                  size_t context_length, const void *message, size_t length, const uint8_t *sig);
    int ms_ecqv_issue(uint8_t suite, const void *cert, size_t length, const uint8_t *k, const uint8_t *d_ca,
                      uint8_t *a);
    int ms_ecqv_public(uint8_t suite, const void *cert, size_t length, const uint8_t *C, const uint8_t *q_ca,
                       uint8_t *Q);
    int ms_ecqv_accept(uint8_t suite, const void *cert, size_t length, const uint8_t *C, const uint8_t *q_ca,
                       const uint8_t *r, const uint8_t *a, uint8_t *d, uint8_t *Q);
    int ms_equal(const void *a, const void *b, size_t length);
    void ms_wipe(void *buffer, size_t length);
""")

_ERR_SIGNATURE = -8
_ERR_TAG = -9


def _load() -> Any:
    path = Path(os.environ.get("MICROSEAL_CORE_LIBRARY") or _CHECKOUT / "build/native/libmicroseal_core.so")
    if not path.is_file():
        raise ImportError(f"{path} is missing; build it with: make -C {_CHECKOUT / 'firmware/native'} host")
    return _ffi.dlopen(str(path))


_lib = _load()

SUITES = tuple(suite for suite in (1, 2) if _lib.ms_has_suite(suite))


def _suite(suite: int) -> int:
    if not isinstance(suite, int):
        raise TypeError(f"suite: int required, not {type(suite).__name__}")
    if suite not in SUITES:
        raise ValueError(f"unknown suite {suite}")
    return suite


def _view(data: Any, what: str, writable: bool = False) -> Any:
    """The bytes of data, in place; len() of it counts them."""
    try:
        return _ffi.from_buffer("uint8_t[]", data, require_writable=writable)
    except (TypeError, BufferError):
        kind = "writable buffer" if writable else "bytes-like object"
        raise TypeError(f"{what}: contiguous {kind} required, not {type(data).__name__}") from None


def _sized(data: Any, length: int, what: str, writable: bool = False) -> Any:
    view = _view(data, what, writable)
    if len(view) != length:
        raise ValueError(f"{what}: {length} bytes expected, got {len(view)}")
    return view


def _scalar(x: Any, what: str) -> Any:
    return _sized(x, 32, what)


def _point(point: Any, what: str) -> Any:
    return _sized(point, 33, what)


def _parts(parts: tuple[Any, ...]) -> list[Any]:
    """All of them, before the first is hashed: a wrong type then leaves nothing of the others in a context."""
    return [_view(part, "part") for part in parts]


def _check(error: int) -> None:
    if error:
        raise ValueError(_ffi.string(_lib.ms_error_text(error)).decode())


def _new(length: int) -> Any:
    return _ffi.new("uint8_t[]", length)


def _take(out: Any) -> bytes:
    """The bytes of out, which is wiped: many results are secrets."""
    result = bytes(_ffi.buffer(out))
    _lib.ms_wipe(out, len(out))
    return result


# Hashes, HMAC, HKDF


def hash(suite: int, *parts: Buffer) -> bytes:
    """H over the joined parts, 32 bytes."""
    ctx, views = _ffi.new("ms_hash *"), _parts(parts)
    _check(_lib.ms_hash_init(ctx, _suite(suite)))
    for view in views:
        _check(_lib.ms_hash_update(ctx, view, len(view)))
    out = _new(32)
    _check(_lib.ms_hash_final(ctx, out))
    return _take(out)


def hash_new(suite: int) -> bytearray:
    """A running H, to be given to hash_update and hash_digest."""
    ctx = _ffi.new("ms_hash *")
    _check(_lib.ms_hash_init(ctx, _suite(suite)))
    return bytearray(_ffi.buffer(ctx))


def _open_state(state: Any) -> tuple[Any, Any]:
    """The state's bytes, and a copy to work on: a memoryview may start at any address, and data may be the state."""
    view, ctx = _sized(state, _ffi.sizeof("ms_hash"), "state", writable=True), _ffi.new("ms_hash *")
    _ffi.memmove(ctx, view, len(view))
    return view, ctx


def hash_update(state: bytearray, data: Buffer) -> None:
    """Takes data of any length into the state. ValueError if the state was ended."""
    source = _view(data, "data")
    view, ctx = _open_state(state)
    if _lib.ms_hash_update(ctx, source, len(source)):
        raise ValueError("state: ended or not from hash_new")
    _ffi.memmove(view, ctx, len(view))
    _lib.ms_wipe(ctx, len(view))


def hash_digest(state: bytearray) -> bytes:
    """The 32 bytes of H; ends the state, further use of which is a ValueError."""
    out = _new(32)
    view, ctx = _open_state(state)
    if _lib.ms_hash_final(ctx, out):
        raise ValueError("state: ended or not from hash_new")
    _lib.ms_wipe(view, len(view))
    return _take(out)


def hmac(suite: int, key: Buffer, *parts: Buffer) -> bytes:
    """HMAC with H (RFC 2104), 32 bytes, over the joined parts."""
    ctx, key_view, views = _ffi.new("ms_hmac *"), _view(key, "key"), _parts(parts)
    _check(_lib.ms_hmac_init(ctx, _suite(suite), key_view, len(key_view)))
    for view in views:
        _check(_lib.ms_hmac_update(ctx, view, len(view)))
    out = _new(32)
    _check(_lib.ms_hmac_final(ctx, out))
    return _take(out)


def hkdf(suite: int, ikm: Buffer, salt: Buffer, info: Buffer, n: int) -> bytes:
    """RFC 5869, 1 <= n <= 8160 bytes; an empty salt is 32 zero bytes."""
    if not isinstance(n, int):
        raise TypeError("n: int required")
    if not 1 <= n <= 255 * 32:
        raise ValueError(f"n: 1 to 8160 expected, got {n}")
    a, b, c = _view(ikm, "ikm"), _view(salt, "salt"), _view(info, "info")
    out = _new(n)
    _check(_lib.ms_hkdf(_suite(suite), a, len(a), b, len(b), c, len(c), out, n))
    return _take(out)


# SM4


def _not_across(out: Any, data: Any) -> Any:
    """out, if it is apart from data or starts where data does."""
    first, second = (int(_ffi.cast("uintptr_t", view)) for view in (data, out))
    if first != second and second < first + len(data) and first < second + len(out):
        raise ValueError("out: overlaps data, but does not start with it")
    return out


def gcm_seal(key: Buffer, nonce: Buffer, aad: Buffer, data: Buffer, out: Any) -> None:
    """SM4-GCM (RFC 8998): ciphertext || tag into out, len(data) + 16 bytes; out may start where data does."""
    k, n, a, d = _sized(key, 16, "key"), _sized(nonce, 12, "nonce"), _view(aad, "aad"), _view(data, "data")
    target = _not_across(_sized(out, len(d) + 16, "out", writable=True), d)
    _check(_lib.ms_gcm_seal(k, n, a, len(a), d, len(d), target))


def gcm_open(key: Buffer, nonce: Buffer, aad: Buffer, data: Buffer, out: Any) -> bool:
    """Opens ciphertext || tag into out, len(data) - 16 bytes. False, and out as it was, if the tag is wrong."""
    k, n, a, d = _sized(key, 16, "key"), _sized(nonce, 12, "nonce"), _view(aad, "aad"), _view(data, "data")
    if len(d) < 16:
        raise ValueError(f"data: at least 16 bytes expected, got {len(d)}")
    target = _not_across(_sized(out, len(d) - 16, "out", writable=True), d)
    error = _lib.ms_gcm_open(k, n, a, len(a), d, len(d), target)
    if error == _ERR_TAG:
        return False
    _check(error)
    return True


def cmac(key: Buffer, *parts: Buffer) -> bytes:
    """SM4-CMAC (SP 800-38B) over the joined parts, 16 bytes."""
    ctx, views = _ffi.new("ms_cmac *"), _parts(parts)
    _lib.ms_cmac_init(ctx, _sized(key, 16, "key"))
    for view in views:
        _lib.ms_cmac_update(ctx, view, len(view))
    out = _new(16)
    _lib.ms_cmac_final(ctx, out)
    return _take(out)


# Points and scalars


def base_mul(suite: int, k: Buffer) -> bytes:
    """k*G for 0 < k < q, in constant time."""
    out = _new(33)
    _check(_lib.ms_base_mul(_suite(suite), _scalar(k, "k"), out))
    return _take(out)


def mul_add(suite: int, k: Buffer, P: Buffer | None, A: Buffer) -> bytes:
    """k*P + A for 0 < k < q, constant time in k; P None is G. ValueError if the sum is infinity."""
    out = _new(33)
    base = _ffi.NULL if P is None else _point(P, "P")
    _check(_lib.ms_mul_add(_suite(suite), _scalar(k, "k"), base, _point(A, "A"), out))
    return _take(out)


def ecdh(suite: int, k: Buffer, P: Buffer) -> bytes:
    """X(k*P), 32 bytes, for 0 < k < q."""
    out = _new(32)
    _check(_lib.ms_ecdh(_suite(suite), _scalar(k, "k"), _point(P, "P"), out))
    return _take(out)


def is_point(suite: int, P: Buffer) -> bool:
    """Whether P encodes a point of the curve; False for a wrong length."""
    view = _view(P, "P")
    return bool(_lib.ms_is_point(_suite(suite), view)) if len(view) == 33 else _suite(suite) == 0


def is_scalar(suite: int, x: Buffer) -> bool:
    """Whether x is 32 bytes with 0 < x < q."""
    view = _view(x, "x")
    return bool(_lib.ms_is_scalar(_suite(suite), view)) if len(view) == 32 else _suite(suite) == 0


def scalar_reduce(suite: int, wide: Buffer) -> bytes:
    """A big-endian integer of 1 to 64 bytes mod q."""
    view, out = _view(wide, "wide"), _new(32)
    if not 1 <= len(view) <= 64:
        raise ValueError(f"wide: 1 to 64 bytes expected, got {len(view)}")
    _check(_lib.ms_scalar_reduce(_suite(suite), view, len(view), out))
    return _take(out)


def scalar_mul_add(suite: int, a: Buffer, b: Buffer, c: Buffer) -> bytes:
    """a*b + c mod q, for any 32-byte integers; may be 0."""
    out = _new(32)
    _check(_lib.ms_scalar_mul_add(_suite(suite), _scalar(a, "a"), _scalar(b, "b"), _scalar(c, "c"), out))
    return _take(out)


# Signatures (section 3)


def sign(suite: int, d: Buffer, Q: Buffer, label: Buffer, ctx: Buffer, msg: Buffer, rand: Buffer) -> bytes:
    """e || sc(s), 64 bytes: Schnorr by d, whose public key is Q, with the hedged nonce of section 3; rand 32 bytes."""
    tag, context, message = _view(label, "label"), _view(ctx, "ctx"), _view(msg, "msg")
    key, public, random, out = _scalar(d, "d"), _point(Q, "Q"), _sized(rand, 32, "rand"), _new(64)
    if len(context) > 65535:
        raise ValueError(f"ctx: at most 65535 bytes, got {len(context)}")
    _check(
        _lib.ms_sign(
            _suite(suite), key, public, tag, len(tag), context, len(context), message, len(message), random, out
        )
    )
    return _take(out)


def sign_pair(suite: int, d: Buffer, Q: Buffer, label: Buffer, ctx: Buffer, msg: Buffer, pair: Any) -> bytes:
    """As sign, with a precomputed pair v || pt(v*G) (65 bytes, writable), which is zeroed; ValueError for one that was used."""
    tag, context, message = _view(label, "label"), _view(ctx, "ctx"), _view(msg, "msg")
    key, public, nonce, out = _scalar(d, "d"), _point(Q, "Q"), _view(pair, "pair", writable=True), _new(64)
    if len(nonce) != 65:
        raise ValueError(f"pair: 65 bytes expected, got {len(nonce)}")
    if len(context) > 65535:
        raise ValueError(f"ctx: at most 65535 bytes, got {len(context)}")
    _check(
        _lib.ms_sign_pair(
            _suite(suite), key, public, tag, len(tag), context, len(context), message, len(message), nonce, out
        )
    )
    return _take(out)


def verify(suite: int, Q: Buffer, label: Buffer, ctx: Buffer, msg: Buffer, sig: Buffer) -> bool:
    """Whether sig (64 bytes) is Q's over label, ctx and msg. ValueError if Q is no point or a length is wrong."""
    tag, context, message = _view(label, "label"), _view(ctx, "ctx"), _view(msg, "msg")
    public, signature = _point(Q, "Q"), _sized(sig, 64, "sig")
    if len(context) > 65535:
        raise ValueError(f"ctx: at most 65535 bytes, got {len(context)}")
    error = _lib.ms_verify(
        _suite(suite), public, tag, len(tag), context, len(context), message, len(message), signature
    )
    if error == _ERR_SIGNATURE:
        return False
    _check(error)
    return True


# Implicit certificates (section 4)


def ecqv_issue(suite: int, cert: Buffer, k: Buffer, d_ca: Buffer) -> bytes:
    """a = e*k + d_ca mod q, 32 bytes; ValueError if that is 0: the authority then draws another k."""
    view, out = _view(cert, "cert"), _new(32)
    _check(_lib.ms_ecqv_issue(_suite(suite), view, len(view), _scalar(k, "k"), _scalar(d_ca, "d_ca"), out))
    return _take(out)


def ecqv_public(suite: int, cert: Buffer, C: Buffer, q_ca: Buffer) -> bytes:
    """Q = e*C + q_ca, the public key that the certificate implies."""
    view, out = _view(cert, "cert"), _new(33)
    _check(_lib.ms_ecqv_public(_suite(suite), view, len(view), _point(C, "C"), _point(q_ca, "q_ca"), out))
    return _take(out)


def ecqv_accept(suite: int, cert: Buffer, C: Buffer, q_ca: Buffer, r: Buffer, a: Buffer) -> tuple[bytes, bytes]:
    """(d, Q) with d = e*r + a; ValueError unless d is not 0 and d*G == e*C + q_ca."""
    view, d, Q = _view(cert, "cert"), _new(32), _new(33)
    points = _point(C, "C"), _point(q_ca, "q_ca")
    _check(_lib.ms_ecqv_accept(_suite(suite), view, len(view), *points, _scalar(r, "r"), _scalar(a, "a"), d, Q))
    return _take(d), _take(Q)


# Memory


def equal(a: Buffer, b: Buffer) -> bool:
    """Whether a and b are the same bytes; constant time in the contents. False when the lengths differ."""
    x, y = _view(a, "a"), _view(b, "b")
    return len(x) == len(y) and bool(_lib.ms_equal(x, y, len(x)))


def wipe(buffer: Any) -> None:
    """Zeroes a writable buffer."""
    view = _view(buffer, "buffer", writable=True)
    _lib.ms_wipe(view, len(view))
