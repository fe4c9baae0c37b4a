"""A board that means ill, or is broken, for tests: a raw REPL on a PTY whose every answer is the test's to choose."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import tty
from collections.abc import Callable

BANNER = b"raw REPL; CTRL-B to exit\r\n>"


class LyingBoard:
    """Context manager. answer(code): what it prints for that; whatever(data): what it sends for bytes that come in, instead."""

    def __init__(self, answer: Callable[[str], bytes], whatever: Callable[[bytes], bytes] | None = None) -> None:
        self._answer = answer
        self._whatever = whatever
        self._outer, self._inner = pty.openpty()
        tty.setraw(self._inner)
        self.port = os.ttyname(self._inner)
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._pasted: bytearray | None = None

    def __enter__(self) -> LyingBoard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._wake, b".")
        self._thread.join()
        for descriptor in (self._outer, self._inner, self._stop, self._wake):
            os.close(descriptor)

    def _run(self) -> None:
        os.set_blocking(self._outer, False)
        owed = b""
        while True:
            readable, writable, _ = select.select([self._outer, self._stop], [self._outer] if owed else [], [])
            if self._stop in readable:
                return
            if self._outer in readable:
                data = os.read(self._outer, 65536)
                owed += self._whatever(data) if self._whatever else self._talk(data)
            if writable:
                with contextlib.suppress(BlockingIOError):
                    owed = owed[os.write(self._outer, owed) :]

    def _talk(self, data: bytes) -> bytes:
        said = b""
        while data:
            if self._pasted is not None:
                code, end, data = data.partition(b"\x04")
                self._pasted += code
                if end:
                    said += b"\x04" + self._answer(self._pasted.decode()) + b"\x04\x04>"
                    self._pasted = None
            elif data.startswith(b"\x05A\x01"):
                said += b"R\x01\xff\xff"
                self._pasted, data = bytearray(), data[3:]
            else:
                if data[:1] == b"\x01":
                    said += BANNER
                elif data[:1] == b"\x04":
                    said += b"OK\r\nMPY: soft reboot\r\n" + BANNER
                data = data[1:]
        return said
