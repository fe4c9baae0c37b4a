"""What a board says of itself: `microseal device info`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .console import Console
from .install import ARCHS
from .link import Link


@dataclass(frozen=True)
class Info:
    """Text and numbers as the board gives them; None for what it has not. authority: its public key, hexadecimal."""

    machine: str | None
    firmware: str | None
    mpy_arch: str | None
    mpy_abi: str | None
    package: str | None
    suites: tuple[int, ...]
    id: str | None
    kid: str | None
    authority: str | None
    not_after: int | None
    epochs: dict[str, int]
    link: str | None
    free: int
    heap: int
    flash: int | None
    flash_free: int | None


def read_info(link: Link) -> Info:
    """Asks the board; whatever runs there is stopped."""
    link.enter()
    console = Console(link)
    found: dict[str, Any] = console.call("info", what="cannot ask the board")
    # Afterwards: it loads the package, and memory is to be told without that.
    found |= console.call("state", what="cannot read the board's state")
    mpy = found["mpy"]
    arch = mpy >> 10 & 0xF if isinstance(mpy, int) else 0
    return Info(
        machine=found["machine"],
        firmware=found["firmware"],
        mpy_arch=ARCHS.get(arch),
        mpy_abi=f"{mpy & 0xFF}.{mpy >> 8 & 3}" if isinstance(mpy, int) else None,
        package=found["package"],
        suites=tuple(found["core"] or ()),
        id=found["id"],
        kid=found["kid"],
        authority=found["authority"],
        not_after=found.get("not_after"),
        epochs=found["epochs"],
        link=found["link"],
        free=found["free"],
        heap=found["free"] + found["used"],
        flash=found.get("flash"),
        flash_free=found.get("flash_free"),
    )
