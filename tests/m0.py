"""The bare-metal builds of the core for a Cortex-M0+, made once a test run."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from microseal_host.bench import m0

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def elves() -> Path:
    """The folder of the ELF files, up to date. Workers that run at once make them one after the other."""
    lock = ROOT / "build" / "m0.lock"
    lock.parent.mkdir(exist_ok=True)
    command = ["flock", lock, "make", "--no-print-directory", "-C", ROOT / "firmware/native", "m0"]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    return m0.ELVES
