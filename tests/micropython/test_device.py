"""The device-side tests (device_*.py) on both interpreters: here on CPython, one by one, and on MicroPython, a module each."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import device_support
import pytest

from microseal import crypto
from microseal_host.backends import libcrypto

HERE = Path(__file__).parent
MODULES = sorted(path.stem for path in HERE.glob("device_*.py") if path.stem != "device_support")


def _cases() -> Iterator[Any]:
    crypto.use(libcrypto)
    for name in MODULES:
        module = importlib.import_module(name)
        for test in sorted(vars(module)):
            if test.startswith("test_"):
                yield pytest.param(
                    getattr(module, test), id=f"{name.removeprefix('device_')}-{test.removeprefix('test_')}"
                )


@pytest.fixture
def core(tmp_path: Path) -> Iterator[None]:
    before = crypto.core
    crypto.use(libcrypto)
    device_support.base = str(tmp_path)
    yield
    crypto.use(before)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("case", list(_cases()))
def test_on_cpython(case: Callable[[], None]) -> None:
    case()


@pytest.mark.parametrize("name", MODULES)
def test_on_micropython(name: str, tmp_path: Path, micropython: Path, micropython_env: dict[str, str]) -> None:
    environment = {
        **micropython_env,
        "MICROPYPATH": f"{HERE}:{HERE.parent.parent / 'host'}:{micropython_env['MICROPYPATH']}",
    }
    command = [str(micropython), "-X", "heapsize=16M", str(HERE / "run.py"), str(tmp_path), name]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("passed ") == sum(test.startswith("test_") for test in vars(importlib.import_module(name)))
