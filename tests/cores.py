"""The bare-metal builds of the core for a Cortex-M4 and RV32IMC, made once a test run."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def elves() -> None:
    """The ELF files, up to date. Workers that run at once make them one after the other."""
    lock = ROOT / "build" / "cores.lock"
    lock.parent.mkdir(exist_ok=True)
    command = ["flock", lock, "make", "--no-print-directory", "-C", ROOT / "firmware/native", "cores"]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
