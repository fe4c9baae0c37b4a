"""The boards that the tests of a module share, and who runs what when tests run in parallel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qemu import Board, bytecode, module

from test_core_backend import VECTORS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """MicroPython on the processor of the parameter, with `core` the module and core_cases imported.

    "armv6m" has the native .mpy, "armv6m usermod" the module as a part of the firmware.
    """
    arch, _, kind = request.param.partition(" ")
    files = {path.name: path.read_bytes() for path in VECTORS}
    files["core_cases.mpy"] = bytecode(ROOT / "tests/core_cases.py", tmp_path_factory.mktemp("bytecode"))
    if not kind:
        files["microseal_core.mpy"] = module(arch).read_bytes()
    with Board(arch, files, f"{arch}_usermod" if kind else arch) as board:
        board.exec("import gc\ngc.threshold(16384)\nimport microseal_core as core, core_cases")
        yield board
