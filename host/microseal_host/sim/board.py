"""The simulated board as its file in boards/ describes it, and a device: a process with a folder for its flash."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from microseal_host.failure import NOT_READY, Failure
from microseal_host.sim.children import Child, Children

MPY_ABI = "6.3"
CLAIM = "claim.json"  # where firmware/main.py looks for it


@dataclass(frozen=True)
class Board:
    """root: the checkout; interpreter: MicroPython's executable; modules: the folder of the native module."""

    root: Path
    interpreter: Path
    modules: Path
    heap_kib: int

    @classmethod
    def load(cls, file: Path) -> Board:
        """Reads a file of boards/; Failure if it is none, or what it names has not been installed."""
        try:
            document = tomllib.loads(file.read_text())
            path, arch = document["firmware"]["path"], document["mpy_arch"]
            heap_kib = int(document["memory"]["heap_kib"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failure(f"{file} is not the file of a simulated board: {error!r}") from None
        root = file.resolve().parent.parent
        board = cls(root, root / path, root / f"firmware/native/dist/{arch}_{MPY_ABI}", heap_kib)
        for part in (board.interpreter, board.modules / "microseal_core.mpy", root / "build/lib/umqtt/simple.py"):
            if not part.exists():
                raise Failure(f"{part} is not there", "run scripts/setup.sh, or start with ./flash.sh sim", NOT_READY)
        return board

    def start(self, children: Children, device: str, flash: Path) -> Child:
        """Starts firmware/main.py, as a board does, with `flash` as the file system it writes to.

        Its console goes to console.log there.
        """
        path = [self.root / "firmware", self.modules, self.root / "build/lib"]
        environment = {
            "MICROPYPATH": ":".join([*map(str, path), ".frozen"]),
            # The rest of this process's environment is nothing that a board would have.
            "PATH": os.defpath,
        }
        command = [self.interpreter, "-X", f"heapsize={self.heap_kib}k", self.root / "firmware/main.py"]
        return children.start(device, command, flash / "console.log", cwd=flash, env=environment)


def write_claim(flash: Path, claim: str) -> None:
    """Makes the device's flash with the claim file in it: what `flash` does over the cable with a real board."""
    flash.mkdir(mode=0o700)
    descriptor = os.open(flash / CLAIM, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(claim)
