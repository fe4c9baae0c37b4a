"""What is plugged in: serial ports by their USB ids, and the drives of boot ROMs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from ..failure import NOT_READY, USAGE, Failure
from . import uf2
from .description import Board, EspBoard, RealBoard, Uf2Board


@dataclass(frozen=True)
class Port:
    """A serial port of USB. usb: vendor:product in hexadecimal; serial: the device's serial number, empty if it has none."""

    device: str
    usb: str
    serial: str
    text: str


Look = Callable[[], list[Port]]


def look() -> list[Port]:
    """The ports that there are now."""
    return [
        Port(port.device, f"{port.vid:04x}:{port.pid:04x}", port.serial_number or "", port.description or "")
        for port in sorted(list_ports.comports())
        if port.vid is not None and port.pid is not None
    ]


def of_board(board: RealBoard, ports: Iterable[Port]) -> list[Port]:
    """Those that may be such a board, with MicroPython or waiting for an image. Many boards share a USB-serial chip."""
    return [port for port in ports if port.usb in (*board.usb.running, *board.usb.bootloader)]


def drives(board: RealBoard) -> list[Path]:
    return uf2.find_drives(board.uf2.drive) if isinstance(board, Uf2Board) else []


def choose(board: RealBoard, wanted: str | None, ports: Sequence[Port]) -> str | None:
    """The port to use: the wanted one, or the only one that may be this board. None if there is none."""
    if wanted is not None:
        return wanted
    found = of_board(board, ports)
    if len(found) > 1:
        listed = "\n  ".join(f"{port.device}  {port.usb}  {port.text}" for port in found)
        raise Failure(
            f"{len(found)} ports may be a {board.name}:\n  {listed}",
            "say which: --port PORT, or --all for each of them",
            USAGE,
        )
    return found[0].device if found else None


def no_board(board: RealBoard) -> Failure:
    """What to do where nothing like this board is plugged in."""
    if isinstance(board, EspBoard):
        return Failure(
            f"no port is a {board.name}",
            "plug it in with a cable for data, not only for charging; or say where it is: --port PORT",
            NOT_READY,
        )
    return uf2.no_drive(board.uf2.drive, board.uf2.button)


def wait_for(board: RealBoard, before: Iterable[Port], seconds: float, look_now: Look = look) -> str | None:
    """The port at which a board comes back after it was restarted: one that was not there `before`. None if none comes."""
    known = {port.device for port in before}
    end = time.monotonic() + seconds
    while True:
        for port in look_now():
            if port.usb in board.usb.running and port.device not in known:
                return port.device
        if time.monotonic() >= end:
            return None
        time.sleep(0.2)


def describe(boards: Sequence[Board], ports: Sequence[Port]) -> list[str]:
    """One line for each port and drive, with the boards that it may be."""
    real = [board for board in boards if isinstance(board, RealBoard)]
    lines = []
    for port in ports:
        names = [board.name for board in real if of_board(board, [port])]
        lines.append(f"{port.device}  {port.usb}  {', '.join(names) or 'no board that is known here'}")
    labels = sorted({board.uf2.drive for board in real if isinstance(board, Uf2Board)})
    for label in labels:
        names = [board.name for board in real if isinstance(board, Uf2Board) and board.uf2.drive == label]
        lines += [f"{drive}  waits for an image: {', '.join(names)}" for drive in uf2.find_drives(label)]
    return lines
