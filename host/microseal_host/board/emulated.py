"""An emulated Pico: MicroPython's own RP2040 firmware, native modules and flash included, behind a serial port.

By hand, see docs/emulated.md:  python -m microseal_host.board.emulated FLASH
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ..failure import NOT_READY, Failure
from . import emulated_flash

BOOT = 60  # s until the USB port must be there; it takes well under one on an idle machine


@dataclass(frozen=True)
class Count:
    """What the chip has done since it was started."""

    erases: int  # sectors of flash
    programs: int  # pages of flash
    cycles: int  # of the processor, asleep ones not counted
    micros: int  # of its clock


class EmulatedPico:
    """A Pico on the desk: `port` is what its cable is plugged into while it has power. Context manager.

    flash: its flash file, see make(). link: where a symbolic link to the port is kept, the same one after each start.
    """

    def __init__(self, flash: Path, link: Path | None = None) -> None:
        self.flash = flash
        self.link = link
        self.port = ""
        self._process: subprocess.Popen[str] | None = None
        self._answers: deque[str] = deque()

    @classmethod
    def make(
        cls,
        flash: Path,
        firmware: Path | None = None,
        files: Mapping[str, bytes] | None = None,
        link: Path | None = None,
    ) -> EmulatedPico:
        """A new board: firmware (a UF2 file; None: the one that scripts/setup_pico.sh built) and files (path -> content)."""
        emulated_flash.write_uf2(flash, firmware or emulated_flash.firmware())
        if files:
            emulated_flash.write_files(flash, files)
        return cls(flash, link)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Plugs it in; returns the port. Failure if it does not come up."""
        check_installed()
        if self.running:
            return self.port
        self.kill()
        command = [sys.executable, "-P", "-m", __name__, str(self.flash)]
        if self.link is not None:
            command += ["--link", str(self.link)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self._read(BOOT)
        if not line.startswith("port "):
            raise Failure(f"the emulated Pico does not start: {self._last_words()}")
        self.port = str(self.link) if self.link is not None else line.split()[1]
        return self.port

    def kill(self) -> None:
        """Cuts the power, wherever the chip is just now. All that it has written to its flash until then is in the file."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(OSError):  # what was to be sent to it has no reader any more
                    _close(stream)

    def cut_power(self, operations: int) -> None:
        """Cuts the power half-way through the erase or program of its flash that comes `operations` from now (1: the next)."""
        self._ask(f"cut {operations}")

    def wait_off(self, seconds: float) -> bool:
        """Waits until the power is cut, by cut_power; whether it was."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.running

    def reset(self) -> None:
        """As its RESET button would."""
        self._ask("reset")

    def count(self) -> Count:
        return Count(*map(int, self._ask("count").split()[1:]))

    def _ask(self, command: str) -> str:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except OSError:
            raise Failure(f"the emulated Pico is off: {self._last_words()}") from None
        answer = self._read(30)
        if not answer.startswith(command.split()[0]):
            raise Failure(f"the emulated Pico does not answer: {answer or self._last_words()}")
        return answer

    def _read(self, seconds: float) -> str:
        """The next line of its output, "" if it ends; it is killed when none comes in time."""
        assert self._process is not None and self._process.stdout is not None
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            return self._process.stdout.readline().strip()
        finally:
            timer.cancel()

    def _last_words(self) -> str:
        assert self._process is not None and self._process.stderr is not None
        self._process.kill()
        return (self._process.stderr.read().strip().splitlines() or ["no message"])[-1]


def check_installed() -> None:
    """Failure if the emulator itself is not installed."""
    if importlib.util.find_spec("rp2040py") is None:
        raise Failure("rp2040py, which emulates the chip, is not installed", "run scripts/setup.sh --boards", NOT_READY)


def _close(stream: IO[str] | None) -> None:
    if stream is not None:
        stream.close()


def main() -> None:
    """The emulator's own process, see emulated_chip.run."""
    parser = argparse.ArgumentParser(description="An emulated Pico, until Ctrl-C or the end of standard input.")
    parser.add_argument("flash", type=Path, help="its flash; made with the built firmware if it is not there")
    parser.add_argument("--link", type=Path, help="keep a symbolic link to the port here")
    arguments = parser.parse_args()
    try:
        check_installed()
        if not arguments.flash.exists():
            emulated_flash.write_uf2(arguments.flash, emulated_flash.firmware())
    except Failure as failure:
        print(f"error: {failure}\n       {failure.hint}", file=sys.stderr)
        sys.exit(failure.code)

    def ready(port: str) -> None:
        if arguments.link is not None:
            arguments.link.unlink(missing_ok=True)
            arguments.link.symlink_to(port)
        print("port", port, flush=True)

    import asyncio

    from .emulated_chip import run

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(arguments.flash, ready))


if __name__ == "__main__":
    main()
