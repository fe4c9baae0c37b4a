"""The native module inside MicroPython: the same cases and vectors as the backends of CPython, and what only it has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from test_core_backend import C_ONLY, CASES, VECTORS

ROOT = Path(__file__).resolve().parent.parent
FILES = [p for p in VECTORS if p.stem not in C_ONLY]


def run(micropython: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(micropython), *args], env=env, cwd=ROOT / "tests", capture_output=True, text=True, timeout=200
    )


def test_interface_and_vectors(micropython: Path, micropython_env: dict[str, str]) -> None:
    result = run(micropython, micropython_env, "core_cases.py", *map(str, FILES))
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert {f"passed case_{name}" for name in CASES} <= set(lines)
    counts = [int(line.split()[1]) for line in lines if line.endswith(".txt")]
    assert len(counts) == len(FILES)
    assert min(counts) > 0


SNIPPETS = {
    "overlap": (
        "b = bytearray(40)\nm.gcm_seal(bytes(16), bytes(12), b'', memoryview(b)[1:21], memoryview(b)[:36])",
        "ValueError: out: overlaps data",
    ),
    "length": ("m.base_mul(1, b'short')", "ValueError: argument 2: 32 bytes expected"),
    "type": ("m.base_mul(1, 'x' * 32)", "TypeError: bytes-like object required"),
    "read-only": ("m.wipe(b'abc')", "TypeError: writable buffer required"),
    "suite": ("m.base_mul(7, bytes(32))", "ValueError: unknown suite"),
    "scalar": ("m.base_mul(1, bytes(32))", "ValueError: scalar out of range"),
    "point": ("m.ecdh(1, b'k' * 32, bytes(33))", "ValueError: not a point of the curve"),
}


@pytest.mark.parametrize("code,message", SNIPPETS.values(), ids=SNIPPETS)
def test_messages(micropython: Path, micropython_env: dict[str, str], code: str, message: str) -> None:
    result = run(micropython, micropython_env, "-c", f"import microseal_core as m\n{code}")
    assert result.returncode == 1
    assert (result.stdout + result.stderr).splitlines()[-1] == message


def test_little_heap_is_enough(micropython: Path, micropython_env: dict[str, str]) -> None:
    """Nothing but results is allocated: the same signatures over and over fit where one does."""
    code = (
        "import gc, microseal_core as m\n"
        "k = b'k' * 32\n"
        "p = m.base_mul(1, k)\n"
        "gc.collect()\n"
        "before = gc.mem_alloc()\n"
        "gc.disable()\n"
        "s = m.sign(1, k, p, b'm1', b'', b'', k)\n"
        "print(gc.mem_alloc() - before)\n"
    )
    result = run(micropython, micropython_env, "-X", "heapsize=256k", "-c", code)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) <= 256
