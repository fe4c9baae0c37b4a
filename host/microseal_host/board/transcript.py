"""The record of what went over a cable, for who wants to see that no key did."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from ..failure import USAGE, Failure
from .wire import TO_BOARD

_LONGEST = 4096  # characters of a line


def _open_own(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, 0o600)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)  # one that was there before
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Transcript:
    """Context manager; `tap` is a Link's. Lines `> …` went to the board, `< …` came from it; what is not printable is escaped."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._direction = ""
        self._line = ""

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                # For its owner alone: it says where each device is, and what a broken board printed is nobody else's.
                self._file = open(self._path, "w", encoding="ascii", opener=_open_own)  # noqa: SIM115
            except OSError as error:
                raise Failure(f"cannot write {self._path}: {error.strerror}", code=USAGE) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._end_line()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def note(self, text: str) -> None:
        """A line of explanation."""
        if self._file is not None:
            self._end_line()
            self._file.write(f"# {text}\n")

    def tap(self, direction: str, data: bytes) -> None:
        if self._file is None:
            return
        if direction != self._direction:
            self._end_line()
            self._direction = direction
        for byte in data:
            if byte == 10:
                self._end_line()
            elif byte != 13:
                self._line += chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"
                if len(self._line) >= _LONGEST:
                    self._end_line()

    def _end_line(self) -> None:
        if self._line and self._file is not None:
            self._file.write(("> " if self._direction == TO_BOARD else "< ") + self._line + "\n")
        self._line = ""
