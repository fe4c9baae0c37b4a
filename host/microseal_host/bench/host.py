"""What the host's library does in a second: messages opened, certificates issued, and beside them what they cannot do without.

Rows count the processor time of one core, those of several processes the wall's clock. A certificate is issued for a request that is
parsed and whose claim is checked first.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from types import ModuleType

from microseal import crypto
from microseal.entropy import Entropy
from microseal.identity import Anchor, Request, claim_request, make_request
from microseal_host import issuing

from ..backends import ccore, libcrypto
from ..backends.openssl import ffi, lib
from ..failure import NOT_READY, Failure
from . import opening
from .opening import MESSAGE, SUITE
from .rows import RATE, Row

WHERE = "host, P-256"
# A second that was aimed for.
GOALS = {"opened": 5000, "issued": 5000, "X(k*P)": 8000}


def rate(call: Callable[[], object], seconds: float) -> float:
    """Calls a second of CPU time, over the time given."""
    calls, start = 0, time.process_time()
    end = start + seconds
    while (now := time.process_time()) < end:
        for _ in range(20):
            call()
        calls += 20
    return calls / (now - start)


def measure(seconds: float, workers: int) -> Iterator[Row]:
    """seconds: for each row, about; workers: processes that open messages at once."""
    crypto.use(libcrypto)
    for mode in opening.MODES:
        count = max(64, int(seconds * (8000 if mode < 3 else 2000)))
        name = f"messages opened, mode {mode}"
        goal = GOALS["opened"] if mode == 1 else None
        spent = opening.profile(mode, min(count, 1000))
        yield Row(WHERE, name, opening.measure(mode, 1, count).per_cpu_second, RATE, goal=goal, spent=spent)
        if workers > 1:
            yield Row(WHERE, f"{name}, {workers} processes", opening.measure(mode, workers, count).per_second, RATE)
    yield Row(WHERE, "signatures verified by the core in use (libcrypto)", _signatures(seconds), RATE)
    yield Row(WHERE, "libcrypto's G*a + P*b alone", _primitive(seconds, True), RATE)
    yield Row(WHERE, "signatures verified by pure-Python ecdsa", _pure_python(seconds), RATE)
    yield Row(WHERE, "certificates issued, with claim", _certificates(seconds), RATE, goal=GOALS["issued"])
    yield Row(WHERE, "libcrypto's G*k alone", _primitive(seconds, False), RATE)
    yield Row(WHERE, "X(k*P), libcrypto", _shared_secrets(seconds, libcrypto), RATE)
    core = _shared_secrets(seconds, ccore)
    yield Row(WHERE, "X(k*P), the core in C with 64-bit limbs", core, RATE, goal=GOALS["X(k*P)"])


def _certificates(seconds: float) -> float:
    core, entropy = crypto.core, Entropy(SUITE, os.urandom(32), 1)
    d_ca = entropy.scalar()
    anchor = Anchor(SUITE, core.base_mul(SUITE, d_ca))
    jobs = []
    for i in range(max(20, int(seconds * 8000))):
        request = make_request(SUITE, b"pump-%d" % i, entropy.scalar(), entropy.scalar())
        claim = entropy.fresh(32)
        jobs.append((claim_request(SUITE, request, claim), claim))
    start = time.process_time()
    for raw, claim in jobs:
        request = Request(raw)
        issuing.check_claim(request, claim)
        issuing.issue(anchor, d_ca, request, entropy.scalar(), 0, 2**31)
    return len(jobs) / (time.process_time() - start)


def _signatures(seconds: float) -> float:
    entropy = Entropy(SUITE, os.urandom(32), 1)
    d = entropy.scalar()
    public = libcrypto.base_mul(SUITE, d)
    sig = libcrypto.sign(SUITE, d, public, b"m1", b"context", MESSAGE, entropy.fresh(32))
    return rate(lambda: libcrypto.verify(SUITE, public, b"m1", b"context", MESSAGE, sig), seconds)


def _primitive(seconds: float, double: bool) -> float:
    """Nothing but EC_POINT_mul: G*a + P*b, or G*k."""
    group = lib.EC_GROUP_new_by_curve_name(415)
    ctx, point, result = lib.BN_CTX_new(), lib.EC_POINT_new(group), lib.EC_POINT_new(group)
    a, b = (lib.BN_bin2bn(os.urandom(31), 31, ffi.NULL) for _ in range(2))
    lib.EC_POINT_mul(group, point, a, ffi.NULL, ffi.NULL, ctx)
    if double:
        return rate(lambda: lib.EC_POINT_mul(group, result, a, point, b, ctx), seconds)
    return rate(lambda: lib.EC_POINT_mul(group, result, a, ffi.NULL, ffi.NULL, ctx), seconds)


def _shared_secrets(seconds: float, backend: ModuleType) -> float:
    """X(k*P) with P compressed, as the backend has it."""
    k, public = b"\x01" + os.urandom(31), libcrypto.base_mul(SUITE, b"\x01" + os.urandom(31))
    if backend.ecdh(SUITE, k, public) != libcrypto.ecdh(SUITE, k, public):
        raise Failure(f"{backend.__name__} is wrong")
    return rate(lambda: backend.ecdh(SUITE, k, public), seconds)


def _pure_python(seconds: float) -> float:
    try:
        import ecdsa
    except ImportError:
        raise Failure("ecdsa, to compare with, is not installed", "run scripts/setup.sh --test", NOT_READY) from None
    key = ecdsa.SigningKey.generate(curve=ecdsa.NIST256p)
    sig, public = key.sign(MESSAGE, hashfunc=hashlib.sha256), key.get_verifying_key()
    return rate(lambda: public.verify(sig, MESSAGE, hashfunc=hashlib.sha256), seconds)
