"""Cycles of the native core on a Cortex-M0+, counted in the ELF files that `make -C firmware/native m0` writes.

Inputs are the same in every run, so that the counts are too. Results are compared with those of the host's library: what is counted is
right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..backends import libcrypto
from .machine import Counts, Fault, Machine
from .processors import Processor
from .published import PUBLISHED, Figure

ELVES = Path(__file__).resolve().parents[3] / "build/native/m0"
LABEL, CONTEXT, MESSAGE = b"m1", b"plant/3/level", b"21.5 C, 47 %, 1013 hPa, ok"


# What was aimed for: cycles of a call, or of a byte.
TARGETS: dict[str, float] = {
    "X(k*P)": 4_200_000,
    "k*G": 1_800_000,
    "verify": 5_200_000,
    "sign, from a pair": 150_000,
    "accept a certificate": 12_000_000,
    "SM4 within GCM": 95,
    "GHASH": 120,
    "SHA-256": 80,
    "SM3": 100,
}


@dataclass
class Row:
    """One operation. cycles: of a call, or of a byte; target: what was aimed for, in the same unit; stack: bytes."""

    name: str
    cycles: float
    stack: int = 0
    unit: str = "cycles"
    target: float | None = None
    published: Figure | None = None

    @property
    def met(self) -> bool | None:
        return None if self.target is None else self.cycles <= self.target

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "met": self.met}


def material(name: str, length: int = 32) -> bytes:
    """Bytes with no pattern: a scalar of either suite if there are 32."""
    found = b""
    while len(found) < length:
        found += hashlib.sha256(name.encode() + bytes([len(found) // 32])).digest()
    return b"\x7f" + found[1:length] if length == 32 else found[:length]


class Core:
    """The C interface of a core in a machine. Byte strings lie at odd addresses, as nothing promises better."""

    def __init__(self, elf: Path, watched: bool = False, processor: Processor | None = None) -> None:
        self.machine = Machine(elf, watched, processor)
        self.counts: Counts

    def call(self, name: str, *arguments: int | bytes | None, out: int = 0) -> bytes:
        """The out bytes that the last argument, which is left away here, points to. Fault if the function fails."""
        self.machine.forget()
        put = [self.machine.put(a, odd=True) if isinstance(a, bytes) else a or 0 for a in arguments]
        result = self.machine.put(bytes(out), odd=True)
        self.counts = self.machine.call("ms_" + name, *put, *([result] if out else []))
        if self.counts.result:
            raise Fault(f"{name}: error {self.counts.result - (1 << 32)}")
        return self.machine.get(result, out)

    def base_mul(self, suite: int, k: bytes) -> bytes:
        return self.call("base_mul", suite, k, out=33)

    def ecdh(self, suite: int, k: bytes, P: bytes) -> bytes:
        return self.call("ecdh", suite, k, P, out=32)

    def mul_add(self, suite: int, k: bytes, P: bytes | None, A: bytes) -> bytes:
        return self.call("mul_add", suite, k, P, A, out=33)

    def sign(self, suite: int, d: bytes, Q: bytes, label: bytes, ctx: bytes, msg: bytes, rand: bytes) -> bytes:
        return self.call("sign", suite, d, Q, label, len(label), ctx, len(ctx), msg, len(msg), rand, out=64)

    def sign_pair(
        self, suite: int, d: bytes, Q: bytes, label: bytes, ctx: bytes, msg: bytes, pair: bytes | bytearray
    ) -> bytes:
        return self.call("sign_pair", suite, d, Q, label, len(label), ctx, len(ctx), msg, len(msg), bytes(pair), out=64)

    def verify(self, suite: int, Q: bytes, label: bytes, ctx: bytes, msg: bytes, sig: bytes) -> None:
        self.call("verify", suite, Q, label, len(label), ctx, len(ctx), msg, len(msg), sig)

    def scalar_reduce(self, suite: int, wide: bytes) -> bytes:
        return self.call("scalar_reduce", suite, wide, len(wide), out=32)

    def scalar_mul_add(self, suite: int, a: bytes, b: bytes, c: bytes) -> bytes:
        return self.call("scalar_mul_add", suite, a, b, c, out=32)

    def ecqv_public(self, suite: int, cert: bytes, C: bytes, q_ca: bytes) -> bytes:
        return self.call("ecqv_public", suite, cert, len(cert), C, q_ca, out=33)

    def ecqv_accept(self, suite: int, cert: bytes, C: bytes, q_ca: bytes, r: bytes, a: bytes) -> tuple[bytes, bytes]:
        self.machine.forget()
        put = [self.machine.put(part, odd=True) for part in (cert, C, q_ca, r, a, bytes(32), bytes(33))]
        self.counts = self.machine.call("ms_ecqv_accept", suite, put[0], len(cert), *put[1:])
        if self.counts.result:
            raise Fault(f"ecqv_accept: error {self.counts.result - (1 << 32)}")
        return self.machine.get(put[5], 32), self.machine.get(put[6], 33)

    def gcm_seal(self, key: bytes, nonce: bytes, aad: bytes, data: bytes) -> bytes:
        return self.call("gcm_seal", key, nonce, aad, len(aad), data, len(data), out=len(data) + 16)

    def cmac(self, key: bytes, data: bytes) -> bytes:
        self.machine.forget()
        context, put, out = self.machine.put(bytes(256)), self.machine.put(data, odd=True), self.machine.put(bytes(16))
        self.machine.call("ms_cmac_init", context, self.machine.put(key, odd=True))
        self.counts = self.machine.call("ms_cmac_update", context, put, len(data))
        self.machine.call("ms_cmac_final", context, out)
        return self.machine.get(out, 16)

    def hash(self, suite: int, data: bytes) -> bytes:
        self.machine.forget()
        context, put, out = self.machine.put(bytes(256)), self.machine.put(data, odd=True), self.machine.put(bytes(32))
        self.machine.call("ms_hash_init", context, suite)
        self.counts = self.machine.call("ms_hash_update", context, put, len(data))
        self.machine.call("ms_hash_final", context, out)
        return self.machine.get(out, 32)

    def hkdf(self, suite: int, ikm: bytes, salt: bytes, info: bytes, n: int) -> bytes:
        self.machine.forget()
        put = [self.machine.put(part, odd=True) for part in (ikm, salt, info, bytes(n))]
        self.counts = self.machine.call(
            "ms_hkdf", suite, put[0], len(ikm), put[1], len(salt), put[2], len(info), put[3], n
        )
        return self.machine.get(put[3], n)


def certificate(suite: int) -> dict[str, bytes]:
    """What a device needs to accept a certificate."""
    k, d_ca, r, cert = (material(name) for name in ("k", "d_ca", "r", "certificate"))
    C = libcrypto.mul_add(suite, k, None, libcrypto.base_mul(suite, r))
    a = libcrypto.ecqv_issue(suite, cert, k, d_ca)
    return {"cert": cert, "C": C, "q_ca": libcrypto.base_mul(suite, d_ca), "r": r, "a": a}


def points(core: Core, suite: int) -> dict[str, Callable[[], tuple[object, object]]]:
    """Operations on points: name -> what runs one and returns what it gave and what it should have given."""
    k, rand = material("scalar"), material("random")
    P, A = (libcrypto.base_mul(suite, material(name)) for name in ("P", "A"))
    sig = libcrypto.sign(suite, k, libcrypto.base_mul(suite, k), LABEL, CONTEXT, MESSAGE, rand)
    Q = libcrypto.base_mul(suite, k)
    pair = rand + libcrypto.base_mul(suite, rand)
    c = certificate(suite)

    def both(name: str, *arguments: object) -> tuple[object, object]:
        return getattr(core, name)(suite, *arguments), getattr(libcrypto, name)(suite, *arguments)

    return {
        "X(k*P)": lambda: both("ecdh", k, P),
        "k*G": lambda: both("base_mul", k),
        "verify": lambda: (core.verify(suite, Q, LABEL, CONTEXT, MESSAGE, sig), None),
        "sign": lambda: both("sign", k, Q, LABEL, CONTEXT, MESSAGE, rand),
        "sign, from a pair": lambda: (
            core.sign_pair(suite, k, Q, LABEL, CONTEXT, MESSAGE, pair),
            libcrypto.sign_pair(suite, k, Q, LABEL, CONTEXT, MESSAGE, bytearray(pair)),
        ),
        "k*P + A": lambda: both("mul_add", k, P, A),
        "k*G + A": lambda: both("mul_add", k, None, A),
        "e*C + q_ca": lambda: both("ecqv_public", c["cert"], c["C"], c["q_ca"]),
        "accept a certificate": lambda: both("ecqv_accept", *c.values()),
        "a*b + c mod q": lambda: both("scalar_mul_add", k, rand, material("c")),
    }


def sealed(key: bytes, nonce: bytes, aad: bytes, data: bytes) -> bytes:
    out = bytearray(len(data) + 16)
    libcrypto.gcm_seal(key, nonce, aad, data, out)
    return bytes(out)


def per_byte(core: Core, run: Callable[[int], tuple[object, object]]) -> tuple[float, int]:
    """Cycles that a byte more costs, from 1 KB to 5 KB, and the stack; run takes a length."""
    cycles = []
    for length in (1024, 5120):
        checked(*run(length))
        cycles.append(core.counts.cycles)
    return round((cycles[1] - cycles[0]) / 4096, 1), core.counts.stack


def checked(found: object, expected: object) -> None:
    if found != expected:
        raise Fault(f"gave {found!r} where {expected!r} is right")


def measure(core: Core, suites: tuple[int, ...] = (1, 2)) -> list[Row]:
    """All operations, suite by suite; those of suite 1 have targets and published figures."""
    rows = []
    for suite in suites:
        for name, run in points(core, suite).items():
            checked(*run())
            counts = core.counts
            target, published = (TARGETS.get(name), PUBLISHED.get(name)) if suite == 1 else (None, None)
            rows.append(
                Row(f"{name}{'' if suite == 1 else ', SM2'}", counts.cycles, counts.stack, "cycles", target, published)
            )
    key, nonce, data = material("key", 16), material("nonce", 12), material("data", 5120)
    checked(core.gcm_seal(key, nonce, data[:32], data[:100]), sealed(key, nonce, data[:32], data[:100]))
    rows.append(Row("seal 100 bytes", core.counts.cycles, core.counts.stack))
    bytewise: dict[str, Callable[[int], tuple[object, object]]] = {
        "SM4-GCM": lambda n: (core.gcm_seal(key, nonce, b"", data[:n]), sealed(key, nonce, b"", data[:n])),
        "GHASH": lambda n: (core.gcm_seal(key, nonce, data[:n], b""), sealed(key, nonce, data[:n], b"")),
        "SM4-CMAC": lambda n: (core.cmac(key, data[:n]), libcrypto.cmac(key, data[:n])),
    }
    for suite in suites:
        name = "SHA-256" if suite == 1 else "SM3"
        bytewise[name] = lambda n, suite=suite: (core.hash(suite, data[:n]), libcrypto.hash(suite, data[:n]))
    slopes = {name: per_byte(core, run) for name, run in bytewise.items()}
    slopes["SM4 within GCM"] = round(slopes["SM4-GCM"][0] - slopes["GHASH"][0], 1), slopes["SM4-GCM"][1]
    for name, (cycles, stack) in slopes.items():
        rows.append(Row(name, cycles, stack, "cycles/byte", TARGETS.get(name), PUBLISHED.get(name)))
    return rows


def code_bytes(core: Core) -> dict[str, int]:
    """What the core takes: code, tables and all, and the largest parts of it."""
    sections, sizes = core.machine.sections, core.machine.sizes
    found = {"code": sections[".text"], "constants": sections[".rodata"]}
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:12]:
        found[name] = size
    return found


def parts(core: Core, suite: int) -> Iterator[tuple[str, Counts]]:
    """What each function of the field modulo p takes. Results are for the tests to check."""
    m = core.machine
    m.forget()
    modulus = m.call("curve_of", suite).result
    a, b, r = (m.put(material(name) + bytes(4)) for name in "abr")
    for name, arguments in {
        "fe_mul": (r, a, b, modulus),
        "fe_sqr": (r, a, modulus),
        "fe_add": (r, a, b, modulus),
        "fe_sub": (r, a, b, modulus),
        "fe_half": (r, a, modulus),
        "fe_invert": (r, a, modulus),
        "fe_sqrt": (r, a, modulus),
    }.items():
        yield name, m.call(name, *arguments)


def measure_parts(core: Core) -> list[Row]:
    """The field modulo p of each curve, out of the ELF that has every function by itself."""
    return [
        Row(f"{name}{'' if suite == 1 else ', SM2'}", counts.cycles, counts.stack)
        for suite in (1, 2)
        for name, counts in parts(core, suite)
    ]
