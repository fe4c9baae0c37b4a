"""The bytes of a port, both ways: read with a time-out, shown to whoever records them, and failing in words."""

from __future__ import annotations

import grp
import os
import select
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import serial
from serial.tools import list_ports

from ..failure import DENIED, NOT_READY, Failure

TO_BOARD = "to the board"
FROM_BOARD = "from the board"
_CHUNK = 4096
_MOST = (
    1 << 20
)  # bytes that one answer may have: no board has so much to say, and one that never ends would fill this memory


class BoardError(Failure):
    """What went wrong between here and the board; text and hint say what to do."""

    def __init__(self, message: str, hint: str = "", code: int = NOT_READY) -> None:
        super().__init__(message, hint, code)


class Unplugged(BoardError):
    """The port is gone, or nobody is behind it any more."""

    def __init__(self, port: str, why: object) -> None:
        super().__init__(
            f"the connection to {port} broke off ({why})",
            "was it unplugged, or did it reset? Nothing is lost: plug it in and run the same command again",
        )


class Wire:
    """A pyserial port as mpremote's transport uses it, but buffered, and never waiting for longer than `timeout` s.

    tap(direction, data) is called with every byte that goes over it; `hidden`: while it is True, with none. What comes from the
    board then may be an echo.
    """

    def __init__(self, port: str, raw: Any, tap: Callable[[str, bytes], None] | None = None) -> None:
        self.port = port
        self.timeout = 10.0
        self.hidden = False
        self._raw = raw
        self._tap = tap
        self._buffer = bytearray()

    def fileno(self) -> int:
        return self._raw.fileno()

    def pump(self, seconds: float) -> bool:
        """Takes in what arrives within `seconds`, all that is there at once; whether there was anything."""
        try:
            if not select.select([self._raw.fileno()], [], [], max(seconds, 0))[0]:
                return False
            data = self._raw.read(_CHUNK)
        except (OSError, ValueError, TypeError) as error:  # the last two: pyserial, when the port was closed under it
            raise Unplugged(self.port, error) from None
        if data and self._tap is not None and not self.hidden:
            self._tap(FROM_BOARD, data)
        self._buffer += data
        return bool(data)

    def take_until(self, ending: bytes, seconds: float, more: Callable[[bytes], None] | None = None) -> bytes:
        """All up to and with `ending`; what there is if `seconds` pass without a byte. more: is given it in pieces instead.

        BoardError where that would be more than a megabyte.
        """
        found = bytearray()
        end = time.monotonic() + seconds
        while True:
            at = self._buffer.find(ending)
            if more is not None and at < 0 and self._buffer:
                more(bytes(self._buffer))
                self._buffer.clear()
            if at >= 0:
                found += self._buffer[: at + len(ending)]
                del self._buffer[: at + len(ending)]
                if more is None:
                    return bytes(found)
                if len(found) > len(ending):
                    more(bytes(found[: -len(ending)]))
                return ending
            if len(self._buffer) > _MOST:
                raise BoardError(
                    f"the board on {self.port} prints without an end",
                    "press its RESET button and run the command again",
                )
            if self.pump(end - time.monotonic()):
                end = time.monotonic() + seconds
            elif time.monotonic() >= end:
                found += self._buffer
                self._buffer.clear()
                return bytes(found)

    def skip_past(self, ending: bytes, seconds: float) -> bool:
        """Drops all up to and with `ending`; whether that came within `seconds` in all, whatever else does."""
        end = time.monotonic() + seconds
        while True:
            at = self._buffer.find(ending)
            if at >= 0:
                del self._buffer[: at + len(ending)]
                return True
            del self._buffer[: max(len(self._buffer) - len(ending) + 1, 0)]
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.pump(left)

    # What mpremote calls.

    def read(self, count: int = 1) -> bytes:
        end = time.monotonic() + self.timeout
        while len(self._buffer) < count and time.monotonic() < end:
            self.pump(end - time.monotonic())
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def inWaiting(self) -> int:
        self.pump(0)
        return len(self._buffer)

    def write(self, data: bytes) -> int:
        if self._tap is not None and not self.hidden:
            self._tap(TO_BOARD, bytes(data))
        try:
            return self._raw.write(data)
        except serial.SerialTimeoutException:
            raise BoardError(
                f"the board on {self.port} takes no bytes", "press its RESET button, or unplug it and plug it in again"
            ) from None
        except OSError as error:
            raise Unplugged(self.port, error) from None

    def pulse_reset(self) -> bool:
        """Resets a board whose RTS line does that (ESP boards with a USB-UART chip); whether the port has such a line."""
        try:
            self._raw.dtr = False
            self._raw.rts = True
            time.sleep(0.1)
            self._raw.rts = False
            time.sleep(0.1)
            # As they were when the port was opened: a board with USB of its own says nothing to whom it takes for gone.
            self._raw.dtr = True
            self._raw.rts = True
        except (OSError, AttributeError):
            return False  # a PTY
        return True

    def close(self) -> None:
        # Lines as they are: RTS and DTR reset some boards.
        try:
            self._raw.close()
        except OSError:
            pass  # it was gone before


def explain_open(port: str) -> BoardError:
    """Why the port could not be opened, found out afterwards: pyserial and mpremote tell it in too many ways."""
    if "://" in port:
        return BoardError(f"nobody answers at {port}", "is the board, or its emulator, running?")
    path = Path(port)
    try:
        found = path.stat()
    except OSError:
        there = ", ".join(entry.device for entry in list_ports.comports() if entry.vid is not None)
        return BoardError(
            f"there is no port {port}",
            f"there is {there}"
            if there
            else "no board is seen on USB: is the cable one for data, not only for charging?",
        )
    if not stat.S_ISCHR(found.st_mode):
        return BoardError(f"{port} is no serial port", "./flash.sh lists what is plugged in")
    if not os.access(path, os.R_OK | os.W_OK):
        try:
            group = grp.getgrgid(found.st_gid).gr_name
        except KeyError:
            group = "dialout"
        return BoardError(
            f"no permission to use {port}", f"sudo usermod -aG {group} $USER, then log out and in again", DENIED
        )
    return BoardError(
        f"{port} is in use by another program", f"end it (a serial monitor, a bridge?); this shows it: fuser -v {port}"
    )
