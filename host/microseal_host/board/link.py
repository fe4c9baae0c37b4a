"""A connection to MicroPython's REPL on a serial port, a PTY or `socket://host:port`: code run there, files put there.

mpremote's transport speaks the raw REPL; what is added here are patience, words for what goes wrong, and files that arrive whole.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import re
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import serial
from mpremote import transport_serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from microseal.errors import MicrosealError

from ..failure import Failure
from .wire import BoardError, Unplugged, Wire, explain_open

Progress = Callable[[int, int], object]  # bytes done, bytes in all
_BANNER = b"raw REPL; CTRL-B to exit\r\n"
_PIECE = 768  # bytes of a file that one command carries, a multiple of 3
_SOFT_RESET = b"soft reboot\r\n"
_LARGEST = 32 << 20  # bytes; the flash of these boards is smaller
_INTERRUPT = b"\r\x03\x03"
_SAID = 300  # characters of what a board says went wrong that an error repeats
# Where it gives up it prints what came from the board, into what a command prints.
vars(transport_serial)["print"] = lambda *_: None


class NoRepl(BoardError):
    """The board does not let go of its console."""


class CodeError(BoardError):
    """The code raised on the board. traceback: its text as the board printed it, its class alone where a secret may be in it."""

    def __init__(self, what: str, traceback: str) -> None:
        last = traceback.strip().splitlines()[-1:] or ["an error"]
        super().__init__(f"{what}: {last[0][:_SAID]}")
        self.traceback = traceback

    @property
    def error(self) -> str:
        """The last line of the traceback, such as `ImportError: no module named 'x'`."""
        return (self.traceback.strip().splitlines() or [""])[-1]


def parse_literal(text: str) -> Any:
    """The value of a Python literal that a board has printed; BoardError if it is none."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # the last two: nested too deep
        raise BoardError(f"the board answers {text[:60]!r}, which makes no sense", "run the command again") from None


def _class_in(traceback: str) -> str:
    """The name of the exception, without its text, in which a secret may be."""
    lines = traceback.splitlines()
    places = [at for at, line in enumerate(lines) if line.startswith("  File ")]
    found = re.match(r"[A-Za-z]+\b", "".join(lines[places[-1] + 1 : places[-1] + 2])) if places else None
    return found[0] if found else ""


class _Transport(SerialTransport):
    """mpremote's, on a Wire."""

    serial: Wire

    def read_until(
        self,
        min_num_bytes: int,
        ending: bytes,
        timeout: float | None = 10,
        data_consumer: Callable[[bytes], None] | None = None,
        timeout_overall: float | None = None,
    ) -> bytes:
        return self.serial.take_until(ending, self.serial.timeout if timeout is None else timeout, data_consumer)


