"""Puts files on a board over its REPL: only those that are not there already, and without touching what is the user's."""

from __future__ import annotations

import ast
import hashlib
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ..failure import Failure
from .package import LIB, MODULE, PACKAGE, START, Files

Progress = Callable[[int, int], None]
# Of sys.implementation._mpy >> 10 (MicroPython documentation, ".mpy files").
ARCHS = {1: "x86", 2: "x64", 3: "armv6", 4: "armv6m", 5: "armv7m", 6: "armv7em", 7: "armv7emsp", 8: "armv7emdp"}
ARCHS |= {9: "xtensa", 10: "xtensawin", 11: "rv32imc", 12: "rv64imc"}

_LONGEST = 1000  # characters of what it says of itself
_ASK = (
    "import sys\n"
    "i=sys.implementation\n"
    "try:import os;u=os.uname().version\n"
    "except (AttributeError,ImportError):u=''\n"
    "try:import machine,binascii;n=binascii.hexlify(machine.unique_id()).decode()\n"
    "except (AttributeError,ImportError):n=''\n"
    "try:import socket;s=hasattr(socket,'socket')\n"
    "except ImportError:s=False\n"
    "print(repr((i.name,tuple(i.version)[:3],getattr(i,'_mpy',0),getattr(i,'_machine',''),u,n,s)))"
)
_HASHES = (
    "import hashlib,binascii\n"
    "b=bytearray(512);v=memoryview(b)\n"
    "for p in {paths!r}:\n"
    " h=hashlib.sha256()\n"
    " try:\n"
    "  with open(p,'rb') as f:\n"
    "   while 1:\n"
    "    n=f.readinto(b)\n"
    "    if not n:break\n"
    "    h.update(v[:n])\n"
    "  print(binascii.hexlify(h.digest()).decode())\n"
    " except OSError:print('-')"
)
_LIST = (
    "import os\n"
    "def l(d):\n"
    " try:return [d+'/'+e[0]+('/' if e[1]&0x4000 else '') for e in os.ilistdir(d)]\n"
    " except OSError:return []\n"
    "print(repr([x for d in {folders!r} for x in l(d)]))"
)


class Repl(Protocol):
    """What is used of link.Link."""

    def exec(self, code: str, timeout: float | None = None) -> str: ...
    def put(self, data: bytes, path: str, progress: Callable[[int, int], object] | None = None) -> bool: ...
    def mkdir(self, path: str) -> None: ...
    def remove(self, path: str) -> None: ...


@dataclass(frozen=True)
class Running:
    """The MicroPython on a board. release: such as (1, 26, 1); mpy: sys.implementation._mpy; build: its version and date as
    os.uname has them; unique: the chip's number in hexadecimal, empty where it has none; sockets: whether it has any.
    """

    release: tuple[int, ...]
    mpy: int
    machine: str
    build: str
    unique: str
    sockets: bool = True

    @property
    def arch(self) -> str:
        """The architecture of native modules that it loads, empty for none."""
        return ARCHS.get(self.mpy >> 10 & 0xF, "")

    @property
    def abi(self) -> str:
        """The .mpy version that it loads, such as 6.3."""
        return f"{self.mpy & 0xFF}.{self.mpy >> 8 & 3}"


@dataclass(frozen=True)
class Done:
    """written, removed: paths; kept: how many files were right already."""

    written: list[str]
    removed: list[str]
    kept: int


def ask(repl: Repl) -> Running:
    """What runs on the board; Failure if that is not MicroPython."""
    text = repl.exec(_ASK).strip()
    try:
        name, (major, minor, patch), mpy, machine, build, unique, sockets = ast.literal_eval(text[:_LONGEST])
        release = int(major), int(minor), int(patch)
        running = Running(release, int(mpy), str(machine), str(build), str(unique), bool(sockets))
        # The number becomes a part of an id.
        if not (running.machine + running.build).isprintable() or set(running.unique) - set("0123456789abcdef"):
            raise ValueError
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise Failure(
            f"the board answers {text[:60]!r}, which is not MicroPython", "write its firmware first"
        ) from None
    if name != "micropython":
        raise Failure(f"the board runs {name}, not MicroPython", "microseal needs MicroPython 1.24 or later")
    return running


