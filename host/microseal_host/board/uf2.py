"""UF2: the format that boot ROMs of RP chips take, and the drive that they take it on.

A file is blocks of 512 bytes: magic numbers, flags, address, payload of up to 476 bytes, block number and count, family of chips
(https://github.com/microsoft/uf2).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..failure import DENIED, NOT_READY, Failure

BLOCK = 512  # bytes of the file that carry one piece of the image
_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
_NOT_FOR_FLASH = 0x00000001
_HAS_FAMILY = 0x00002000
# RP2350: a block for the chip itself, not for an image; images of MicroPython begin with one (erratum RP2350-E10).
_ABSOLUTE = 0xE48BFF57
_FAMILIES = {
    0xE48BFF56: "RP2040",
    0xE48BFF59: "RP2350, Arm cores",
    0xE48BFF5A: "RP2350, RISC-V cores",
    0xC47E5767: "ESP32-S3",
    0x1C5F21B0: "ESP32",
}
_FLASH = 0x10000000  # where flash begins in the memory of RP2040 and RP2350
_PAGE = 256  # bytes, all that the boot ROMs take of a block, and what its address is a multiple of
_SMALL = 2 << 20  # bytes of flash of a board whose file says nothing of it
_INFO = "INFO_UF2.TXT"
_COPY = 32 * BLOCK  # bytes between two steps of progress; each is on the drive before it counts

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Block:
    """One block: address in the chip's memory, its bytes, its number and how many there are of its family."""

    family: int
    address: int
    payload: bytes
    number: int
    count: int


def parse(data: bytes) -> list[Block]:
    """The blocks for flash of a UF2 file, in their order; Failure if it is none, or not whole."""
    if not data or len(data) % BLOCK:
        raise Failure("not a UF2 file: its size is no multiple of 512 bytes", "is the download complete?")
    blocks = []
    for at in range(0, len(data), BLOCK):
        raw = data[at : at + BLOCK]
        first, second, flags, address, size, number, count, family = (
            int.from_bytes(raw[4 * i : 4 * i + 4], "little") for i in range(8)
        )
        if (first, second, int.from_bytes(raw[508:], "little")) != _MAGIC or size > 476:
            raise Failure(f"not a UF2 file: block {at // BLOCK} is none", "is the download complete?")
        if not flags & _NOT_FOR_FLASH:
            blocks.append(Block(family if flags & _HAS_FAMILY else 0, address, raw[32 : 32 + size], number, count))
    for family in {block.family for block in blocks} - {_ABSOLUTE}:
        numbers = [(block.number, block.count) for block in blocks if block.family == family]
        if numbers != [(i, len(numbers)) for i in range(len(numbers))]:
            raise Failure("the UF2 file is not whole: blocks are missing, twice, or out of order", "download it again")
    return blocks


def check(data: bytes, family: int, board: str, flash: int = _SMALL) -> bytes:
    """The image in a UF2 file, as it lies in flash; Failure if it is not for this family of chips, or not all for its flash.

    flash: its size, bytes.
    """
    blocks = parse(data)
    families = {block.family for block in blocks} - {_ABSOLUTE}
    if families != {family}:
        found = ", ".join(sorted(_name(each) for each in families)) or "no chip at all"
        raise Failure(
            f"this image is for {found}; {board} has {_name(family)}",
            "./flash.sh lists the boards; take the image of yours",
        )
    end = _FLASH
    for block in blocks:
        if block.family != family:
            continue
        if block.address < end or block.address % _PAGE or len(block.payload) > _PAGE:
            raise Failure(
                f"the UF2 file is wrong: its block for {block.address:#x} is not for flash, or not in order",
                "take the image of your board",
            )
        end = block.address + len(block.payload)
        if end > _FLASH + flash:
            raise Failure(
                f"this image has something for {block.address:#x}; the flash of {board} ends at {_FLASH + flash:#x}",
                "take the image of your board",
            )
    return b"".join(block.payload for block in blocks if block.family == family)


def _name(family: int) -> str:
    return _FAMILIES.get(family, f"family {family:#x}")


# The drive


def find_drives(label: str) -> list[Path]:
    """Folders in which a boot ROM's drive of this label is mounted."""
    return [
        path
        for path in _mounts()
        if path.name.rstrip("0123456789") == label.rstrip("0123456789") and is_drive(path, label)
    ]


