#!/usr/bin/env python3
"""What the host's library does in a second of one core's time: messages verified, certificates issued, in CPython on libcrypto.

A message goes the whole way through a member: policy, time, roster, replay window, signature. A certificate is issued for a request
that is parsed and whose claim is checked first. Beside them, in the same run: the bare multiplications in libcrypto that they cannot do
without, the signature check of pure-Python `ecdsa`, and the same multiplication in libcrypto and in the project's own core, which
`make -C firmware/native host` builds. Example:

    .venv/bin/python scripts/bench_host.py --seconds 2

Exits with 1 if a message or a certificate takes longer than --least allows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from types import ModuleType

import ecdsa
from rich.console import Console
from rich.table import Table

from microseal import crypto
from microseal.entropy import Entropy
from microseal.identity import Anchor, Request, claim_request, make_request
from microseal_host import issuing
from microseal_host.attacks.world import World
from microseal_host.backends import ccore, libcrypto
from microseal_host.backends.openssl import ffi, lib

SUITE = 1
SENDERS = 8
MESSAGE = b"21.5 C, 47 %, 1013 hPa, ok"
MESSAGES, CERTIFICATES = "mode-1 messages verified by a member", "certificates issued, with claim"


def rate(call: Callable[[], object], seconds: float) -> float:
    """Calls a second of CPU time, over the time given."""
    calls, start = 0, time.process_time()
    end = start + seconds
    while (now := time.process_time()) < end:
        for _ in range(20):
            call()
        calls += 20
    return calls / (now - start)


def drained(jobs: list[Callable[[], object]]) -> float:
    """Jobs a second of CPU time; each is done once."""
    start = time.process_time()
    for job in jobs:
        job()
    return len(jobs) / (time.process_time() - start)


def messages(seconds: float) -> float:
    """New messages of several senders, opened in the order in which they were sealed."""
    with World(SUITE) as world:
        senders = [world.enrol(f"pump-{i}") for i in range(SENDERS)]
        desk = world.enrol("desk")
        world.form("plant", senders, [desk], mode=1, topics=["plant/#"])
        world.settle()
        topics = [f"plant/{i}/level".encode() for i in range(SENDERS)]
        for sender, topic in zip(senders, topics, strict=True):
            # The first one has the receiver fetch the sender's certificate.
            sender.publish(topic.decode(), MESSAGE)
            world.settle()
        count = int(seconds * 8000)
        sealed = [
            (topics[i % SENDERS], bytes(senders[i % SENDERS].member.seal(topics[i % SENDERS], MESSAGE)))
            for i in range(count)
        ]
        opened = desk.member.open

        def job(topic: bytes, raw: bytes) -> Callable[[], object]:
            return lambda: opened(topic, raw).payload

        return drained([job(topic, raw) for topic, raw in sealed])


def certificates(seconds: float) -> float:
    core, entropy = crypto.core, Entropy(SUITE, os.urandom(32), 1)
    d_ca = entropy.scalar()
    anchor = Anchor(SUITE, core.base_mul(SUITE, d_ca))

    def job(raw: bytes, claim: bytes) -> Callable[[], object]:
        def issue() -> tuple[bytes, bytes]:
            request = Request(raw)
            issuing.check_claim(request, claim)
            return issuing.issue(anchor, d_ca, request, entropy.scalar(), 0, 2**31)

        return issue

    jobs = []
    for i in range(int(seconds * 8000)):
        request = make_request(SUITE, b"pump-%d" % i, entropy.scalar(), entropy.scalar())
        claim = entropy.fresh(32)
        jobs.append(job(claim_request(SUITE, request, claim), claim))
    return drained(jobs)


def signatures(seconds: float) -> float:
    """The core's own check of a signature, without a protocol around it."""
    entropy = Entropy(SUITE, os.urandom(32), 1)
    d = entropy.scalar()
    public = libcrypto.base_mul(SUITE, d)
    sig = libcrypto.sign(SUITE, d, public, b"m1", b"context", MESSAGE, entropy.fresh(32))
    return rate(lambda: libcrypto.verify(SUITE, public, b"m1", b"context", MESSAGE, sig), seconds)


def primitive(seconds: float, double: bool) -> float:
    """Nothing but EC_POINT_mul: G*a + P*b, or G*k."""
    group = lib.EC_GROUP_new_by_curve_name(415)
    ctx, point, result = lib.BN_CTX_new(), lib.EC_POINT_new(group), lib.EC_POINT_new(group)
    a, b = (lib.BN_bin2bn(os.urandom(31), 31, ffi.NULL) for _ in range(2))
    lib.EC_POINT_mul(group, point, a, ffi.NULL, ffi.NULL, ctx)
    if double:
        return rate(lambda: lib.EC_POINT_mul(group, result, a, point, b, ctx), seconds)
    return rate(lambda: lib.EC_POINT_mul(group, result, a, ffi.NULL, ffi.NULL, ctx), seconds)


def shared_secrets(seconds: float, backend: ModuleType) -> float:
    """X(k*P) with P compressed, as the backend has it."""
    k, public = b"\x01" + os.urandom(31), libcrypto.base_mul(SUITE, b"\x01" + os.urandom(31))
    if backend.ecdh(SUITE, k, public) != libcrypto.ecdh(SUITE, k, public):
        raise ValueError(f"{backend.__name__} is wrong")
    return rate(lambda: backend.ecdh(SUITE, k, public), seconds)


def pure_python(seconds: float) -> float:
    key = ecdsa.SigningKey.generate(curve=ecdsa.NIST256p)
    sig, public = key.sign(MESSAGE, hashfunc=hashlib.sha256), key.get_verifying_key()
    return rate(lambda: public.verify(sig, MESSAGE, hashfunc=hashlib.sha256), seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=2, help="how long each row takes, about (default: 2)")
    parser.add_argument(
        "--least", type=int, default=5000, help="messages and certificates a second to reach (default: 5000)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    crypto.use(libcrypto)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    measured = {
        MESSAGES: messages(args.seconds),
        "signatures verified by the core": signatures(args.seconds),
        "libcrypto's G*a + P*b alone": primitive(args.seconds, True),
        "pure-Python ecdsa: signatures verified": pure_python(args.seconds),
        CERTIFICATES: certificates(args.seconds),
        "libcrypto's G*k alone": primitive(args.seconds, False),
        "X(k*P), libcrypto": shared_secrets(args.seconds, libcrypto),
        "X(k*P), the core in C with 64-bit limbs": shared_secrets(args.seconds, ccore),
    }
    if args.json:
        print(json.dumps({name: round(value) for name, value in measured.items()}))
    else:
        table = Table("P-256, one core", "a second", box=None, pad_edge=False)
        table.columns[1].justify = "right"
        for name, value in measured.items():
            table.add_row(name, f"{value:,.0f}")
        Console().print(table)
    slow = [name for name in (MESSAGES, CERTIFICATES) if measured[name] < args.least]
    for name in slow:
        print(f"below {args.least} a second: {name}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
