"""The vector files on the core as a Cortex-M0+ runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

import core_cases
from m0 import elves
from m0_interface import Interface
from microseal_host.bench.machine import Machine

VECTORS = sorted((Path(__file__).parent / "c/vectors").glob("*.txt"))
# These are for what is not in the core's interface: test_cipher_blocks, and test_m0_core.py.
C_ONLY = {"sm4", "field", "secrets", "sums"}
# One case in so many where points are multiplied; a long run takes all of them.
STEPS = {"points": 40, "certificates": 40, "signatures": 20, "ecdh_wycheproof": 40, "ecdh": 10}


@pytest.fixture(scope="module")
def core() -> Interface:
    return Interface(elves() / "core.elf")


@pytest.mark.parametrize("path", [p for p in VECTORS if p.stem not in C_ONLY], ids=lambda p: p.stem)
def test_vectors(core: Interface, path: Path, long_run: bool) -> None:
    assert core_cases.run_vectors(core, str(path), 1 if long_run else STEPS.get(path.stem, 1)) > 0


@pytest.mark.parametrize(("name", "step"), [("symmetric", 25), ("gcm", 1), ("hmac", 2), ("hkdf", 40), ("sm3", 2)])
def test_vectors_without_unaligned_access(name: str, step: int) -> None:
    """A watched machine faults where the processor would."""
    path = next(p for p in VECTORS if p.stem == name)
    assert core_cases.run_vectors(Interface(elves() / "core.elf", watched=True), str(path), step) > 0


def test_cipher_blocks() -> None:
    parts = Machine(elves() / "parts.elf", watched=True)
    path = next(p for p in VECTORS if p.stem == "sm4")
    checked = 0
    for _, v, _ in core_cases.read_vectors(path):
        parts.forget()
        round_keys = parts.put(bytes(128))
        parts.call("sm4_expand", round_keys, parts.put(v["key"], odd=True))
        for at in range(0, len(v["in"]), 16):
            for count in range(1, 9):
                blocks = parts.put(swapped(v["in"][at : at + 16]) * count)
                parts.call("sm4_encrypt", round_keys, blocks, count)
                assert parts.get(blocks, 16 * count) == swapped(v["out"][at : at + 16]) * count
                checked += 1
    assert checked >= 32


def swapped(block: bytes) -> bytes:
    """The block as words in the processor's memory."""
    return b"".join(block[i : i + 4][::-1] for i in range(0, 16, 4))