def install(repl: Repl, files: Files, progress: Progress) -> Done:
    """Makes the board's files these. Safe to repeat, and to go on with after it broke off.

    While files of the package are being replaced there is no main.py: a board that loses its power then waits at its prompt, and
    does not run half of a version.
    """
    missing = different(repl, files)
    stale = _stale(repl, files)
    if not missing and not stale:
        progress(1, 1)
        return Done([], [], len(files))
    if START in files:
        repl.remove(START)
        missing = [path for path in missing if path != START] + [START]
    for path in stale:
        repl.remove(path)
    for folder in _folders(missing):
        repl.mkdir(folder)
    total = sum(len(files[path]) for path in missing)
    done = 0
    for path in missing:
        before = done
        repl.put(files[path], path, lambda part, _, before=before: progress(before + part, total))
        done += len(files[path])
        progress(done, total)
    return Done(missing, stale, len(files) - len(missing))


def different(repl: Repl, files: Files) -> list[str]:
    """The paths that are not on the board, or not with this content."""
    paths = list(files)
    # Long enough for all of them: an emulated board needs a second for ten kilobytes.
    found = repl.exec(_HASHES.format(paths=paths), 60).split()
    if len(found) != len(paths):
        raise Failure("the board did not answer as expected", "run the same command again")
    return [path for path, seen in zip(paths, found, strict=True) if seen != hashlib.sha256(files[path]).hexdigest()]


def _stale(repl: Repl, files: Files) -> list[str]:
    """What an earlier version left in the package's own folders, or a broken-off put anywhere.

    Failure for what is elsewhere and would be imported in place of these files: that may be the user's. MicroPython takes a .py
    before the .mpy of the same name, and looks into the root before /lib.
    """
    ours = [folder for folder in _folders(files) if f"{folder}/".startswith(f"{LIB}/{PACKAGE}/")]
    names = {posixpath.splitext(path)[0] for path in files}
    stale, shadows = [], []
    for path in _listed(repl, [*ours, LIB, "."]):
        stem, kind = posixpath.splitext(path.rstrip("/"))
        if path in files:
            continue
        if path.endswith(".part"):
            if path.removesuffix(".part") in files:
                stale.append(path)
        elif path.endswith("/"):
            if path in (f"{PACKAGE}/", "umqtt/"):
                shadows.append(path)
        elif kind in (".py", ".mpy"):
            if path.startswith(f"{LIB}/{PACKAGE}/"):
                stale.append(path)
            elif f"{LIB}/{stem}" in names or stem in names and path.startswith(f"{LIB}/"):
                shadows.append(path)
    if shadows:
        raise Failure(
            f"the board has {', '.join(shadows)}, which would be imported in place of what is in /{LIB}",
            "; ".join(f"mpremote fs rm -r :{path.rstrip('/')}" for path in shadows) + "; or give it another name",
        )
    return sorted(stale)


def _listed(repl: Repl, folders: list[str]) -> list[str]:
    """Paths of all entries of these folders; folders end in a slash."""
    text = repl.exec(_LIST.format(folders=folders)).strip()
    try:
        entries = ast.literal_eval(text)
        iter(entries)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise Failure("the board did not answer as expected", "run the same command again") from None
    return [str(entry).removeprefix("./") for entry in entries]


def _folders(paths: Iterable[str]) -> list[str]:
    """The folders of these paths, those above first."""
    found = {posixpath.dirname(path) for path in paths} - {""}
    return sorted(found)


def check_imports(repl: Repl) -> None:
    """Imports the native module: one that does not load is told now, with its reason. The rest is bytecode, which any board loads."""
    text = repl.exec(
        "import sys\n"
        f"if '{LIB}' not in sys.path and '/{LIB}' not in sys.path:sys.path.append('{LIB}')\n"
        "try:\n import microseal_core;print('ok')\n"
        "except Exception as e:print(type(e).__name__,e)",
        300,
    ).strip()
    if text != "ok":
        raise Failure(
            f"the board does not load the package: {' '.join(text.split())[:_LONGEST]}",
            "an incompatible .mpy file means another release of MicroPython than the modules are built for: let flash.sh write the "
            f"image of the board's file, or build {MODULE} for it",
        )