class Link:
    """A board's REPL. Context manager; `enter` comes first, and whatever fails is a BoardError.

    port: a device, or socket://HOST:PORT. tap(direction, data): is shown every byte, but for what is sent as secret.
    """

    def __init__(
        self, port: str, baudrate: int = 115200, tap: Callable[[str, bytes], None] | None = None, patience: float = 10
    ) -> None:
        self.port = port
        self.patience = patience  # s without a byte after which a board counts as silent
        self._baudrate = baudrate
        self._tap = tap
        self._open()

    def _open(self) -> None:
        try:
            self._transport = _Transport(self.port, self._baudrate, timeout=0)
        except (TransportError, OSError, ValueError):
            raise explain_open(self.port) from None
        raw: Any = self._transport.serial
        try:
            raw.write_timeout = 5
        except (serial.SerialException, OSError) as error:
            raise Unplugged(self.port, error) from None
        self.wire = Wire(self.port, raw, self._tap)
        self.wire.timeout = self.patience
        self._transport.serial = self.wire

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._transport.in_raw_repl:
            # Which echoes nothing: neither a person nor the bridge would find a prompt there.
            with suppress(BoardError):
                self.leave()
        self.wire.close()

    # The REPL

    def enter(self, soft_reset: bool = True, seconds: float = 20) -> None:
        """Stops whatever runs there and enters the raw REPL. soft_reset: with an empty heap, and boot.py run once more.

        A program may catch the interrupt or be deep in a call that does not look: it gets another one every half second, then its
        chip is reset where the port has a line for that.
        """
        end = time.monotonic() + seconds
        tries = 0
        while not self._knock(min(0.5 + 0.5 * tries, 3)):
            tries += 1
            if time.monotonic() >= end:
                raise NoRepl(
                    f"the board on {self.port} does not enter the raw REPL",
                    "press its RESET button while this command tries again; does it run MicroPython at all? If its program never "
                    "lets go, write the firmware anew: hold BOOTSEL (Pico) or BOOT (ESP32) while you plug it in",
                )
            if tries == 4 and self.wire.pulse_reset():
                time.sleep(0.2)
        self._transport.in_raw_repl = True
        if soft_reset:
            self.wire.write(b"\x04")
            # Not the next banner: a board that was busy answers every knock, once it listens.
            patience = max(self.patience, 5)
            restarted = self.wire.take_until(_SOFT_RESET, patience).endswith(_SOFT_RESET)
            if not restarted or not self.wire.take_until(_BANNER, patience).endswith(_BANNER):
                raise NoRepl(f"the board on {self.port} does not come back from a soft reset", "press its RESET button")
        else:
            for _ in range(tries):
                if not self.wire.skip_past(_BANNER, 0.3):
                    break

    def _knock(self, seconds: float) -> bool:
        """One attempt to reach the raw REPL, within `seconds`."""
        self.wire.write(_INTERRUPT)
        while self.wire.pump(0.05):  # what it was printing
            self.wire.read(self.wire.inWaiting())
            if seconds <= 0:
                break
            seconds -= 0.05
        self.wire.read(self.wire.inWaiting())
        self.wire.write(b"\r\x01")
        return self.wire.skip_past(_BANNER, max(seconds, 0.3))

    def exec(
        self,
        code: str,
        timeout: float | None = None,
        output: Callable[[bytes], None] | None = None,
        what: str = "the board raised an error",
        secret: bool = False,
    ) -> str:
        """Runs code; returns what it printed, or hands it to `output` as it comes. CodeError if it raises.

        timeout: s without a byte from the board after which it is given up, and interrupted; None: the link's patience. what: what
        an error says went wrong. secret: there is one in the code; it reaches no record and no error.
        """
        seconds = self.patience if timeout is None else timeout
        self.wire.hidden = secret
        try:
            self._transport.exec_raw_no_follow(code)
            self.wire.hidden = False
            printed, error = self._transport.follow(seconds, output)
        except (TransportError, struct.error) as error:  # the last: the beginning of an answer, and no more
            if str(error).startswith("timeout"):
                self._interrupt()
                raise BoardError(
                    f"{what}: the board was silent for {seconds:g} s",
                    "press its RESET button and run the command again",
                ) from None
            raise BoardError(
                f"{what}: the board on {self.port} does not speak as the raw REPL does",
                "is another program using the port, or did the board reset? Run the command again",
            ) from None
        finally:
            self.wire.hidden = False
        if error:
            text = error.decode(errors="replace")
            raise CodeError(what, _class_in(text) if secret else text)
        return printed.decode(errors="replace").replace("\r\n", "\n")

    def _interrupt(self) -> None:
        """Ends a command that takes too long; the raw REPL is there again, if it is."""
        self.wire.write(b"\x03")
        for _ in range(2):  # the ends of what it prints and of its traceback; the prompt is left
            self.wire.take_until(b"\x04", 1)

    def eval(self, expression: str, timeout: float | None = None) -> Any:
        """The value of an expression whose repr is a Python literal."""
        text = self.exec(f"print(repr({expression}))", timeout)
        return parse_literal(text)

    def leave(self) -> None:
        """Back to the friendly REPL; whatever ran before does not start again."""
        self.wire.write(b"\r\x02")
        self._transport.in_raw_repl = False

    def start(self) -> None:
        """A soft reset out of the friendly REPL: boot.py and main.py run."""
        self.leave()
        self.wire.take_until(b">>> ", 2)
        self.wire.write(b"\x04")

    @contextmanager
    def restarting(self, wanted: bool = True) -> Iterator[None]:
        """Starts main.py at the end, if that is wanted; also where what was asked for is refused, but not where the board fails."""
        try:
            yield
        except BoardError:
            raise
        except (Failure, MicrosealError):
            if wanted and self._transport.in_raw_repl:
                with suppress(BoardError):
                    self.start()
            raise
        if wanted:
            self.start()

    def reset(self) -> None:
        """A hard reset, as if the board were plugged in again. A port of USB goes away with it: close this link."""
        try:
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")
            self.wire.take_until(b"\x04\x04", 0.5)
        except (TransportError, Unplugged):
            pass
        self._transport.in_raw_repl = False

    def read(self, seconds: float) -> bytes:
        """What the board prints within `seconds`."""
        end, data = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0:
            self.wire.pump(left)
            data += self.wire.read(self.wire.inWaiting())
        return data

    # Files. Paths are the board's, relative to its working directory or absolute.

    def hash(self, path: str) -> str | None:
        """SHA-256 of a file there in hexadecimal, None if there is none."""
        code = (
            "import hashlib,binascii\n"
            "def _h(p):\n"
            " h=hashlib.sha256();b=bytearray(512);v=memoryview(b)\n"
            " try:f=open(p,'rb')\n"
            " except OSError:return ''\n"
            " while 1:\n"
            "  n=f.readinto(b)\n"
            "  if not n:break\n"
            "  h.update(v[:n])\n"
            " f.close()\n"
            " return binascii.hexlify(h.digest()).decode()\n"
            f"print(_h({path!r}))"
        )
        return self.exec(code, what=f"cannot read {path} on the board").strip() or None

    def put(self, data: bytes, path: str, progress: Progress | None = None) -> bool:
        """Writes a file, by way of another name, so that it is there whole or not at all. False if it was there already.

        What is written is read back and compared by its hash.
        """
        digest = hashlib.sha256(data).hexdigest()
        if self.hash(path) == digest:
            if progress is not None:
                progress(len(data), len(data))
            return False
        what = f"cannot write {path} on the board"
        part = path + ".part"
        try:
            self.exec(
                f"import binascii\n_f=open({part!r},'wb')\n_w=lambda t:_f.write(binascii.a2b_base64(t))", what=what
            )
            for at in range(0, len(data), _PIECE):
                self.exec(f"_w({base64.b64encode(data[at : at + _PIECE]).decode()!r})", what=what)
                if progress is not None:
                    progress(min(at + _PIECE, len(data)), len(data))
            self.exec("_f.close()", what=what)
        except CodeError as error:
            if "28" in error.error or "ENOSPC" in error.error:
                raise BoardError(
                    f"{what}: its flash is full", "remove files there: mpremote fs ls, mpremote fs rm"
                ) from None
            raise
        if self.hash(part) != digest:
            raise BoardError(f"{path} did not arrive as it was sent", "run the command again")
        # Not every file system replaces a file by renaming another.
        self.exec(
            f"import os\ntry:os.rename({part!r},{path!r})\nexcept OSError:\n os.remove({path!r});os.rename({part!r},{path!r})",
            what=what,
        )
        return True

    def get(self, path: str, progress: Progress | None = None) -> bytes:
        """The content of a file there, compared by its hash."""
        what = f"cannot read {path} on the board"
        size = parse_literal(self.exec(f"import os,binascii\nprint(os.stat({path!r})[6])", what=what))
        if not isinstance(size, int) or not 0 <= size <= _LARGEST:
            raise BoardError(f"{what}: it says that its size is {str(size)[:60]}", "run the command again")
        self.exec(f"_f=open({path!r},'rb')", what=what)
        data = b""
        while len(data) < size:
            piece = self.exec(f"print(binascii.b2a_base64(_f.read({_PIECE})).decode(),end='')", what=what)
            try:
                decoded = base64.b64decode(piece)
            except ValueError:
                decoded = b""
            if not decoded:
                break
            data += decoded
            if progress is not None:
                progress(len(data), size)
        self.exec("_f.close()", what=what)
        if hashlib.sha256(data).hexdigest() != self.hash(path):
            raise BoardError(f"{path} did not arrive as it is on the board", "run the command again")
        return data

    def mkdir(self, path: str) -> None:
        """Makes a directory and those above it, where they are not there."""
        code = (
            "import os\n"
            f"_p={path!r}\n"
            "for _i in range(1,len(_p)+1):\n"
            " if _i==len(_p) or _p[_i]=='/':\n"
            "  try:os.mkdir(_p[:_i])\n"
            "  except OSError:os.stat(_p[:_i])"
        )
        self.exec(code, what=f"cannot make {path} on the board")

    def remove(self, path: str) -> None:
        """Removes a file; none is as good as removed."""
        self.exec(
            f"import os\ntry:os.remove({path!r})\nexcept OSError as e:\n if e.errno!=2:raise",
            what=f"cannot remove {path} on the board",
        )

    def list(self, path: str = "") -> list[tuple[str, bool, int]]:
        """(name, whether it is a directory, size in bytes) of each entry of a directory; a name may be anything."""
        code = f"import os\nprint([(e[0],bool(e[1]&0x4000),e[3] if len(e)>3 else 0) for e in os.ilistdir({path!r})])"
        what = f"cannot list {path} on the board"
        found = parse_literal(self.exec(code, what=what))
        try:
            return [(str(name), bool(folder), int(size)) for name, folder, size in found]
        except (TypeError, ValueError):
            raise BoardError(f"{what}: no answer that makes sense", "run the command again") from None
