"""The crypto core's interface on every backend that CPython has: wrong arguments, kinds of buffers, all vector files."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import core_cases
from microseal_host.backends import ccore, libcrypto

ROOT = Path(__file__).resolve().parent.parent
VECTORS = sorted((ROOT / "tests/c/vectors").glob("*.txt"))
# These are for what only C can call: single blocks of the cipher, the field, points at infinity.
C_ONLY = {"sm4", "field", "secrets", "sums"}
CASES = {name.removeprefix("case_"): f for name, f in vars(core_cases).items() if name.startswith("case_")}


def load_ccore(library: Path) -> ModuleType:
    """The backend once more, on another build of the library."""
    spec = importlib.util.spec_from_file_location(f"ccore_{library.stem}", ccore.__file__)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    os.environ["MICROSEAL_CORE_LIBRARY"] = str(library)
    try:
        spec.loader.exec_module(module)
    finally:
        del os.environ["MICROSEAL_CORE_LIBRARY"]
    return module


@pytest.fixture(scope="module", params=["libcrypto", "ccore", "ccore32"])
def core(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "ccore32":
        return load_ccore(ROOT / "build/native/libmicroseal_core_32.so")
    return {"libcrypto": libcrypto, "ccore": ccore}[request.param]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_interface(core: ModuleType, case: Callable[[ModuleType], None]) -> None:
    case(core)


@pytest.mark.parametrize("path", [p for p in VECTORS if p.stem not in C_ONLY], ids=lambda p: p.stem)
def test_vectors(core: ModuleType, path: Path) -> None:
    assert core_cases.run_vectors(core, str(path)) > 0


def test_a_changed_vector_is_noticed(core: ModuleType, tmp_path: Path) -> None:
    changed = tmp_path / "changed.txt"
    text = (ROOT / "tests/c/vectors/ecdh.txt").read_text()
    changed.write_text(text[:-3] + ("0" if text[-3] != "0" else "1") + text[-2:])
    with pytest.raises(AssertionError):
        core_cases.run_vectors(core, str(changed))


def test_arguments_are_not_copied() -> None:
    """A core that copied its input would not see what stands in out, which starts where data does."""
    buffer = bytearray(b"secret" + bytes(16))
    ccore.gcm_seal(bytes(16), bytes(12), b"", memoryview(buffer)[:6], buffer)
    assert ccore.gcm_open(bytes(16), bytes(12), b"", buffer, memoryview(buffer)[:6])
    assert buffer[:6] == b"secret"


def test_out_that_begins_inside_data_is_refused() -> None:
    buffer = bytearray(60)
    with pytest.raises(ValueError, match="out: overlaps data"):
        ccore.gcm_seal(bytes(16), bytes(12), b"", memoryview(buffer)[1:21], memoryview(buffer)[:36])
    with pytest.raises(ValueError, match="out: overlaps data"):
        ccore.gcm_open(bytes(16), bytes(12), b"", memoryview(buffer)[:36], memoryview(buffer)[1:21])


def test_forged_hash_states(core: ModuleType) -> None:
    """Whatever a state's bytes say, all that can be wrong is the hash; also at odd addresses."""
    if core is libcrypto:
        return  # its states hold no numbers
    for suite in (b"\1", b"\2", b"\xff"):
        for fill in (b"\0", b"\x3f", b"\xff"):
            forged = memoryview(bytearray(b"." + fill * 104 + suite * 8 + b"."))
            state = forged[1:-1]
            if suite == b"\xff":
                with pytest.raises(ValueError, match="not from hash_new"):
                    core.hash_update(state, b"data")
            else:
                core.hash_update(state, bytes(200))
                assert len(core.hash_digest(state)) == 32
            assert forged[0] == forged[-1] == ord(".")


def test_a_missing_library_says_how_to_build_it(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import microseal_host.backends.ccore"],
        env={**os.environ, "MICROSEAL_CORE_LIBRARY": str(tmp_path / "none.so")},
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    last = run.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ") and "none.so is missing" in last
    assert last.endswith(f"make -C {ROOT / 'firmware/native'} host")
