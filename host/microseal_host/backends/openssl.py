"""What the libcrypto backend calls in the system's libcrypto, through cffi's ABI mode: nothing to compile.

Only declarations, the loaded library, and the objects that belong to one thread. cffi releases the interpreter lock
around every call, so scratch numbers and points must never be shared between threads; decoded public points are only
read, and may be.
"""

import threading
from ctypes.util import find_library
from typing import Any

import cffi

ffi = cffi.FFI()
ffi.cdef(
    """
    typedef struct bignum_st BIGNUM;
    typedef struct bignum_ctx BN_CTX;
    typedef struct ec_group_st EC_GROUP;
    typedef struct ec_point_st EC_POINT;

    BN_CTX *BN_CTX_new(void);
    void BN_CTX_free(BN_CTX *);
    BIGNUM *BN_new(void);
    void BN_clear_free(BIGNUM *);
    void BN_clear(BIGNUM *);
    void BN_set_flags(BIGNUM *, int);
    BIGNUM *BN_bin2bn(const unsigned char *, int, BIGNUM *);
    int BN_bn2binpad(const BIGNUM *, unsigned char *, int);
    int BN_sub(BIGNUM *, const BIGNUM *, const BIGNUM *);
    int BN_div(BIGNUM *, BIGNUM *, const BIGNUM *, const BIGNUM *, BN_CTX *);
    int BN_mod_mul(BIGNUM *, const BIGNUM *, const BIGNUM *, const BIGNUM *, BN_CTX *);
    int BN_mod_add(BIGNUM *, const BIGNUM *, const BIGNUM *, const BIGNUM *, BN_CTX *);

    EC_GROUP *EC_GROUP_new_by_curve_name(int);
    const BIGNUM *EC_GROUP_get0_order(const EC_GROUP *);
    EC_POINT *EC_POINT_new(const EC_GROUP *);
    void EC_POINT_clear_free(EC_POINT *);
    int EC_POINT_oct2point(const EC_GROUP *, EC_POINT *, const unsigned char *, size_t, BN_CTX *);
    size_t EC_POINT_point2oct(const EC_GROUP *, const EC_POINT *, int, unsigned char *, size_t, BN_CTX *);
    int EC_POINT_mul(const EC_GROUP *, EC_POINT *, const BIGNUM *, const EC_POINT *, const BIGNUM *, BN_CTX *);
    int EC_POINT_add(const EC_GROUP *, EC_POINT *, const EC_POINT *, const EC_POINT *, BN_CTX *);

    void ERR_clear_error(void);
    void OPENSSL_cleanse(void *, size_t);
    """
)

BN_FLG_CONSTTIME = 4
POINT_CONVERSION_COMPRESSED = 2


def _load() -> Any:
    # The version with the ABI declared above first; find_library starts a compiler or ldconfig, so it comes last.
    for name in ("libcrypto.so.3", "libcrypto.3.dylib", find_library("crypto")):
        try:
            return ffi.dlopen(name) if name else None
        except OSError:
            continue
    return None


lib = _load()
if lib is None:
    raise ImportError("no libcrypto found: install OpenSSL 3 (Debian: apt-get install libssl3)")


class Scratch(threading.local):
    """Numbers, a BN_CTX and a byte buffer of the calling thread.

    `secret` numbers carry BN_FLG_CONSTTIME, so that libcrypto takes its constant-time paths; whoever puts a secret into
    one of them clears it before returning. `public` numbers are left as they are.
    """

    def __init__(self) -> None:
        def number() -> Any:
            return ffi.gc(lib.BN_new(), lib.BN_clear_free)

        self.ctx = ffi.gc(lib.BN_CTX_new(), lib.BN_CTX_free)
        self.secret = tuple(number() for _ in range(4))
        for n in self.secret:
            lib.BN_set_flags(n, BN_FLG_CONSTTIME)
        self.public = (number(), number())
        self.buffer = ffi.new("unsigned char[64]")


scratch = Scratch()