def is_drive(path: Path, label: str) -> bool:
    """Whether the boot ROM that calls its drive so is behind this folder: its INFO_UF2.TXT says which it is."""
    try:
        info = (path / _INFO).read_text(errors="replace")
    except OSError:
        return False
    return label in info


def _mounts() -> Iterator[Path]:
    """All mounted folders: Linux lists them, macOS has those of drives in one place."""
    try:
        for line in Path("/proc/mounts").read_bytes().splitlines():
            # Blanks are written in octal there, and all else is as it is, in whatever encoding.
            name = re.sub(rb"\\([0-7]{3})", lambda found: bytes((int(found[1], 8),)), line.split(b" ")[1])
            yield Path(os.fsdecode(name))
    except OSError:
        volumes = Path("/Volumes")
        if volumes.is_dir():
            yield from volumes.iterdir()


def mount(label: str) -> Path | None:
    """Mounts a drive that is there but not mounted, as a desktop would have done; None if that cannot be done here."""
    device = Path("/dev/disk/by-label") / label
    udisksctl = shutil.which("udisksctl")
    if udisksctl is None or not device.exists():
        return None
    try:
        done = subprocess.run(
            [udisksctl, "mount", "--no-user-interaction", "--block-device", str(device.resolve())],
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return next(iter(find_drives(label)), None) if done.returncode == 0 else None


def wait_for_drive(label: str, seconds: float, look: Callable[[str], list[Path]] = find_drives) -> Path | None:
    """The drive as soon as there is one; None after so many seconds. Failure if there are two to choose from."""
    end = time.monotonic() + seconds
    while True:
        found = look(label)
        if len(found) > 1:
            raise Failure(
                f"there are {len(found)} drives {label}: {', '.join(map(str, found))}",
                "unplug all but one, or say which: --drive FOLDER",
            )
        drive = found[0] if found else mount(label)
        if drive is not None or time.monotonic() >= end:
            return drive
        time.sleep(0.2)


def no_drive(label: str, button: str) -> Failure:
    """What to do where there is no such drive."""
    device = Path("/dev/disk/by-label") / label
    if device.exists():
        return Failure(
            f"the drive {label} is there, but not mounted",
            f"sudo mount -o umask=000 {device} /mnt, then give --drive /mnt",
            NOT_READY,
        )
    return Failure(f"no drive {label} has appeared", f"{button}, then run it again", NOT_READY)


def copy(data: bytes, drive: Path, name: str, progress: Progress, patience: float = 20.0) -> None:
    """Copies an image to the drive of a boot ROM. Returns when the drive is gone: that is how it says that it took it all."""
    done = 0
    target = drive / name
    try:
        # Unbuffered, and on the drive before it counts: otherwise all of it would be done at once, and then nothing for long.
        # Not through a link: a boot ROM has none, but a disk that passes for its drive could lead to any file of this user.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    except PermissionError:
        raise Failure(f"no permission to write to {drive}", "mount it as yourself, not as root", DENIED) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Failure(
                f"{target} is a link, which no boot ROM has: {drive} is not the board's drive",
                "unmount it, and plug the board in with its button held",
            ) from None
        raise Failure(
            f"cannot write to {drive}: {error.strerror}", "plug the board in again, and run it again"
        ) from None
    try:
        try:
            while done < len(data):
                done += os.write(descriptor, data[done : done + _COPY])
                os.fsync(descriptor)
                progress(done, len(data))
        finally:
            os.close(descriptor)
    except OSError as error:
        # With the last block the chip starts, and the drive goes away under the file.
        gone = error.errno in (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT)
        if not gone or done < len(data) - _COPY:
            raise Failure(
                f"the drive {drive} went away after {done} of {len(data)} bytes ({error.strerror})",
                "was it unplugged? Plug it in with its button held, and run it again",
                NOT_READY,
            ) from None
        progress(len(data), len(data))
    end = time.monotonic() + patience
    while (drive / _INFO).exists():
        if time.monotonic() >= end:
            raise Failure(
                f"the image is on {drive}, but the board does not start it",
                "unplug it and plug it in with its button held, then run it again",
                NOT_READY,
            )
        time.sleep(0.1)
