#!/usr/bin/env python3
"""Cycles, stack and code of the native core on a Cortex-M0+ (RP2040), counted in an emulator; beside them what others have published.

    .venv/bin/python scripts/bench_m0.py [--plain] [--parts] [--json]

Builds what it measures with `make -C firmware/native m0`, which needs gcc-arm-none-eabi. Counts are the same in every run;
how they are made: host/microseal_host/bench/machine.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from microseal_host.bench import m0

ROOT = Path(__file__).resolve().parent.parent


def percent(found: float, other: float) -> str:
    return f"{100 * found / other:.0f} %"


def show(rows: list[m0.Row], code: dict[str, int]) -> None:
    table = Table("Cortex-M0+", "cycles", "stack", "target", "", "published", "", "source", box=None, pad_edge=False)
    for column in (1, 2, 3, 4, 5, 6):
        table.columns[column].justify = "right"
    for row in rows:
        digits = ",.0f" if row.unit == "cycles" else ",.1f"
        target = [] if row.target is None else [f"{row.target:,.0f}", percent(row.cycles, row.target)]
        figure = row.published
        known = [] if figure is None else [f"{figure.cycles:,.0f}", percent(row.cycles, figure.cycles), figure.source]
        table.add_row(
            row.name + ("" if row.unit == "cycles" else ", a byte"),
            format(row.cycles, digits),
            f"{row.stack:,}" if row.stack else "",
            *(target or ["", ""]),
            *known,
        )
    console = Console(width=150)
    console.print(table)
    console.print("bytes: " + ", ".join(f"{name} {size:,}" for name, size in code.items()), soft_wrap=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--plain", action="store_true", help="measure the core without its assembly")
    parser.add_argument("--parts", action="store_true", help="measure field and point functions instead of operations")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    made = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT / "firmware/native", "m0"],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if made.returncode:
        print(made.stdout, file=sys.stderr)
        return 1
    core = m0.Core(m0.ELVES / ("core_c.elf" if args.plain else "core.elf"))
    rows = m0.measure_parts(m0.Core(m0.ELVES / "parts.elf")) if args.parts else m0.measure(core)
    code = m0.code_bytes(core)
    if args.json:
        print(json.dumps({"rows": [row.as_json() for row in rows], "code": code}))
    else:
        show(rows, code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
