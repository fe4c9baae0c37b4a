"""The core as a Cortex-M0+ runs it: its assembly against Python's integers, its operations against the host's library.

The watched machine also sees unaligned accesses, which fault on that processor, and whether addresses depend on secrets. Byte
strings lie at odd addresses.
"""

from __future__ import annotations

import random

import pytest

from m0 import elves
from microseal_host.backends import libcrypto
from microseal_host.bench import m0
from microseal_host.bench.machine import STACK, Fault, Machine
from microseal_host.reference.suites import SUITES

FIELDS = [(suite, order) for suite in (1, 2) for order in (False, True)]
MODULUS_SIZE = 100


def modulus(suite: int, order: bool) -> int:
    return SUITES[suite].curve.q if order else SUITES[suite].curve.p


def number(pick: random.Random, m: int) -> int:
    """0 <= x < m, often one that makes carries run far."""
    kind = pick.randrange(4)
    if kind == 0:
        return pick.choice(
            [0, 1, 2, m - 1, m - 2, (1 << 256) % m, (m + 1) // 2, (1 << 224) - 1, (1 << 128) - 1, 1 << 128]
        )
    if kind == 1:
        return sum(pick.choice([0, 0xFFFF, 1, 0x8000, 0xFFFE]) << 16 * i for i in range(16)) % m
    return pick.randrange(m)


class Field:
    """The field functions of the core in a machine, with numbers as Python's integers."""

    def __init__(self, suite: int, order: bool, watched: bool) -> None:
        self.machine = Machine(elves() / "parts.elf", watched)
        self.address = self.machine.call("curve_of", suite).result + MODULUS_SIZE * order
        self.traces: dict[str, set[object]] = {}

    def call(self, name: str, *numbers: int, alias: int | None = None) -> int:
        """What the function gives; into the place of argument number alias, if given."""
        self.machine.forget()
        put = [self.machine.put(x.to_bytes(32, "little")) for x in numbers]
        result = self.machine.put(bytes(32)) if alias is None else put[alias]
        counts = self.machine.call(name, result, *put, self.address)
        self.traces.setdefault(name, set()).add((counts.cycles, counts.trace if alias is None else b""))
        return int.from_bytes(self.machine.get(result, 32), "little")


@pytest.mark.parametrize(("suite", "order"), FIELDS)
@pytest.mark.parametrize("watched", [False, True])
def test_field(suite: int, order: bool, watched: bool, long_run: bool) -> None:
    m = modulus(suite, order)
    field, pick, over = Field(suite, order, watched), random.Random(f"{suite} {order}"), pow(1 << 256, -1, m)
    for round in range(20000 if long_run else 12 if watched else 250):
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
    for name, traces in field.traces.items():
        assert len({cycles for cycles, _ in traces}) == 1, name
        assert len({trace for _, trace in traces if trace}) == 1, name


@pytest.mark.parametrize(("suite", "order"), FIELDS)
def test_inverse_and_root(suite: int, order: bool) -> None:
    m = modulus(suite, order)
    field, pick, one = Field(suite, order, False), random.Random(7), (1 << 256) % m
    for a in [0, one, m - one, *(number(pick, m) for _ in range(12))]:
        inverse = field.call("fe_invert", a)
        assert inverse == (pow(a, -1, m) * one * one % m if a else 0)
        if not order:
            square = a * a * pow(one, -1, m) % m
            assert field.call("fe_sqrt", square) in (a, (m - a) % m)


@pytest.mark.parametrize("suite", [1, 2])
def test_operations(suite: int) -> None:
    core = m0.Core(elves() / "core.elf")
    for name, run in m0.points(core, suite).items():
        found, expected = run()
        assert found == expected, name
        assert core.counts.stack <= 2560, name


def test_without_assembly() -> None:
    found, expected = m0.points(m0.Core(elves() / "core_c.elf"), 1)["k*G"]()
    assert found == expected


def test_refusals() -> None:
    core = m0.Core(elves() / "core.elf")
    P = libcrypto.base_mul(1, m0.material("P"))
    with pytest.raises(Fault, match="-4"):
        core.ecdh(1, m0.material("k"), b"\x05" + P[1:])
    with pytest.raises(Fault, match="-3"):
        core.ecdh(1, bytes(32), P)
    with pytest.raises(Fault, match="-8"):
        core.verify(1, P, m0.LABEL, m0.CONTEXT, m0.MESSAGE, m0.material("signature", 64))


def test_secret_scalars() -> None:
    """k*G and X(k*P) run and touch the same addresses, whatever k is."""
    core = m0.Core(elves() / "core.elf", watched=True)
    P = libcrypto.base_mul(1, m0.material("P"))
    q = SUITES[1].curve.q
    scalars = [1, q - 1, int.from_bytes(m0.material("k"))]
    for run in (lambda k: core.base_mul(1, k), lambda k: core.ecdh(1, k, P)):
        traces = set()
        for k in scalars:
            run(k.to_bytes(32))
            traces.add((core.counts.cycles, core.counts.trace))
        assert len(traces) == 1


@pytest.mark.parametrize("suite", [1, 2])
def test_nothing_is_left_on_the_stack(suite: int) -> None:
    """What lies below the caller's stack afterwards is the same for all secrets."""
    core = m0.Core(elves() / "core.elf")
    P = libcrypto.base_mul(suite, m0.material("P"))
    for run in (
        lambda k: core.base_mul(suite, k),
        lambda k: core.ecdh(suite, k, P),
        lambda k: core.mul_add(suite, k, P, P),
        lambda k: core.scalar_reduce(suite, k),
        lambda k: core.scalar_mul_add(suite, k, k, m0.material("c")),
        lambda k: core.sign(suite, k, P, m0.LABEL, m0.CONTEXT, m0.MESSAGE, m0.material("random")),
    ):
        left = set()
        for name in ("one", "another"):
            run(m0.material(name))
            left.add(core.machine.get(STACK - 0x4000, 0x4000))
        assert len(left) == 1
