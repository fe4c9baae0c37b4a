"""Instructions of the native core on a Cortex-M4 and on RV32IMC, counted in the ELF files that `make -C firmware/native cores` writes.

On the Cortex-M4 also cycles, in the model of processors.py. Inputs and checks are those of m0.py, so that operations compare.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from . import m0
from .processors import CortexM4, Processor, RiscV32
from .published import CORES, Figure

ELVES = Path(__file__).resolve().parents[3] / "build/native/cores"
PROCESSORS: dict[str, type[Processor]] = {"m4": CortexM4, "rv32": RiscV32}

# Instructions of a call that were aimed for, in suite 1.
OPERATIONS = ("X(k*P)", "k*G", "verify")
GOALS = {"m4": 1_100_000, "rv32": 3_000_000, "xtensa": 3_000_000}


@dataclass
class Row:
    """One operation of suite 1 or 2 on a processor. cycles: in the model, if there is one; stack: bytes, 0 if not known."""

    core: str
    name: str
    suite: int
    instructions: int
    cycles: int | None
    stack: int
    goal: int | None = None
    published: Figure | None = None

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.instructions <= self.goal

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "met": self.met}


def load(name: str, parts: bool = False, watched: bool = False) -> m0.Core:
    """The core for "m4" or "rv32"; parts: with every function by itself instead of as in the .mpy."""
    return m0.Core(ELVES / f"{name}{'_parts' if parts else ''}.elf", watched, PROCESSORS[name]())


def row(name: str, operation: str, suite: int, instructions: int, cycles: int | None = None, stack: int = 0) -> Row:
    """What was counted, with its goal and published figure."""
    goal = GOALS[name] if suite == 1 and operation in OPERATIONS else None
    published = CORES.get((name, operation)) if suite == 1 else None
    return Row(name, operation, suite, instructions, cycles, stack, goal, published)


def measure(name: str, suites: tuple[int, ...] = (1, 2)) -> list[Row]:
    core = load(name)
    rows = []
    for suite in suites:
        for operation, run in m0.points(core, suite).items():
            m0.checked(*run())
            counts = core.counts
            cycles = counts.cycles if name == "m4" else None
            rows.append(row(name, operation, suite, counts.instructions, cycles, counts.stack))
    return rows


def measure_parts(name: str) -> list[Row]:
    """The field modulo p of each curve."""
    core = load(name, parts=True)
    rows = []
    for suite in (1, 2):
        for function, counts in m0.parts(core, suite):
            cycles = counts.cycles if name == "m4" else None
            rows.append(Row(name, function, suite, counts.instructions, cycles, counts.stack))
    return rows
