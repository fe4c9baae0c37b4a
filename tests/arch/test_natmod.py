"""The native module of each architecture in MicroPython on that processor: the same cases and vectors as everywhere else.

All of it under the eye of alignment.c: the code of the .mpy makes no unaligned access, whatever the buffers it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qemu import ARCHITECTURES, Board, DeviceError

from test_core_backend import C_ONLY, CASES, VECTORS
from test_core_module import SNIPPETS

BOARDS = (*ARCHITECTURES, "armv6m usermod")
FILES = [path for path in VECTORS if path.stem not in C_ONLY]
# Of the files that take a second and more every so manieth case, unless there is time for a long run.
STEPS = {"points": 7, "certificates": 3, "ecdh_wycheproof": 3, "signatures": 3}

pytestmark = pytest.mark.parametrize(
    "board", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in BOARDS], indirect=True
)


@pytest.fixture(autouse=True)
def aligned(board: Board) -> Iterator[None]:
    before = board.accesses()
    yield
    after = board.accesses()
    assert after.unaligned == before.unaligned, after


def test_processor(board: Board) -> None:
    """The module of exactly this architecture is what MicroPython took."""
    code = {"armv6m": 4, "armv7emsp": 7, "rv32imc": 11, "xtensawin": 10}[board.arch]
    found = board.exec("import sys; print(getattr(sys.implementation, '_mpy', 0) >> 10 & 15, core.SUITES)")
    assert found == f"{code} (1, 2)\n"


@pytest.mark.parametrize("name", CASES)
def test_case(board: Board, name: str) -> None:
    board.exec(f"core_cases.case_{name}(core)", 120)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vectors(board: Board, path: Path, long_run: bool) -> None:
    step = 1 if long_run else STEPS.get(path.stem, 1)
    assert int(board.exec(f"print(core_cases.run_vectors(core, '/files/{path.name}', {step}))", 120)) > 0


@pytest.mark.parametrize("code,message", SNIPPETS.values(), ids=SNIPPETS)
def test_messages(board: Board, code: str, message: str) -> None:
    with pytest.raises(DeviceError) as raised:
        board.exec("m = core\n" + code)
    assert str(raised.value).splitlines()[-1] == message


def test_the_accesses_were_watched(board: Board) -> None:
    """Else the tests above would say nothing of them. What is built in lies elsewhere and is not watched."""
    board.exec("core.base_mul(1, b'k' * 32)")
    assert (board.accesses().seen > 100_000) == ("microseal_core" not in board.exec("help('modules')"))
