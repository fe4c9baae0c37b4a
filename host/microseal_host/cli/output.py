"""What commands print: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
import time

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text


def console() -> Console:
    """Where data goes. A pipe gets lines of their full length."""
    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False, markup=False, emoji=False)


def note(text: str) -> None:
    """A line for the person at the terminal."""
    typer.echo(text, err=True)


def fail(message: str, hint: str = "") -> None:
    lines = Text.assemble(("error: ", "bold red"), visible(message))
    if hint:
        lines.append(f"\n  {visible(hint)}", style="dim")
    Console(stderr=True, soft_wrap=True, highlight=False, emoji=False).print(lines)


def print_json(data: object) -> None:
    typer.echo(json.dumps(data, ensure_ascii=True))


class _Table(Table):
    """What stands in a database, or came from a board, can do nothing at the terminal."""

    def add_row(self, *cells: str, style: str | None = None) -> None:  # type: ignore[override]
        super().add_row(*map(visible, cells), style=style)


def table(*columns: str) -> Table:
    return _Table(*columns, box=None, pad_edge=False, header_style="bold")


def visible(text: str) -> str:
    """Text for a terminal: what is not printable is shown by its escape, so that it can do nothing there."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def date(seconds: int | None) -> str:
    """A point in time as a person reads it, UTC."""
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))
