"""MicroPython on a board: whether what runs there will do, and writing another image."""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..failure import NOT_READY, Failure
from . import esp, images, ports, uf2
from .description import EspBoard, RealBoard, Uf2Board
from .install import Running, ask
from .link import Link, NoRepl
from .reach import repl
from .wire import BoardError

Progress = Callable[[int, int], None]
OLDEST = (1, 24)  # of MicroPython, that the package runs on
_ABI = "6.3"  # of native modules from then on
_BACK = 30.0  # s in which a board must be there again after it was restarted
_SETTLE = 3.0  # s in which the USB of a chip's boot loader goes away, if it does
_BY_HAND = 90.0  # s in which somebody finds the button


class Image:
    """The image that boards get: a file, or the one of the board's file, fetched when the first of them needs it.

    approve(hash): whether an image that nobody has pinned may be used; Failure from it goes on to who asked.
    """

    def __init__(self, board: RealBoard, file: Path | None, approve: Callable[[str], bool], folder: Path) -> None:
        self._board = board
        self._file = file
        self._approve = approve
        self._folder = folder
        self._lock = threading.Lock()
        self._found: tuple[bytes, bytes] | None = None
        self._refused: Failure | None = None  # once for all boards

    @property
    def given(self) -> bool:
        """Whether somebody named a file: what runs on the board then has to be of that file."""
        return self._file is not None

    def get(self, progress: Progress) -> tuple[bytes, bytes]:
        """(content of the file, content of flash as it will be), checked to be for this board's chip.

        Every board gets these very bytes: what becomes of the file after it was checked is nobody's concern.
        """
        with self._lock:
            if self._refused is not None:
                raise self._refused
            if self._found is None:
                data = _read(self._file) if self._file is not None else self._fetch(progress)
                self._found = data, _check(data, self._board)
            return self._found

    def _fetch(self, progress: Progress) -> bytes:
        fetched = images.fetch(self._board.image, self._folder, progress)
        if not fetched.pinned and not self._approve(fetched.sha256):
            images.discard(fetched)
            self._refused = Failure(
                f"the image {self._board.image.url} is not used: nobody vouches for its SHA-256 {fetched.sha256}",
                f"if it is right: ./flash.sh {self._board.name} --pin; or give the image as --firmware FILE",
            )
            raise self._refused
        data = _read(fetched.path)
        if hashlib.sha256(data).hexdigest() != fetched.sha256:
            raise Failure(
                f"{fetched.path} has changed while it was read",
                "is another flash.sh running? Run this again",
                NOT_READY,
            )
        return data


def _read(path: Path) -> bytes:
    """The content of an image; never more than any such board has room for."""
    try:
        # A pipe that nobody writes to must not hold this up.
        if not path.is_file():
            message = f"{path} is no file" if path.exists() else f"there is no file {path}"
            raise Failure(message, "give the image as --firmware FILE", NOT_READY)
        with path.open("rb") as file:
            data = file.read(images.LARGEST + 1)
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}", "is it yours to read?", NOT_READY) from None
    if len(data) > images.LARGEST:
        raise Failure(f"{path} is larger than any such board's flash", "is it the image of this board?")
    return data


def _check(data: bytes, board: RealBoard) -> bytes:
    if isinstance(board, EspBoard):
        return esp.check(data, board)
    size = board.memory.flash_kib
    return uf2.check(data, board.uf2.family, board.name, *(() if size is None else (size * 1024,)))


@dataclass(frozen=True)
class Wanted:
    """image: what to write; erase: with the files on the board; always: also where what runs there would do; drive: where the
    boot ROM's drive is, if it is not to be looked for.
    """

    image: Image
    erase: bool = False
    always: bool = False
    drive: Path | None = None


def check_chip(running: Running, board: RealBoard, port: str) -> None:
    """Failure if the board that answers has another chip."""
    # "Raspberry Pi Pico 2 W with RP2350-RISCV"
    _, known, chip = running.machine.rpartition(" with ")
    if known and chip.lower().split("-")[0] != board.chip:
        raise Failure(
            f"the board on {port} is a {running.machine}, not a {board.name}",
            "./flash.sh lists the boards: take its own, or another --port",
        )


def unsuited(running: Running, board: RealBoard, image: Image, progress: Progress) -> str:
    """Why the MicroPython on the board has to be replaced; empty if it need not: users keep their firmware."""
    release = ".".join(map(str, running.release))
    if running.release[:2] < OLDEST:
        return f"MicroPython {release} is too old"
    if running.arch != board.mpy_arch:
        return f"its MicroPython loads modules for {running.arch or 'no architecture'}"
    if running.abi != _ABI:
        return f"its MicroPython loads modules of version {running.abi}"
    if board.network == "wifi" and not running.sockets:
        return f"its MicroPython, that of a {running.machine}, has no network"
    if image.given:
        content = image.get(progress)[1]
        if running.build.encode() not in content or running.machine.encode() not in content:
            return f"it runs {running.build}, not the given image"
    return ""


