"""The process that is an emulated Pico: an RP2040 whose flash is a file and whose USB cable ends in a PTY.

What rp2040py lacks for a board that is to be used like one is added here. Every erase and every program goes to the file at once, so
killing the process is a power cut. The USB host answers the firmware's polls only when it has something for it, as a real one does; an
empty answer every few µs would keep the chip from ever sleeping. And while the chip sleeps, its clock goes no faster than the wall's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import signal
import sys
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rp2040py.boards import BoardSpec
from rp2040py.device.base_device import BaseDevice
from rp2040py.peripherals.ssi import CMD_BLOCK_ERASE, CMD_PAGE_PROGRAM, CMD_SECTOR_ERASE, FLASH_BLOCK_SIZE

from .emulated_flash import FLASH_BYTES, SECTOR_BYTES

_LOOK_NANOS = 2_000_000  # how far the chip's clock may get ahead of the wall's
_OUTPUT = 1 << 20  # bytes that wait for somebody to read them; more are lost, as on a port that nobody opens
_PAGE = 256  # bytes that one program writes at most


class _Parked(list):
    """The PIO blocks, which nothing here uses: still there to be reset, but not stepped at every instruction."""

    def __iter__(self) -> Any:
        return iter(())


class Flash:
    """Writes through to the file what the chip's flash controller does. erases, programs: how many were done since the start."""

    def __init__(self, ssi: Any, chip_flash: Any, path: Path) -> None:
        self.erases = self.programs = 0
        self._ssi, self._chip = ssi, chip_flash
        self._cut: int | None = None
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"{path} is in use: another emulated Pico runs from it") from None
        content = os.pread(self._file, FLASH_BYTES, 0)
        if len(content) != FLASH_BYTES:
            raise SystemExit(f"{path} is not an emulated Pico's flash: it has {len(content)} bytes, not {FLASH_BYTES}")
        chip_flash[:FLASH_BYTES] = content
        self._apply = ssi._apply_command
        # Looked up on the instance at the end of every command.
        ssi._apply_command = self._on_command

    def cut_power(self, operations: int) -> None:
        """Cuts the power half-way through the erase or program that comes `operations` from now (1: the next)."""
        self._cut = operations

    def _on_command(self) -> None:
        where = self._extent()
        self._apply()
        if where is None:
            return
        start, length = where
        if self._cut is not None:
            self._cut -= 1
            if not self._cut:
                os.pwrite(self._file, self._chip[start : start + length // 2], start)
                os.kill(os.getpid(), signal.SIGKILL)
        os.pwrite(self._file, self._chip[start : start + length], start)

    def _extent(self) -> tuple[int, int] | None:
        """Where the command that just ended changes the flash: (offset, bytes)."""
        command = self._ssi._tx_buffer
        if len(command) < 4 or not self._ssi._write_enabled:
            return None
        address = int.from_bytes(command[1:4], "big")
        if command[0] in (CMD_SECTOR_ERASE, CMD_BLOCK_ERASE):
            self.erases += 1
            size = SECTOR_BYTES if command[0] == CMD_SECTOR_ERASE else FLASH_BLOCK_SIZE
            return address & ~(size - 1), size
        if command[0] == CMD_PAGE_PROGRAM and len(command) > 4:
            self.programs += 1
            return address, min(len(command) - 4, _PAGE)
        return None


class Cable:
    """The USB host's end of the serial line, joined to the PTY."""

    def __init__(self, cdc: Any) -> None:
        self._cdc, self._usb = cdc, cdc.usb
        self._waiting: int | None = None  # bytes that the chip has room for, while it has asked and nothing was there
        self._input = bytearray()
        self._output = bytearray()
        self._chip_reads = self._usb.on_endpoint_read
        self._usb.on_endpoint_read = self._on_endpoint_read
        self._reset = self._usb.on_reset
        self._usb.on_reset = self._on_reset
        cdc.on_serial_data = self._on_output
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        asyncio.get_running_loop().add_reader(self._master, self._on_input)

    def _on_endpoint_read(self, endpoint: int, size: int) -> None:
        if endpoint and endpoint == self._cdc._out_endpoint:
            self._waiting = size
            self._deliver()
        else:
            self._chip_reads(endpoint, size)

    def _on_reset(self) -> None:
        self._waiting = None
        self._input.clear()
        self._reset()

    def _on_input(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                self._input += os.read(self._master, 4096)
            except OSError as error:
                if error.errno != errno.EIO:  # nobody has the other end open
                    raise
        self._deliver()

    def _deliver(self) -> None:
        if self._waiting is not None and self._input:
            chunk = bytes(self._input[: self._waiting])
            del self._input[: len(chunk)]
            self._waiting = None
            self._usb.endpoint_read_done(self._cdc._out_endpoint, chunk)
        # The PTY itself holds back a sender that the chip does not keep up with.
        loop = asyncio.get_running_loop()
        if len(self._input) > 4096:
            loop.remove_reader(self._master)
        else:
            loop.add_reader(self._master, self._on_input)

    def _on_output(self, data: bytes | bytearray) -> None:
        self._output += data
        del self._output[:-_OUTPUT]
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._output:
                del self._output[: os.write(self._master, self._output)]
        except BlockingIOError:
            loop.add_writer(self._master, self._flush)
        else:
            loop.remove_writer(self._master)


class Chip(BaseDevice):
    """An RP2040 that runs what is in the flash file."""

    def __init__(self, path: Path) -> None:
        # There is no image to load: the flash has it already.
        super().__init__(board=BoardSpec(image=os.devnull))
        self.mcu.pio = _Parked(self.mcu.pio)
        self.flash = Flash(self.mcu.ssi, self.mcu.flash, path)
        self.cable: Cable | None = None
        self._pace = self.mcu.clock.create_alarm(self._on_pace)
        self._ahead = 0.0
        self._origin = 0.0
        # simulator.execute would run the idle chip's clock as fast as it can.
        self.simulator.execute = self._execute  # type: ignore[method-assign]

    async def run(self, ready: Callable[[str], None]) -> None:
        """Boots, calls ready(port), and runs until it is cancelled or breaks."""
        self.cable = Cable(self.cdc)
        await self.astart(60)
        ready(self.cable.port)
        task = self.simulator._execute_task
        assert task is not None
        await task

    async def _execute(self) -> None:
        simulator = self.simulator
        self._origin = time.monotonic() - self.mcu.clock.nanos / 1e9
        self._on_pace()
        while True:
            simulator.stopped = False
            simulator._execute_batch()
            if self._ahead > 0:
                await asyncio.sleep(self._ahead)
                self._ahead = 0.0
            else:
                await asyncio.sleep(0)

    def _on_pace(self) -> None:
        """Ends the batch when the chip's clock is ahead of the wall's; when it is behind, that is forgotten.

        It never catches up: seconds that pass in no time would end every wait for an answer before the answer can come.
        """
        now = time.monotonic()
        ahead = self.mcu.clock.nanos / 1e9 - (now - self._origin)
        if ahead > 0:
            self._ahead = ahead
            self.simulator.stopped = True
        else:
            self._origin -= ahead
        self._pace.schedule(_LOOK_NANOS)


async def _obey(chip: Chip) -> None:
    """Commands on standard input, a line each: count, cut N, reset. Its end is the end of the emulator."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        match line.decode().split():
            case ["count"]:
                clock = chip.mcu.clock.nanos // 1000
                print("count", chip.flash.erases, chip.flash.programs, chip.mcu.core.cycles, int(clock), flush=True)
            case ["cut", number]:
                chip.flash.cut_power(int(number))
                print("cut", flush=True)
            case ["reset"]:
                chip.hard_reset()
                print("reset", flush=True)
            case words:
                print("unknown", *words, flush=True)


async def run(flash: Path, ready: Callable[[str], None]) -> None:
    """An emulated Pico on this flash, until standard input ends."""
    chip = Chip(flash)
    ends = [asyncio.ensure_future(chip.run(ready)), asyncio.ensure_future(_obey(chip))]
    done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    # Nothing is to be saved, and rp2040py's loop would only be told to stop at the end of its batch.
    sys.stdout.flush()
    os._exit(0)
