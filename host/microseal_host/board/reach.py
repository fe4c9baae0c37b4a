"""Into a board's raw REPL, by mpremote's transport and, where that does not get there, by ampy's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .link import Link, NoRepl

_AMPY = 15.0  # s


class Reach(Link):
    """A Link that tries both ways."""

    def enter(self, soft_reset: bool = True, seconds: float = 20) -> None:
        try:
            super().enter(soft_reset, seconds)
            return
        except NoRepl:
            self.close()
            if not _interrupt_with_ampy(self.port):
                raise
        self._open()
        super().enter(soft_reset, seconds)


@contextmanager
def repl(port: str, seconds: float = 20, patience: float = 10) -> Iterator[Link]:
    """A link that is in the raw REPL, on a board that was reset softly. patience: s without a byte after which it is silent."""
    with Reach(port, patience=patience) as link:
        link.enter(seconds=seconds)
        yield link


def _give_up(board: Any) -> None:
    with suppress(OSError, ValueError, TypeError, AttributeError):  # it has just ended
        board.serial.cancel_read()
        board.close()


def _interrupt_with_ampy(port: str) -> bool:
    """Whether ampy gets into the raw REPL: it waits between its keys, which boards behind some USB-serial chips need."""
    try:
        from ampy import pyboard
    except ImportError:
        return False
    # As mpremote's, see link.py.
    vars(pyboard)["print"] = lambda *_: None
    board = watch = None
    try:
        board = pyboard.Pyboard(port, rawdelay=0.5)
        # ampy waits for ever for a first byte, and reads for as long as more come.
        watch = threading.Timer(_AMPY, _give_up, [board])
        watch.daemon = True
        watch.start()
        board.enter_raw_repl()
        board.exit_raw_repl()
    # PyboardError is a BaseException; the others are what pyserial raises on a port that goes away or is no terminal.
    except (pyboard.PyboardError, OSError, ValueError, TypeError, AttributeError):
        return False
    finally:
        if watch is not None:
            watch.cancel()
        if board is not None:
            with suppress(OSError):  # _give_up may have closed it
                board.close()
    return True
