"""Into a board's raw REPL, by mpremote's transport and, where that does not get there, by ampy's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .link import Link
from .wire import BoardError


@contextmanager
def repl(port: str, seconds: float = 20, patience: float = 10) -> Iterator[Link]:
    """A link that is in the raw REPL, on a board that was reset softly. patience: s without a byte after which it is silent."""
    with _enter(port, seconds, patience) as link:
        yield link


def _enter(port: str, seconds: float, patience: float) -> Link:
    link = Link(port, patience=patience)
    try:
        link.enter(seconds=seconds)
        return link
    except BoardError as error:
        link.close()
        if "does not enter the raw REPL" not in str(error) or not _interrupt_with_ampy(port):
            raise
    except BaseException:
        link.close()
        raise
    link = Link(port, patience=patience)
    try:
        link.enter(seconds=seconds)
    except BaseException:
        link.close()
        raise
    return link


def _interrupt_with_ampy(port: str) -> bool:
    """Whether ampy gets into the raw REPL: it waits between its keys, which boards behind some USB-serial chips need."""
    try:
        from ampy.pyboard import Pyboard, PyboardError
    except ImportError:
        return False
    board = None
    try:
        board = Pyboard(port, rawdelay=0.5)
        board.enter_raw_repl()
        board.exit_raw_repl()
    # PyboardError is a BaseException; the others are what pyserial raises on a port that goes away or is no terminal.
    except (PyboardError, OSError, ValueError, TypeError):
        return False
    finally:
        if board is not None:
            board.close()
    return True
