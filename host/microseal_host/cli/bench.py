"""`microseal bench`: what operations take, here, on a device and on the chips, beside what is published."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..failure import USAGE, Failure
from . import options, output

if TYPE_CHECKING:
    from ..bench.rows import Row

EXAMPLE = (
    "Examples: [bold]microseal bench[/bold] measures host, device, m0, m4 and rv32; [bold]microseal bench m0 --field[/bold] the "
    "field alone; [bold]microseal bench --port /dev/ttyACM0[/bold] a board with microseal on it; "
    "[bold]microseal bench m0 --svg docs/performance.svg[/bold]"
)
PARTS = {
    "host": "messages opened and certificates issued in a second on this machine",
    "device": "messages a second from MicroPython's Unix port through mosquitto, and where their time goes",
    "m0": "cycles on a Cortex-M0+, counted",
    "m4": "instructions and cycles on a Cortex-M4, counted",
    "rv32": "instructions on RV32IMC, counted",
    "xtensa": "instructions on Xtensa, counted; needs scripts/setup_xtensa.sh",
    "pico": "cycles on the emulated Pico, MicroPython included; needs scripts/setup_pico.sh",
}
DEFAULT = ("host", "device", "m0", "m4", "rv32")


def bench(
    parts: Annotated[
        list[str] | None,
        typer.Argument(metavar="PART", help="; ".join(f"{name}: {what}" for name, what in PARTS.items()) + "."),
    ] = None,
    port: Annotated[
        str | None, typer.Option("--port", metavar="PORT", help="The board there, in ms; microseal is on it already.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.01, help="How long each row of host and device takes, about.")
    ] = 2.0,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes that open messages at once; default: one for each core.")
    ] = os.cpu_count() or 1,
    field: Annotated[
        bool, typer.Option("--field", help="On m0, m4 and rv32: the field's functions instead of operations.")
    ] = False,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw m0 beside what is published.")] = None,
    as_json: options.Json = False,
) -> None:
    """Measure, beside goals and what others have published.

    Counts of cycles and instructions are the same in every run and on every
    machine; times are this machine's. Exits 0 also where a goal is missed:
    the table says so.
    """
    for part in parts or ():
        if part not in PARTS:
            raise Failure(f"there is no part {part}", f"these are: {', '.join(PARTS)}", USAGE)
    chosen = list(dict.fromkeys(parts or (() if port else DEFAULT)))
    if svg is not None and ("m0" not in chosen or field):
        raise Failure("--svg draws the operations of m0", "microseal bench m0 --svg FILE", USAGE)
    found = _measure(chosen, port, seconds, workers, field)
    if svg is not None:
        from ..bench import plot

        svg.write_bytes(plot.draw(found))
        output.note(f"wrote {svg}")
    if as_json:
        output.print_json([row.as_json() for row in found])
        return
    from ..bench.rows import table

    console = output.console()
    if not console.is_terminal:
        console.width = 180  # a pipe gets each row on a line of its own
    console.print(table(found))


def _measure(chosen: list[str], port: str | None, seconds: float, workers: int, field: bool) -> list[Row]:
    """All rows, with a line on stderr that says what is being measured."""
    from rich.console import Console

    from ..bench import parts

    sources: dict[str, Callable[[], Iterator[Row]]] = {
        "host": lambda: parts.host(seconds, workers),
        "device": lambda: parts.device(seconds),
        "xtensa": parts.xtensa,
        "pico": parts.pico,
    }
    for name in ("m0", "m4", "rv32"):
        sources[name] = lambda name=name: parts.chip(name, field)
    todo = [(name, sources[name]) for name in chosen]
    if port is not None:
        todo.append((port, lambda: parts.board(port)))
    found: list[Row] = []
    with Console(stderr=True).status("") as status:
        for name, source in todo:
            status.update(f"{output.visible(name)} …")
            for row in source():
                found.append(row)
                status.update(f"{output.visible(name)} … {output.visible(row.name)}")
    return found
