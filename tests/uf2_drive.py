"""Stand-ins for UF2: images, and the drive of a boot ROM, which is a folder that goes away when the last block is there."""

from __future__ import annotations

import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

RP2040, RP2350, ABSOLUTE = 0xE48BFF56, 0xE48BFF59, 0xE48BFF57
FLASH = 0x10000000


def block(
    family: int, number: int, count: int, payload: bytes, flags: int = 0x2000, address: int | None = None
) -> bytes:
    address = FLASH + 256 * number if address is None else address & 0xFFFFFFFF
    head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, address, len(payload), number, count, family)
    return head + payload.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)


def make_image(content: bytes, family: int = RP2040, at: int = FLASH, step: int = 256) -> bytes:
    """at: where it begins; step: bytes from one block's address to the next."""
    pieces = [content[i : i + 256] for i in range(0, len(content), 256)]
    return b"".join(block(family, i, len(pieces), piece, address=at + step * i) for i, piece in enumerate(pieces))


class Drive:
    """The drive of a boot ROM in `folder`: it is gone, as the chip restarts, when it has every block of an image for it."""

    def __init__(
        self, folder: Path, family: int, label: str, starts: bool = True, on_start: Callable[[], object] = lambda: None
    ) -> None:
        self.folder = folder
        self.family = family
        self.starts = starts
        self.on_start = on_start
        self.taken: bytes | None = None
        self.order: list[int] = []
        folder.mkdir()
        (folder / "INFO_UF2.TXT").write_text(
            f"UF2 Bootloader v3.0\r\nModel: Raspberry Pi {label}\r\nBoard-ID: {label}\r\n"
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            for file in self.folder.glob("*.uf2"):
                data = file.read_bytes()
                blocks = list(_blocks(data))
                wanted = [each for each in blocks if each[0] == self.family]
                if wanted and len(wanted) == wanted[0][2]:
                    self.order = [number for _, number, _, _ in wanted]
                    self.taken = b"".join(payload for *_, payload in wanted)
                    if self.starts:
                        shutil.rmtree(self.folder)
                        self.on_start()
                        return
            time.sleep(0.01)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


def _blocks(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(family, number, count, payload) of the blocks that are whole."""
    for at in range(0, len(data) - 511, 512):
        size, number, count, family = struct.unpack_from("<4I", data, at + 16)
        yield family, number, count, data[at + 32 : at + 32 + size]
