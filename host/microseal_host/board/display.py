"""Progress of boards: a table that changes on a terminal, one line a step elsewhere. All of it on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from ..cli.output import visible
from ..failure import Failure


class Display:
    """Context manager. Each board has a Track of it; they may be used from several threads."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bars: Progress | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.fields[board]}", markup=False),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
                console=self.console,
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Without the table, for a question to the person at the terminal."""
        if self._bars is not None:
            self._bars.stop()
        try:
            yield
        finally:
            if self._bars is not None:
                self._bars.start()

    def track(self, board: str) -> Track:
        return Track(self, board)

    def _add(self, board: str) -> TaskID | None:
        return None if self._bars is None else self._bars.add_task("", total=1, board=visible(board))

    def _show(self, task: TaskID, **fields: object) -> None:
        if self._bars is not None:
            self._bars.update(task, **fields)  # type: ignore[arg-type]

    def _line(self, board: str, text: str, style: str = "") -> None:
        with self._lock:
            line = Text.assemble((time.strftime("%H:%M:%S "), "dim"), f"{visible(board)}  ", (visible(text), style))
            self.console.print(line, soft_wrap=True)


class Track:
    """The progress of one board."""

    def __init__(self, display: Display, board: str) -> None:
        self._display = display
        self._board = board
        self._task = display._add(board)
        self._text = ""

    def step(self, text: str) -> None:
        """What is being done now."""
        if text == self._text:
            return
        self._text = text
        if self._task is None:
            self._display._line(self._board, text)
        else:
            self._display._show(self._task, description=visible(text), completed=0, total=1)

    def progress(self, done: int, total: int) -> None:
        """How far the step is; total 0 if nobody knows."""
        if self._task is not None:
            self._display._show(self._task, completed=done, total=total or None)

    def finish(self, text: str) -> None:
        self._end(f"done: {text}", "green")

    def fail(self, failure: Failure) -> None:
        hint = f"\n  {failure.hint}" if failure.hint else ""
        self._end(f"failed: {failure}{hint}", "red")

    def _end(self, text: str, style: str) -> None:
        if self._task is not None:
            # Its last words are longer than a table has room for; they stay above it.
            self._display._show(self._task, description=visible(text.splitlines()[0][:40]), completed=1, total=1)
        self._display._line(self._board, text, style)