def ensure(board: RealBoard, port: str | None, wanted: Wanted, say: Callable[[str], None], progress: Progress) -> str:
    """Sees to it that the board runs a MicroPython that will do; returns its port, which may be another one afterwards.

    port: None if there is only a drive of a boot ROM, or nothing at all yet.
    """
    running = None
    if port is not None:
        say("looking at what runs there")
        running = _running(board, port)
    if running is not None and port is not None and not wanted.always and not wanted.erase:
        reason = unsuited(running, board, wanted.image, progress)
        if not reason:
            say(f"keeps MicroPython {'.'.join(map(str, running.release))}")
            return port
        say(reason)
    say("fetching the image")
    data, _ = wanted.image.get(progress)
    if isinstance(board, EspBoard):
        if port is None:
            raise ports.no_board(board)
        return _write_esp(board, port, data, wanted, say, progress)
    return _write_uf2(board, port if running is not None else None, data, wanted, say, progress)


def _running(board: RealBoard, port: str) -> Running | None:
    """What answers at the port; None if that is no MicroPython. Failure if the port cannot be used, or the chip is another one."""
    try:
        with repl(port, seconds=6) as link:
            try:
                running = ask(link)
            except BoardError:
                raise
            except Failure:  # CircuitPython has a raw REPL as well
                return None
            try:
                check_chip(running, board, port)
            except Failure:
                link.start()  # somebody else's: it goes on with what it did
                raise
            return running
    except NoRepl:
        return None


def _write_esp(
    board: EspBoard, port: str, data: bytes, wanted: Wanted, say: Callable[[str], None], progress: Progress
) -> str:
    before = ports.look()
    say("erasing and writing the image" if wanted.erase else "writing the image")
    with tempfile.NamedTemporaryFile(prefix="microseal-", suffix=".bin") as file:
        file.write(data)
        file.flush()
        esp.write(board, port, Path(file.name), progress, erase=wanted.erase)
    say("waiting for it to start")
    end = time.monotonic() + _BACK
    # A chip with USB of its own comes back under another name, and the one of its boot loader stays for a moment.
    is_own = any(each.device == port and each.usb in board.usb.bootloader for each in before)
    settled = time.monotonic() + (_SETTLE if is_own else 0)
    while (now := time.monotonic()) < end:
        if now >= settled and Path(port).exists():
            return port
        if new := ports.wait_for(board, before, 0.5):
            return new
    raise Failure(f"the board on {port} did not come back", f"{board.esptool.button}, then run it again", NOT_READY)


@contextmanager
def _bootloader() -> Iterator[None]:
    """A drive of a boot ROM does not say which board it is: one at a time, of all that this user flashes."""
    file = images.cache_folder().parent / "bootloader.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write_uf2(
    board: Uf2Board, port: str | None, data: bytes, wanted: Wanted, say: Callable[[str], None], progress: Progress
) -> str:
    say("waiting for its turn in the boot loader")
    with _bootloader():
        drive = wanted.drive
        if port is not None:
            say("restarting it into its boot loader")
            _enter_bootloader(port)
            end = time.monotonic() + _BACK
            while drive is not None and not uf2.is_drive(drive, board.uf2.drive) and time.monotonic() < end:
                time.sleep(0.2)  # until somebody, or something, has mounted it there
        if drive is None:
            drive = uf2.wait_for_drive(board.uf2.drive, _BACK if port is not None else 1.0)
        if drive is None:
            say(f"{board.uf2.button}")
            drive = uf2.wait_for_drive(board.uf2.drive, _BY_HAND)
        if drive is None:
            raise uf2.no_drive(board.uf2.drive, board.uf2.button)
        before = ports.look()
        if not uf2.is_drive(drive, board.uf2.drive):
            raise Failure(
                f"{drive} is not the drive {board.uf2.drive} of a boot ROM", f"{board.uf2.button}, then run it again"
            )
        say("writing the image")
        uf2.copy(data, drive, "firmware.uf2", progress)
        say("waiting for it to start")
        found = ports.wait_for(board, before, _BACK)
    if found is None:
        raise Failure(
            "the board did not come back with MicroPython", "unplug it, plug it in, and run it again", NOT_READY
        )
    if wanted.erase:
        say("erasing its files")
        _format(found)
    return found


def _enter_bootloader(port: str) -> None:
    with repl(port) as link:
        _last_words(link, "import machine\nmachine.bootloader()")


def _format(port: str) -> None:
    """A new file system where the image does not reach: UF2 writes only what is in it."""
    with repl(port) as link:
        link.exec(
            "import os,rp2\nos.umount('/')\nos.VfsLfs2.mkfs(rp2.Flash(),progsize=256)\nos.mount(rp2.Flash(),'/')", 30
        )


def _last_words(link: Link, code: str) -> None:
    """Runs code after which the board is gone from its port."""
    try:
        link.exec(code, 2)
    except BoardError:
        pass
