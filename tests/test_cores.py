"""The core as a Cortex-M4 and an RV32IMC run it: the field against Python's integers, operations against the host's library."""

from __future__ import annotations

import random
import struct

import pytest
import unicorn

from cores import elves
from microseal_host.backends import libcrypto
from microseal_host.bench import cores, m0
from microseal_host.bench.machine import STACK
from test_m0_core import FIELDS, modulus, number

NAMES = tuple(cores.PROCESSORS)


class Words:
    """Numbers as eight words, and the modulus: 100 bytes with its order's behind it."""

    bits, size, over = 32, 100, 1 << 256

    def pack(self, x: int) -> bytes:
        return x.to_bytes(32, "little")

    def unpack(self, raw: bytes, m: int) -> int:
        x = int.from_bytes(raw, "little")
        assert x < m
        return x


class SignedLimbs(Words):
    """Numbers as nine limbs of 29 bits, all but the highest with a sign; not always below the modulus."""

    size, over = 9 * 4 * 5 + 4, 1 << 261

    def pack(self, x: int) -> bytes:
        limbs = []
        for _ in range(8):
            limbs.append((x + (1 << 28)) % (1 << 29) - (1 << 28))
            x = (x - limbs[-1]) >> 29
        return struct.pack("<9i", *limbs, x)

    def unpack(self, raw: bytes, m: int) -> int:
        limbs = struct.unpack("<9i", raw)
        assert all(-(1 << 28) <= limb < 1 << 28 for limb in limbs)
        x = sum(limb << 29 * i for i, limb in enumerate(limbs))
        assert abs(x) < 1.05 * m
        return x % m


FORMS = {"m4": Words(), "rv32": SignedLimbs()}


class Field:
    """The field functions of the core in a machine, with numbers as Python's integers."""

    def __init__(self, name: str, suite: int, order: bool, watched: bool) -> None:
        elves()
        self.machine, self.form, self.m = cores.load(name, True, watched).machine, FORMS[name], modulus(suite, order)
        self.address = self.machine.call("curve_of", suite).result + self.form.size * order
        self.traces: dict[str, set[object]] = {}

    def call(self, name: str, *numbers: int, alias: int | None = None) -> int:
        """What the function gives; into the place of argument number alias, if given."""
        self.machine.forget()
        put = [self.machine.put(self.form.pack(x)) for x in numbers]
        length = len(self.form.pack(0))
        result = self.machine.put(bytes(length)) if alias is None else put[alias]
        counts = self.machine.call(name, result, *put, self.address)
        self.traces.setdefault(name, set()).add((counts.cycles, counts.trace if alias is None else b""))
        return self.form.unpack(self.machine.get(result, length), self.m)


@pytest.mark.parametrize(("suite", "order"), FIELDS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("watched", [False, True])
def test_field(name: str, suite: int, order: bool, watched: bool, long_run: bool) -> None:
    field = Field(name, suite, order, watched)
    m, pick, over = field.m, random.Random(f"{suite} {order}"), pow(field.form.over, -1, field.m)
    for round in range(20000 if long_run else 12 if watched else 150):
        a, b = number(pick, m), number(pick, m)
        alias = pick.choice([None, 0, 1])
        assert field.call("fe_mul", a, b, alias=alias) == a * b * over % m
        assert field.call("fe_add", a, b, alias=alias) == (a + b) % m
        assert field.call("fe_sub", a, b, alias=alias) == (a - b) % m
        assert field.call("fe_sub", a, a) == 0
        assert field.call("fe_half", a, alias=pick.choice([None, 0])) == a * pow(2, -1, m) % m
        assert field.call("fe_sqr", a, alias=pick.choice([None, 0])) == a * a * over % m
        if round % 4 == 0:
            wide = pick.choice([(1 << 256) - 1, m, pick.randrange(1 << 256)])
            assert field.call("fe_mul", a, wide) == a * wide * over % m
    # Constant time: one number of cycles, and of the calls without aliasing one sequence of addresses.
    for function, traces in field.traces.items():
        assert len({cycles for cycles, _ in traces}) == 1, function
        assert len({trace for _, trace in traces if trace}) == 1, function


@pytest.mark.parametrize(("suite", "order"), FIELDS)
@pytest.mark.parametrize("name", NAMES)
def test_inverse_and_root(name: str, suite: int, order: bool) -> None:
    field = Field(name, suite, order, False)
    m, pick, one = field.m, random.Random(7), field.form.over % field.m
    for a in [0, one, m - one, *(number(pick, m) for _ in range(8))]:
        assert field.call("fe_invert", a) == (pow(a, -1, m) * one * one % m if a else 0)
        if not order:
            assert field.call("fe_sqrt", a * a * pow(one, -1, m) % m) in (a, (m - a) % m)


def test_assembly_calls_c_with_an_aligned_stack() -> None:
    """By multiples of 8 bytes, as Arm's rules have it: C may count on that."""
    field, found = Field("m4", 1, True, False), set()
    machine = field.machine
    address = machine.symbols["fe_reduce_any"] & ~1

    def look(uc: unicorn.Uc, *_: object) -> None:
        found.add(uc.reg_read(machine.processor.sp) % 8)

    machine.uc.hook_add(unicorn.UC_HOOK_CODE, look, begin=address, end=address)
    field.call("fe_mul", 3, 5)
    assert found == {0}


@pytest.mark.parametrize("name", NAMES)
def test_secret_scalars(name: str) -> None:
    """k*G runs and touches the same addresses, whatever k is; and nothing of k is left on the stack."""
    elves()
    watched, core = cores.load(name, watched=True), cores.load(name)
    traces, left = set(), set()
    for k in (1, modulus(1, True) - 1, int.from_bytes(m0.material("k"))):
        watched.base_mul(1, k.to_bytes(32))
        traces.add((watched.counts.cycles, watched.counts.trace))
    assert len(traces) == 1
    P = libcrypto.base_mul(1, m0.material("P"))
    for run in (
        lambda k: core.base_mul(1, k),
        lambda k: core.ecdh(1, k, P),
        lambda k: core.scalar_mul_add(1, k, k, m0.material("c")),
        lambda k: core.sign(1, k, P, m0.LABEL, m0.CONTEXT, m0.MESSAGE, m0.material("random")),
    ):
        left.clear()
        for secret in ("one", "another"):
            run(m0.material(secret))
            left.add(core.machine.get(STACK - 0x4000, 0x4000))
        assert len(left) == 1
