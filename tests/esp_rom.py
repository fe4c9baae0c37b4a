"""A stand-in for an ESP chip in its boot loader, on a PTY: the serial protocol that esptool speaks, and a flash of 4 MiB.

Protocol: https://docs.espressif.com/projects/esptool/en/latest/esp32/advanced-topics/serial-protocol.html. Packets are framed as
SLIP has it (RFC 1055): 0x00, command, length (2), checksum (4), data; answers 0x01, command, length (2), value (4), data, status.
"""

from __future__ import annotations

import hashlib
import os
import pty
import select
import struct
import threading
import tty
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

FLASH = 4 << 20
SYNC, READ_REG, WRITE_REG, SECURITY_INFO = 0x08, 0x0A, 0x09, 0x14
MEM_BEGIN, MEM_END, MEM_DATA = 0x05, 0x06, 0x07
DEFL_BEGIN, DEFL_DATA, DEFL_END = 0x10, 0x11, 0x12
FLASH_BEGIN, FLASH_DATA, FLASH_END = 0x02, 0x03, 0x04
SPI_SET_PARAMS, SPI_ATTACH, CHANGE_BAUDRATE, FLASH_MD5, ERASE_FLASH = 0x0B, 0x0D, 0x0F, 0x13, 0xD0
_MAGIC_REGISTER = 0x40001000
_FLASH_ID = 0x164020  # 4 MiB


@dataclass(frozen=True)
class Chip:
    """magic: of chips that cannot tell their number; data: the register in which the flash chip's answers appear."""

    number: int | None
    magic: int
    data: int


CHIPS = {
    "esp32": Chip(None, 0x00F01D83, 0x3FF42080),
    "esp32s3": Chip(9, 0, 0x60002058),
    "esp32c3": Chip(5, 0, 0x60002058),
}


class EspRom:
    """Context manager; `port` is where the chip is. vanish_after: bytes of image after which its cable is pulled."""

    def __init__(self, chip: str, vanish_after: int | None = None) -> None:
        self.chip = CHIPS[chip]
        self.flash = bytearray(os.urandom(FLASH))
        self.erased = False
        self.written = 0  # bytes
        self.bad_md5 = False
        self.on_checked: Callable[[], object] = lambda: (
            None
        )  # after the image was compared: the chip is about to restart
        self.commands: list[int] = []
        self._vanish_after = vanish_after
        self._stub = False
        self._inflate = zlib.decompressobj()
        self._at = 0
        self._master, slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._slave: int | None = slave
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        if self._slave is not None:
            os.close(self._slave)

    def _run(self) -> None:
        buffer = b""
        while not self._stop.is_set():
            if not select.select([self._master], [], [], 0.05)[0]:
                continue
            try:
                buffer += os.read(self._master, 65536)
            except OSError:
                continue  # nobody has the port open
            *packets, buffer = buffer.split(b"\xc0")
            for packet in packets:
                raw = packet.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
                if len(raw) >= 8 and raw[0] == 0:
                    command, length = raw[1], int.from_bytes(raw[2:4], "little")
                    self._take(command, raw[8 : 8 + length], int.from_bytes(raw[4:8], "little"))
            if self._vanish_after is not None and self.written >= self._vanish_after:
                return

    def _send(self, packet: bytes) -> None:
        os.write(self._master, b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0")

    def _answer(self, command: int, value: int = 0, data: bytes = b"", error: int = 0) -> None:
        status = bytes((1, error)) if error else b"\0\0"
        # A chip's ROM has two more bytes of status than the loader that esptool puts into its RAM.
        body = data + status + (b"" if self._stub else b"\0\0")
        self._send(struct.pack("<BBHI", 1, command, len(body), value) + body)

    def _take(self, command: int, data: bytes, checksum: int) -> None:
        self.commands.append(command)
        words = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
        if command == SYNC:
            for _ in range(8):
                self._answer(command, value=0 if self._stub else 0x20120707)
        elif command == SECURITY_INFO and self.chip.number is not None:
            self._answer(command, data=struct.pack("<I8BII", 0, *bytes(8), self.chip.number, 0))
        elif command == READ_REG:
            registers = {_MAGIC_REGISTER: self.chip.magic, self.chip.data: _FLASH_ID}
            self._answer(command, value=registers.get(words[0], 0))
        elif command == MEM_END:
            self._answer(command)
            self._stub = True
            self._send(b"OHAI")
        elif command in (DEFL_BEGIN, FLASH_BEGIN):
            self._at, self._inflate = words[3], zlib.decompressobj()
            self._answer(command)
        elif command in (DEFL_DATA, FLASH_DATA):
            payload = data[16:]
            total = 0xEF
            for byte in payload:
                total ^= byte
            if total != checksum:
                self._answer(command, error=7)
                return
            self._write(self._inflate.decompress(payload) if command == DEFL_DATA else payload)
            self._answer(command)
        elif command == ERASE_FLASH:
            self.flash[:] = b"\xff" * FLASH
            self.erased = True
            self._answer(command)
        elif command == FLASH_MD5:
            digest = hashlib.md5(self.flash[words[0] : words[0] + words[1]])
            found = bytes(16) if self.bad_md5 else digest.digest()
            self._answer(command, data=found if self._stub else found.hex().encode())
            self.on_checked()
        elif command in (
            WRITE_REG,
            MEM_BEGIN,
            MEM_DATA,
            DEFL_END,
            FLASH_END,
            SPI_SET_PARAMS,
            SPI_ATTACH,
            CHANGE_BAUDRATE,
        ):
            self._answer(command)
        else:
            self._answer(command, error=5)

    def _write(self, data: bytes) -> None:
        self.flash[self._at : self._at + len(data)] = data
        self._at += len(data)
        self.written += len(data)
