"""Cycles of the core on a Cortex-M0+ do not get worse. Counts are the same in every run; who makes one smaller lowers its bound."""

from __future__ import annotations

import pytest

from m0 import elves
from microseal_host.bench import m0

# The best measured so far, rounded up: cycles of a call, or of a byte.
BOUNDS = {
    "X(k*P)": 4_650_000,
    "k*G": 1_664_000,
    "verify": 5_167_000,
    "sign": 2_121_500,
    "sign, from a pair": 45_600,
    "k*P + A": 4_989_500,
    "k*G + A": 2_003_000,
    "e*C + q_ca": 4_993_500,
    "accept a certificate": 6_668_500,
    "a*b + c mod q": 41_800,
    "seal 100 bytes": 36_100,
    "SM4-GCM": 201.5,
    "GHASH": 114.5,
    "SM4-CMAC": 115,
    "SM4 within GCM": 87.5,
    "SHA-256": 78.5,
    "SM3": 87,
}
PARTS = {
    "fe_mul": 1535,
    "fe_sqr": 1140,
    "fe_add": 104,
    "fe_sub": 90,
    "fe_half": 152,
    "fe_invert": 73_600,
    "fe_sqrt": 293_000,
}
CODE_AND_CONSTANTS = 16_050
STACK = 2010


@pytest.fixture(scope="module")
def core() -> m0.Core:
    return m0.Core(elves() / "core.elf")


def test_operations(core: m0.Core) -> None:
    rows = {row.name: row for row in m0.measure(core, (1, 2)) if not row.name.endswith("SM2")}
    assert rows.keys() == BOUNDS.keys()
    assert {name: row.cycles for name, row in rows.items() if row.cycles > BOUNDS[name]} == {}
    assert {name: row.stack for name, row in rows.items() if row.stack > STACK} == {}
    # What is fast enough once stays so.
    for name in (
        "k*G",
        "verify",
        "sign, from a pair",
        "accept a certificate",
        "SM4 within GCM",
        "GHASH",
        "SHA-256",
        "SM3",
    ):
        assert rows[name].met, name


def test_field() -> None:
    rows = {row.name: row.cycles for row in m0.measure_parts(m0.Core(elves() / "parts.elf"))}
    assert {name: cycles for name, cycles in rows.items() if cycles > PARTS.get(name, 10**9)} == {}


def test_size(core: m0.Core) -> None:
    code = m0.code_bytes(core)
    assert code["code"] + code["constants"] <= CODE_AND_CONSTANTS
