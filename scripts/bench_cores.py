#!/usr/bin/env python3
"""Instructions, stack and code of the native core on a Cortex-M4 and on RV32IMC, counted in an emulator; beside them what others take.

    .venv/bin/python scripts/bench_cores.py [--parts] [--json] [m4] [rv32] [xtensa]

Builds what it measures with `make -C firmware/native cores`, which needs gcc-arm-none-eabi and gcc-riscv64-unknown-elf with picolibc.
Counts are the same in every run; cycles are those of the model in host/microseal_host/bench/processors.py: a Cortex-M4 with no wait
states, on which a load takes 2 or, after another one, 1, every product 1, and a branch that is taken 3. Xtensa, which has to be named,
is counted by scripts/count_xtensa.py and needs what that needs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from microseal_host.bench import cores, m0

ROOT = Path(__file__).resolve().parent.parent


def percent(found: float, other: float) -> str:
    return f"{100 * found / other:.0f} %"


def xtensa() -> list[cores.Row]:
    counted = subprocess.run(
        [sys.executable, ROOT / "scripts/count_xtensa.py", "--json"], check=True, stdout=subprocess.PIPE, text=True
    )
    rows = json.loads(counted.stdout)["rows"]
    return [cores.row("xtensa", row["name"], row["suite"], row["instructions"]) for row in rows]


def show(console: Console, name: str, rows: list[cores.Row], code: dict[str, int]) -> None:
    table = Table(
        *(
            cores.PROCESSORS[name].name if name in cores.PROCESSORS else "Xtensa",
            "instructions",
            "cycles",
            "stack",
            "goal",
            "",
            "published",
            "",
            "source",
        ),
        box=None,
        pad_edge=False,
    )
    for column in range(1, 8):
        table.columns[column].justify = "right"
    for row in rows:
        taken = row.cycles or row.instructions
        table.add_row(
            row.name + ("" if row.suite == 1 else ", SM2"),
            f"{row.instructions:,}",
            f"{row.cycles:,}" if row.cycles else "",
            f"{row.stack:,}" if row.stack else "",
            *([f"{row.goal:,}", percent(row.instructions, row.goal)] if row.goal else ["", ""]),
            *(
                [f"{row.published.cycles:,.0f}", percent(taken, row.published.cycles), row.published.source]
                if row.published
                else []
            ),
        )
    console.print(table)
    console.print(f"bytes: code {code['code']:,}, constants {code['constants']:,}\n" if code else "", soft_wrap=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("core", nargs="*", help="m4, rv32, xtensa (default: m4 rv32)")
    parser.add_argument("--parts", action="store_true", help="measure the field's functions instead of operations")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    names = args.core or list(cores.PROCESSORS)
    if unknown := set(names) - {*cores.PROCESSORS, "xtensa"}:
        parser.error(f"there is no core {', '.join(unknown)}")
    made = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT / "firmware/native", "cores"],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if made.returncode:
        print(made.stdout, file=sys.stderr)
        return 1
    console, found = Console(width=150), []
    for name in names:
        code: dict[str, int] = {}
        if name == "xtensa":
            rows = xtensa()
        else:
            rows = cores.measure_parts(name) if args.parts else cores.measure(name)
            code = m0.code_bytes(cores.load(name))
        if args.json:
            found.append({"core": name, "rows": [row.as_json() for row in rows], "code": code})
        else:
            show(console, name, rows, code)
    if args.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
