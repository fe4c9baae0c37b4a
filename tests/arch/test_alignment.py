"""That an unaligned access is found: a module that makes one, under the same eye as microseal_core in test_natmod.py."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from qemu import ARCHITECTURES, ROOT, Board, Fault

# ARMv6-M itself refuses them, and so do qemu's, and its Xtensa; the others forgive.
FAULTING = {"armv6m": "HardFault", "xtensawin": "Bus error"}


def planted(arch: str, folder: Path) -> bytes:
    """The native module of planted/."""
    source, path = ROOT / "tests/arch/planted", f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    made_at = folder / "planted.native.mpy"
    command = ["make", "-C", source, f"ARCH={arch}", f"BUILD={folder}"]
    if arch == "xtensawin":
        made_at = folder / "planted.mpy"
        command = ["make", "-C", ROOT / "firmware/native/xtensa", "NAME=planted", f"MODULE={source / 'planted.c'}"]
        command += [f"MPY={folder}", made_at]
    made = subprocess.run(
        [*command, f"MPY_DIR={ROOT / 'build/micropython'}"],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return made_at.read_bytes()


@pytest.mark.parametrize("arch", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ARCHITECTURES])
def test_planted_access(arch: str, tmp_path: Path) -> None:
    content = planted(arch, tmp_path)
    for size in (2, 4):
        with Board(arch, {"planted.mpy": content}) as board:
            board.exec("import planted\nb = bytearray(range(16))")
            for offset in range(0, 12, size):
                expected = int.from_bytes(range(offset, offset + size), "little")
                assert board.exec(f"print(planted.read(b, {offset}, {size}))") == f"{expected}\n"
            before = board.accesses()
            assert before.seen > 0
            assert before.unaligned == 0
            faulted = False
            try:
                board.exec(f"planted.read(b, {size // 2 + 4}, {size})" if size == 4 else "planted.read(b, 5, 2)")
            except Fault as fault:
                assert FAULTING[arch] in str(fault)
                faulted = True
            assert faulted == (arch in FAULTING)
            if not faulted:
                after = board.accesses()
                assert (after.unaligned, after.size, after.address % size) == (1, size, size // 2)
