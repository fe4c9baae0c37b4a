"""Chips of Espressif's: what an image of theirs is, and esptool, which writes it.

esptool runs as a process: what it prints and keeps is per process, and several boards are written at once.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from ..failure import NOT_READY, Failure
from .description import EspBoard
from .wire import BoardError, explain_open

Progress = Callable[[int, int], None]
_HEADER = 24  # bytes
_MAGIC = 0xE9
_CHIPS = {0: "ESP32", 2: "ESP32-S2", 5: "ESP32-C3", 9: "ESP32-S3", 12: "ESP32-C2", 13: "ESP32-C6", 16: "ESP32-H2"}
_PERCENT = re.compile(r"Writing at .*?(\d+(?:\.\d+)?) ?%")
_WRONG_CHIP = re.compile(r"This chip is (\S+), not (\S+)\.")
_running: set[subprocess.Popen[str]] = set()
_SILENCE = 180.0  # s: erasing 16 MB of flash takes more than a minute, without a word


def check(data: bytes, board: EspBoard) -> bytes:
    """The image, which is what lies in flash; Failure if it is not for this chip.

    An image begins with 0xE9, and has the chip's number in bytes 12 and 13 (esptool documentation, "Firmware Image Format").
    """
    if len(data) < _HEADER or data[0] != _MAGIC:
        hint = "take the .bin, not the .uf2 or the .elf" if data[:4] in (b"UF2\n", b"\x7fELF") else "take the .bin"
        raise Failure("this is no image for a chip of Espressif's", hint)
    number = int.from_bytes(data[12:14], "little")
    if number != board.esptool.image_chip:
        found, wanted = (_CHIPS.get(each, f"chip number {each}") for each in (number, board.esptool.image_chip))
        raise Failure(
            f"this image is for {found}; {board.name} has {wanted}",
            "./flash.sh lists the boards; take the image of yours",
        )
    return data


def write(board: EspBoard, port: str, image: Path, progress: Progress, *, erase: bool = False) -> None:
    """Writes an image, and resets the chip. erase: all of its flash first, with the files and the identity on it.

    esptool itself compares a hash over the flash with that of the image.
    """
    if importlib.util.find_spec("esptool") is None:
        raise Failure("esptool is not installed", "scripts/setup.sh --boards", NOT_READY)
    command = [
        *(
            sys.executable,
            "-P",
            "-m",
            "esptool",
            "--chip",
            board.chip,
            "--port",
            port,
            "--baud",
            str(board.esptool.baud),
        ),
        "write-flash",
        *(["--erase-all"] if erase else []),
        *(hex(board.esptool.offset), str(image)),
    ]
    # It asks COLUMNS how long a line may be, and would break it.
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        )
    except OSError as error:
        raise Failure(f"cannot start esptool: {error.strerror}", "scripts/setup.sh --boards", NOT_READY) from None
    said: list[str] = []
    watch = _Watch(process)
    _running.add(process)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            watch.heard()
            said.append(line.rstrip())
            if found := _PERCENT.search(line):
                progress(int(float(found[1]) * 10), 1000)
        code = process.wait()
    finally:
        watch.end()
        _running.discard(process)
    if code:
        raise _explain(board, port, said, watch.silent)


def end_all() -> None:
    """Ends what is being written. For whoever ends this process: esptool would go on by itself, and keep the ports."""
    for process in list(_running):
        process.terminate()


class _Watch:
    """Ends the process when it has been silent for too long: a chip that is gone must not hold up the rest."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.silent = False
        self._timer = self._start()

    def _start(self) -> threading.Timer:
        timer = threading.Timer(_SILENCE, self._give_up)
        timer.daemon = True
        timer.start()
        return timer

    def _give_up(self) -> None:
        self.silent = True
        self._process.kill()

    def heard(self) -> None:
        self._timer.cancel()
        self._timer = self._start()

    def end(self) -> None:
        self._timer.cancel()
        if self._process.poll() is None:  # this thread was interrupted
            self._process.terminate()
        self._process.wait()


def _explain(board: EspBoard, port: str, said: list[str], silent: bool) -> Failure:
    """What esptool's last words mean to the person with the board."""
    text = "\n".join(said)
    if found := _WRONG_CHIP.search(text):
        return Failure(
            f"the chip on {port} is {found[1]}; {board.name} is for {found[2]}",
            "./flash.sh lists the boards: take its own",
        )
    if "Could not open" in text or "the port is busy or doesn't exist" in text:
        return explain_open(port)
    if "Failed to connect" in text or "No serial data received" in text:
        return BoardError(
            f"the chip on {port} does not answer in its boot loader", f"{board.esptool.button}, then run it again"
        )
    last = [line for line in said if line.strip()][-3:]
    why = "esptool was silent for too long" if silent else "\n  ".join(last) or "esptool said nothing"
    if "Stub" in text or "Writing at" in text or silent:
        return BoardError(
            f"writing to {port} broke off: {why}",
            "was it unplugged? Nothing is lost: plug it in and run the same command again. If it happens again, try another "
            "cable, or a slower `baud` in its file in boards/",
        )
    return BoardError(f"esptool failed on {port}: {why}", f"{board.esptool.button}, then run it again")
