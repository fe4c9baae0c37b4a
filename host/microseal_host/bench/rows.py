"""One figure of a benchmark, whatever it is of; and the table of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.table import Table

from . import cores, m0
from .published import Figure

CYCLES, PER_BYTE, INSTRUCTIONS, MS, RATE, BYTES = "cycles", "cycles/byte", "instructions", "ms", "per second", "bytes"


@dataclass(frozen=True)
class Row:
    """where: what was measured; value: in `unit`; stack: bytes, 0 if not known; goal, published: in the same unit.

    spent: where the time goes, in parts of 1.
    """

    where: str
    name: str
    value: float
    unit: str
    stack: int = 0
    goal: float | None = None
    published: Figure | None = None
    spent: dict[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value >= self.goal if self.unit == RATE else self.value <= self.goal

    def as_json(self) -> dict[str, object]:
        published = self.published and {"value": self.published.cycles, "source": self.published.source}
        return {
            "where": self.where,
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "stack": self.stack or None,
            "goal": self.goal,
            "met": self.met,
            "published": published,
            "spent": self.spent or None,
        }


def of_m0(row: m0.Row) -> Row:
    return Row("Cortex-M0+", row.name, row.cycles, row.unit, row.stack, row.target, row.published)


def of_core(where: str, row: cores.Row) -> list[Row]:
    """Instructions with the goal for them and, where there is a model, cycles with what is published of them."""
    name = row.name + ("" if row.suite == 1 else ", SM2")
    if row.cycles is None:
        return [Row(where, name, row.instructions, INSTRUCTIONS, row.stack, row.goal, row.published)]
    found = [Row(where, name, row.instructions, INSTRUCTIONS, row.stack, row.goal)]
    return [*found, Row(where, name, row.cycles, CYCLES, row.stack, None, row.published)] if row.published else found


def table(rows: Iterable[Row]) -> Table:
    """All of them, with a line between the parts."""
    shown = Table(
        *("", "operation", "", "unit", "stack", "goal", "", "published", "", "source"), box=None, pad_edge=False
    )
    for column in (2, 4, 5, 6, 7, 8):
        shown.columns[column].justify = "right"
    before = None
    for row in rows:
        if before is not None and row.where != before.where:
            shown.add_section()
            shown.add_row()
        first = before is None or row.where != before.where
        shown.add_row(
            row.where if first else "",
            row.name,
            _number(row.value, row.unit),
            row.unit,
            f"{row.stack:,}" if row.stack else "",
            *(("", "") if row.goal is None else (_number(row.goal, row.unit), _verdict(row))),
            *(
                ()
                if row.published is None
                else (
                    _number(row.published.cycles, row.unit),
                    _percent(row.value, row.published.cycles),
                    row.published.source,
                )
            ),
        )
        if row.spent:
            parts = sorted(row.spent.items(), key=lambda part: -part[1])
            shown.add_row("", "  " + ", ".join(f"{name} {100 * part:.0f} %" for name, part in parts))
        before = row
    return shown


def _number(value: float, unit: str) -> str:
    digits = 1 if unit == PER_BYTE or unit == MS and value < 1000 else 0
    return f"{value:,.{digits}f}"


def _percent(value: float, other: float) -> str:
    return f"{100 * value / other:.0f} %"


def _verdict(row: Row) -> str:
    assert row.goal is not None
    return f"{'met' if row.met else 'missed'}: {_percent(row.value, row.goal)}"
