"""The core as LLVM compiles it for ESP32, S2 and S3: its C tests under qemu-xtensa, unaligned accesses, traces of secrets."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
XTENSA = ROOT / "firmware/native/xtensa"
OUT = ROOT / "build/native/xtensa"
VECTORS = ROOT / "tests/c/vectors"
# The other vectors are run in MicroPython, by test_natmod.py. All of them here, and test_points, which takes minutes:
# make -C firmware/native/xtensa check LONG=1
RUNS = {"vectors": "sm4", "field": "field", "errors": None, "retry": None}
# Instructions of an operation in suite 1: the goal in docs/performance.md.
MOST = 3_000_000

pytestmark = pytest.mark.xdist_group("xtensa")


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of qemu-xtensa, after everything was built. The first time, 100 MB are downloaded."""
    found = subprocess.run([ROOT / "scripts/setup_xtensa.sh"], stdout=subprocess.PIPE, text=True, check=True)
    subprocess.run(["make", "--no-print-directory", "-C", XTENSA, "programs", "count"], check=True)
    return Path(found.stdout.strip())


@pytest.mark.parametrize("test", RUNS)
def test_core(tools: Path, tmp_path: Path, test: str) -> None:
    files = [VECTORS / f"{name}.txt" for name in (RUNS[test],) if name]
    report = tmp_path / "accesses"
    watched = f"{OUT}/alignment.so,low=0x400000,high=0x500000,report={report}"
    command = [tools / "qemu-xtensa", "-cpu", "dc233c", "-plugin", watched, OUT / f"test_{test}", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ", 0 failed" in done.stdout
    seen, unaligned, instruction, address, _ = struct.unpack("<5Q", report.read_bytes())
    assert seen > 10_000
    assert not unaligned, f"at {instruction:#x} of {address:#x}"


def test_secrets_show_nowhere(tools: Path) -> None:
    """LLVM has no instruction for a comparison's result and takes branches: none may depend on a secret."""
    command = [sys.executable, ROOT / "scripts/count_xtensa.py", "--json", "--keys", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)["rows"]
    assert {row["suite"] for row in rows} == {1, 2}
    for row in rows:
        assert row["same"] is (None if row["name"] == "verify" else True), row
        assert 500_000 < row["instructions"] < (MOST if row["suite"] == 1 else 1.1 * MOST)


def counter() -> ModuleType:
    spec = importlib.util.spec_from_file_location("count_xtensa", ROOT / "scripts/count_xtensa.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_counter_sees_a_difference(tools: Path) -> None:
    """Else the test above would say nothing: verification, which has no secrets, goes its way by the signature."""
    count = counter()
    machine = count.Machine()
    ways = [machine.run("verify", 1, *count.inputs("verify", 1, number)[0])[1] for number in (0, 1)]
    assert ways[0].path != ways[1].path
    assert ways[0].addresses != ways[1].addresses


def test_module(tools: Path, tmp_path: Path) -> None:
    """The .mpy is one for the windowed ABI, and does not tell where it was built."""
    command = [XTENSA / "build.sh", f"OUT={tmp_path}", f"DIST={tmp_path}"]
    subprocess.run(command, env={**os.environ, "XTENSA_LLVM": str(tools)}, check=True)
    mpy = (tmp_path / "microseal_core.mpy").read_bytes()
    assert mpy[:2] == b"M\x06"
    assert mpy[2] >> 2 == 10
    assert str(tmp_path).encode() not in mpy
    assert b"result is the point at infinity" in mpy
