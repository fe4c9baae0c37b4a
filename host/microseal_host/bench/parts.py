"""What `microseal bench` can measure. A tool that is missing is a Failure that says how to get it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ..failure import NOT_READY, Failure
from .rows import BYTES, Row

ROOT = Path(__file__).resolve().parents[3]
_TARGETS = {"m0": "m0", "m4": "cores", "rv32": "cores"}


def _build(target: str) -> None:
    """`make TARGET` of the native core."""
    environment = {**os.environ, "PATH": f"{ROOT / '.venv/bin'}:{os.environ.get('PATH', os.defpath)}"}
    command = ["make", "--silent", "--no-print-directory", "-C", str(ROOT / "firmware/native"), target]
    (ROOT / "build").mkdir(exist_ok=True)
    try:
        # One at a time, and not while the tests of this checkout build the same.
        with (ROOT / f"build/{target}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failure(f"cannot run make: {error.strerror}", "scripts/setup.sh", NOT_READY) from None
    if done.returncode:
        last = "\n  ".join((done.stdout + done.stderr).strip().splitlines()[-4:])
        raise Failure(
            f"make {target} in firmware/native failed:\n  {last}",
            "scripts/setup_boards.sh installs the compilers of all boards",
            NOT_READY,
        )


def host(seconds: float, workers: int) -> Iterator[Row]:
    _build("host")
    from . import host

    yield from host.measure(seconds, workers)


def device(seconds: float) -> Iterator[Row]:
    from ..board import package
    from ..sim.broker import BrokerError
    from . import device

    package.native_module("x64", "6.3")
    try:
        yield from device.measure(seconds)
    except BrokerError as error:
        raise Failure(str(error), code=NOT_READY) from None


def chip(name: str, field: bool) -> Iterator[Row]:
    """Operations and bytes of code of "m0", "m4" or "rv32"; field: its field's functions instead."""
    try:
        from . import cores, m0, rows
    except ImportError as error:
        raise Failure(f"{error.name} is not installed", "run scripts/setup.sh --test", NOT_READY) from None
    _build(_TARGETS[name])
    if name == "m0":
        where = "Cortex-M0+"
        core = m0.Core(m0.ELVES / "core.elf")
        for row in m0.measure_parts(m0.Core(m0.ELVES / "parts.elf")) if field else m0.measure(core):
            yield rows.of_m0(row)
    else:
        where, core = cores.PROCESSORS[name].name, cores.load(name)
        for each in cores.measure_parts(name) if field else cores.measure(name):
            yield from rows.of_core(where, each)
    if not field:
        code = m0.code_bytes(core)
        yield Row(where, "code and constants, both suites", code["code"] + code["constants"], BYTES)


def xtensa() -> Iterator[Row]:
    from . import cores, rows

    command = [sys.executable, str(ROOT / "scripts/count_xtensa.py"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it did not run"])[-1]
        raise Failure(last.removeprefix("count_xtensa: "), "scripts/setup_xtensa.sh", NOT_READY)
    for row in json.loads(done.stdout)["rows"]:
        counted = cores.row("xtensa", row["name"], row["suite"], row["instructions"])
        yield from rows.of_core("Xtensa, LLVM", counted)


def pico() -> Iterator[Row]:
    from . import board

    yield from board.emulated()


def board(port: str) -> Iterator[Row]:
    from . import board

    yield from board.on_port(port)
