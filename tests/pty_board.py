"""Boards on a cable, for tests: MicroPython's Unix port on a PTY, with a REPL as a board has it, that can be unplugged and reset."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import re
import select
import signal
import subprocess
import termios
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class PtyBoard:
    """port: a symbolic link to its PTY, the same path after each `plug`; flash: its file system; sent, received: every byte that
    went over the cable, as the board sees it: `received` is what came to it.
    """

    def __init__(self, folder: Path, *, package: bool = True, heap: str = "2M") -> None:
        self.flash = folder / "flash"
        self.flash.mkdir(parents=True, exist_ok=True)
        self.port = folder / "port"
        self.sent = bytearray()
        self.received = bytearray()
        self.environment: dict[str, str] = {}
        self._heap = heap
        self._package = package
        self._process: subprocess.Popen[bytes] | None = None
        self._outer = self._inner = self._wake = -1
        self._lock = threading.Lock()
        self._damage: tuple[str, str, random.Random] | None = None
        self.plug()

    def plug(self) -> None:
        """Power and port are there: it starts."""
        self._outer, there = pty.openpty()
        attributes = termios.tcgetattr(there)
        attributes[0] = attributes[1] = attributes[3] = 0
        termios.tcsetattr(there, termios.TCSANOW, attributes)
        self._there = there  # open: without it the port would be gone whenever no program has it
        self._stop, self._wake = os.pipe()
        self._boot()
        self._copier = threading.Thread(target=self._copy, daemon=True)
        self._copier.start()
        self.port.unlink(missing_ok=True)
        self.port.symlink_to(os.ttyname(there))

    def _boot(self) -> None:
        master, slave = pty.openpty()
        settings = termios.tcgetattr(slave)
        settings[0] = 0  # input: every byte as it is
        settings[1] = termios.OPOST | termios.ONLCR  # what print writes is cooked, as on a board
        settings[3] = termios.ISIG | termios.NOFLSH  # Ctrl-C interrupts
        settings[6][termios.VQUIT] = settings[6][termios.VSUSP] = b"\0"
        settings[6][termios.VMIN], settings[6][termios.VTIME] = 1, 0
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        firmware = [ROOT / "firmware", ROOT / "firmware/native/dist/x64_6.3", ROOT / "build/lib"] * self._package
        environment = {"PATH": os.defpath, "MICROPYPATH": ":".join(["", *map(str, firmware), ".frozen"])}
        self._process = subprocess.Popen(
            # Ctrl-C is for who has the terminal.
            [
                "setsid",
                "--ctty",
                ROOT / ".venv/bin/micropython",
                "-X",
                f"heapsize={self._heap}",
                ROOT / "tests/repl_board.py",
            ],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=self.flash,
            env=environment | self.environment,
        )
        os.close(slave)
        select.select([master], [], [], 10)  # until then an interrupt would end it
        with self._lock:
            self._inner = master

    def _kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _copy(self) -> None:
        """The cable. Bytes to a board that is just starting are lost, as they are on a real one."""
        while True:
            with self._lock:
                inner = self._inner
            ends = [self._stop, self._outer] + [inner] * (inner >= 0)
            ready = select.select(ends, [], [], 0.05)[0]
            if self._stop in ready:
                return
            with contextlib.suppress(OSError):
                if inner in ready:
                    data = self._hurt("up", os.read(inner, 4096))
                    self.sent += data
                    os.write(self._outer, data)
            with contextlib.suppress(OSError):
                if self._outer in ready:
                    data = self._hurt("down", os.read(self._outer, 4096))
                    self.received += data
                    if inner >= 0:
                        self._deliver(inner, data)

    def _deliver(self, inner: int, data: bytes) -> None:
        """The Unix port ends at a second interrupt that comes before it has seen the first one."""
        data = data.replace(b"\x03\x03", b"\x03")
        for piece in re.findall(b"[^\x03]+|\x03", data):
            if piece == b"\x03":
                self._await_rest()
            os.write(inner, piece)
            if piece == b"\x03":
                time.sleep(0.02)

    def _await_rest(self) -> None:
        """Until the interpreter waits for something, or for a quarter of a second: a program may never do so.

        Its handler of the interrupt jumps out of whatever it finds, malloc as well, and leaves the C library's lock behind.
        """
        assert self._process is not None
        end = time.monotonic() + 0.25
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0] in "ST":
                    return
            time.sleep(0.005)

    def reset(self) -> None:
        """It starts anew, and the port stays: a board behind a USB-UART chip, or one that its watchdog has reset."""
        with self._lock:
            old, self._inner = self._inner, -1
        self._kill()
        os.close(old)
        self._boot()

    def unplug(self) -> None:
        """Power and port are gone at once."""
        if self._outer < 0:
            return
        self._kill()
        os.write(self._wake, b".")
        self._copier.join()
        for descriptor in (self._outer, self._there, self._inner, self._stop, self._wake):
            os.close(descriptor)
        self._outer = self._inner = -1
        self.port.unlink()

    def freeze(self) -> None:
        """It is there, and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def damage(self, direction: str, how: str, rng: random.Random) -> None:
        """The next 20 bytes or more that go this way ("up" or "down") get hurt: change, drop, insert or cut."""
        self._damage = direction, how, rng

    @property
    def damaged(self) -> bool:
        """Whether that is still to come."""
        return self._damage is not None

    def _hurt(self, direction: str, data: bytes) -> bytes:
        if self._damage is None or self._damage[0] != direction or len(data) < 20:
            return data
        (_, how, rng), self._damage = self._damage, None
        at = rng.randrange(len(data))
        if how == "change":
            return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        if how == "drop":
            return data[:at] + data[at + 1 :]
        if how == "insert":
            junk = bytes(byte for byte in rng.randbytes(100) if byte not in (3, 10, 13))
            return data[:at] + junk + data[at:]
        return data[:at]

    def close(self) -> None:
        self.unplug()
