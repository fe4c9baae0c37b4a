"""The flash of an emulated Pico: a file of 2 MiB with the firmware and, behind it, MicroPython's LittleFS.

It is laid out as on a real one, so what a UF2 file or the running firmware writes lands where it would there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..failure import NOT_READY, Failure
from . import uf2

FLASH_BYTES = 2 << 20
FLASH_ADDRESS = 0x10000000  # where the RP2040 sees it
SECTOR_BYTES = 4096  # what is erased at once
FILES_BYTES = 1408 << 10  # MICROPY_HW_FLASH_STORAGE_BYTES in boards/pico_emulated/mpconfigboard.h
FILES_START = FLASH_BYTES - FILES_BYTES

ROOT = Path(__file__).resolve().parents[3]
FIRMWARE = ROOT / "build/pico/firmware.uf2"  # by scripts/setup_pico.sh

_FAMILY = 0xE48BFF56  # of RP2040, in UF2 files
_LITTLEFS = Path(__file__).with_name("littlefs_image.py")


def firmware() -> Path:
    """The firmware as it was built for this checkout; Failure if it was not."""
    if not FIRMWARE.exists():
        raise Failure(f"{FIRMWARE} is not there", "run scripts/setup_pico.sh", NOT_READY)
    return FIRMWARE


def write_uf2(flash: Path, file: Path) -> None:
    """Writes firmware as the bootloader does: its sectors are erased first, files stay. Makes the flash if there is none."""
    raw = file.read_bytes()
    uf2.check(raw, _FAMILY, "an emulated Pico", FLASH_BYTES)
    blocks = [(block.address - FLASH_ADDRESS, block.payload) for block in uf2.parse(raw)]
    new = not flash.exists()
    content = bytearray(b"\xff" * FLASH_BYTES if new else flash.read_bytes())
    for sector in {offset // SECTOR_BYTES for offset, _ in blocks}:
        content[sector * SECTOR_BYTES : (sector + 1) * SECTOR_BYTES] = b"\xff" * SECTOR_BYTES
    for offset, data in blocks:
        content[offset : offset + len(data)] = data
    _replace(flash, content)


def write_files(flash: Path, files: Mapping[str, bytes]) -> None:
    """Makes the file system anew with these files: path on the board, such as "lib/a.mpy" -> content."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, "files", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        image = Path(folder, "image")
        _run_littlefs("pack", image, Path(folder, "files"))
        content = bytearray(flash.read_bytes())
        content[FILES_START:] = image.read_bytes()
    _replace(flash, content)


def read_files(flash: Path) -> dict[str, bytes]:
    """All files on the board's file system, without running anything on it."""
    with tempfile.TemporaryDirectory() as folder:
        image, files = Path(folder, "image"), Path(folder, "files")
        image.write_bytes(flash.read_bytes()[FILES_START:])
        _run_littlefs("unpack", image, files)
        return {str(path.relative_to(files)): path.read_bytes() for path in files.rglob("*") if path.is_file()}


def _run_littlefs(action: str, image: Path, files: Path) -> None:
    """By MicroPython's own LittleFS, the one that the board mounts it with."""
    micropython = Path(sys.executable).with_name("micropython")
    heap = ["-X", "heapsize=16M"]  # the image is held in memory
    command = [micropython, *heap, _LITTLEFS, action, image, files, str(SECTOR_BYTES), str(FILES_BYTES // SECTOR_BYTES)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failure(f"cannot run {micropython}: {error.strerror}", "run scripts/setup.sh", NOT_READY) from None
    if done.returncode:
        raise Failure(f"cannot {action} the emulated Pico's file system: {(done.stderr or done.stdout).strip()}")


def _replace(flash: Path, content: bytes | bytearray) -> None:
    # Keys will be in it. And whoever has the old file open must not see half of the new one.
    descriptor, name = tempfile.mkstemp(dir=flash.parent, prefix=flash.name)
    with open(descriptor, "wb") as file:
        file.write(content)
    os.replace(name, flash)
