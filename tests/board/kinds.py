"""The boards that tests/board runs on: an emulated Pico, MicroPython's Unix port, or a real one on a port.

Each is MicroPython behind a serial port with the same files on its flash. What one of them cannot do is in `lacks`, with the reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

import pytest

from microseal_host.board import install, package
from microseal_host.board.emulated import EmulatedPico
from microseal_host.board.link import Link
from pty_board import PtyBoard
from test_core_backend import C_ONLY, VECTORS

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for path in VECTORS if path.stem not in C_ONLY]
SILENT = 300  # s without a byte: an emulated chip on a busy machine may compute for a minute

POWER = "cutting its power"
WEAR = "counting what is written to its flash"
CYCLES = "counting cycles"


def test_files() -> package.Files:
    """What the tests need on a board besides its firmware's files, and where."""
    source = ROOT / "tests/core_cases.py"
    vectors = {f"vectors/{path.name}": some_of_each(path.read_text()).encode() for path in FILES}
    return {"core_cases.mpy": package.compile_file(source, source.name), **vectors}


def some_of_each(text: str) -> str:
    """Of a file of vectors, a case for each operation and suite, and one that is to be refused: a chip takes a second for some."""
    chosen: dict[tuple[str, bool, bool], str] = {}
    for case in text.split("\n\n"):
        lines = [line for line in case.splitlines() if line and not line.startswith("#")]
        if lines:
            chosen[lines[0], "suite 02" in lines, "error" in lines] = "\n".join(lines)
    return "\n\n".join(chosen.values()) + "\n"


class Board(ABC):
    """name: as --board has it; port: where its REPL is; lacks: what it cannot do -> why."""

    name: str
    lacks: dict[str, str]

    def __init__(self) -> None:
        self._link: Link | None = None
        self._prelude = ""

    def __enter__(self) -> Self:
        self.power_on()
        return self

    def __exit__(self, *ended: object) -> None:
        self.release()
        self.close()

    @property
    @abstractmethod
    def port(self) -> str: ...

    @abstractmethod
    def power_on(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def power_off(self) -> None:
        raise NotImplementedError

    def cut_power(self, operations: int) -> None:
        """Cuts the power half-way through the erase or program of the flash that comes `operations` from now."""
        raise NotImplementedError

    def wait_off(self, seconds: float) -> bool:
        raise NotImplementedError

    def flash_operations(self) -> tuple[int, int]:
        """(erases, programs) since it was switched on."""
        raise NotImplementedError

    def need(self, ability: str) -> None:
        """Skips the test where the board lacks it."""
        if ability in self.lacks:
            pytest.skip(f"{self.name}, {ability}: {self.lacks[ability]}")

    def exec(self, code: str, seconds: float = SILENT) -> str:
        """Runs code in the REPL; what it prints. Names and imported modules last until fresh() or the power goes."""
        if self._link is None:
            self._link = Link(self.port, patience=30)
            self._link.enter(soft_reset=False, seconds=120)
        return self._link.exec(code, seconds)

    def begin(self, code: str) -> None:
        """Starts code, and does not wait for it."""
        self.exec("pass")
        assert self._link is not None
        self._link._transport.exec_raw_no_follow(code)

    def fresh(self) -> None:
        """An empty heap, and no module imported."""
        if self._link is None:
            self._link = Link(self.port, patience=30)
        self._link.enter(soft_reset=True, seconds=120)

    def release(self) -> None:
        """Leaves the port to another program."""
        link, self._link = self._link, None
        if link is not None:
            link.close()


class Pico(Board):
    """The emulated one."""

    name = "pico_emulated"
    lacks: dict[str, str] = {}

    def __init__(self, folder: Path) -> None:
        super().__init__()
        files = package.collect("armv6m", "6.3")
        # Started by the tests that want it: it would take the port for its own.
        files["started_by_tests.py"] = files.pop(package.START)
        # umqtt.simple imports it at once, and this firmware has none.
        files |= {f"lib/{name}.py": b"" for name in ("socket", "usocket")}
        self.pico = EmulatedPico.make(folder / "flash", files={**files, **test_files()}, link=folder / "port")

    @property
    def port(self) -> str:
        return self.pico.port

    def power_on(self) -> None:
        self.pico.start()

    def power_off(self) -> None:
        self.release()
        self.pico.kill()

    def close(self) -> None:
        self.pico.kill()

    def cut_power(self, operations: int) -> None:
        self.pico.cut_power(operations)

    def wait_off(self, seconds: float) -> bool:
        return self.pico.wait_off(seconds)

    def flash_operations(self) -> tuple[int, int]:
        count = self.pico.count()
        return count.erases, count.programs


class Unix(Board):
    """MicroPython on this machine. Its flash is a folder."""

    name = "unix"
    lacks = {
        POWER: "a process that is killed loses nothing of a file once it is written; tests/test_powercut.py cuts between the writes",
        WEAR: "its file system is the host's",
        CYCLES: "the processor is the host's",
    }

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._board = PtyBoard(folder, heap="512k")
        for path, content in test_files().items():
            (self._board.flash / path).parent.mkdir(parents=True, exist_ok=True)
            (self._board.flash / path).write_bytes(content)

    @property
    def port(self) -> str:
        return str(self._board.port)

    def power_on(self) -> None:
        """It is on from the beginning."""

    def close(self) -> None:
        self._board.close()


class Real(Board):
    """Whatever is on that port. Its files of microseal become those of this checkout, and its identity that of the tests."""

    lacks = {
        POWER: "nobody pulls its plug for a test",
        WEAR: "its flash does not tell",
    }

    def __init__(self, port: str) -> None:
        super().__init__()
        self.name = port
        self._port = port

    @property
    def port(self) -> str:
        return self._port

    def power_on(self) -> None:
        self.fresh()
        assert self._link is not None
        running = install.ask(self._link)
        files = package.collect(running.arch, running.abi)
        files["started_by_tests.py"] = files.pop(package.START)
        install.install(self._link, {**files, **test_files()}, lambda done, total: None)
        self.fresh()

    def close(self) -> None:
        """It stays as it is."""


def make(name: str, folder: Path) -> Board:
    """The board of that name, without power; pytest.UsageError if there is none."""
    if name == Pico.name:
        return Pico(folder)
    if name == Unix.name:
        return Unix(folder)
    if name.startswith(("/dev/", "socket://", "COM")) or Path(name).exists():
        return Real(name)
    raise pytest.UsageError(f"--board {name}: pico_emulated, unix, or a port such as /dev/ttyACM0")
