"""A board as its file in boards/ describes it. docs/boards.md has the meaning of every key, for those who add a board."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError

from ..failure import USAGE, Failure

FOLDER = Path(__file__).resolve().parents[3] / "boards"

Arch = Literal["armv6m", "armv7emsp", "rv32imc", "xtensawin", "x64"]


def _check_url(url: str) -> str:
    """Plain http is for tests on this machine: without a known hash, transport security is all that there is."""
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise ValueError("must begin with https://")
    return url


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Usb = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
Kib = Annotated[int, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
Url = Annotated[str, AfterValidator(_check_url)]


class _Table(BaseModel):
    # A misspelt key must not be one that is silently not there.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Image(_Table):
    """Where the firmware comes from. sha256: 64 hexadecimal digits, or empty if nobody has pinned it yet."""

    url: Url
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    sha256: Sha256


class Esptool(_Table):
    """offset: where in flash the image goes, bytes; baud: of the transfer; image_chip: the chip's number in image headers."""

    offset: Annotated[int, Field(ge=0, lt=0x100000)]
    baud: Annotated[int, Field(ge=9600, le=3_000_000)] = 460800
    image_chip: Annotated[int, Field(ge=0, le=0xFFFF)]
    button: Text


class Uf2(_Table):
    """family: the number that the boot ROM takes images of; drive: the label of its drive; button: how to get there by hand."""

    family: Annotated[int, Field(gt=0, le=0xFFFFFFFF)]
    drive: Text
    button: Text


class UsbIds(_Table):
    """vendor:product, hexadecimal. running: with MicroPython, or the board's USB-serial chip; bootloader: waiting for an image."""

    running: Annotated[list[Usb], Field(min_length=1)]
    bootloader: list[Usb] = []


class Memory(_Table):
    """From the data sheet. heap_kib: what MicroPython's heap is set to, where it is set at all."""

    flash_kib: Kib | None = None
    ram_kib: Kib | None = None
    heap_kib: Kib | None = None


class Interpreter(_Table):
    """MicroPython as a process of this machine: the Python package that has it, and where set-up puts it."""

    python_package: Text
    path: Text


class _Board(_Table):
    name: Name
    title: Text
    aliases: list[Name] = []
    chip: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    mpy_arch: Arch
    memory: Memory
    quirks: list[Text] = []
    _file: Path = PrivateAttr(default=Path())

    @property
    def file(self) -> Path:
        """The file that it was read from."""
        return self._file


class ProcessBoard(_Board):
    """MicroPython on this machine."""

    flash_method: Literal["process"]
    firmware: Interpreter


class EmulatedBoard(_Board):
    """A board's real firmware in an emulator."""

    flash_method: Literal["emulator"]
    network: Literal["serial"]


class _RealBoard(_Board):
    """network: how it reaches the broker; serial: through its cable and `microseal bridge`."""

    network: Literal["wifi", "serial"]
    image: Image
    usb: UsbIds


class EspBoard(_RealBoard):
    """A chip of Espressif's, written by esptool."""

    flash_method: Literal["esptool"]
    esptool: Esptool


class Uf2Board(_RealBoard):
    """A chip whose boot ROM is a drive that an image is copied to."""

    flash_method: Literal["uf2"]
    uf2: Uf2


RealBoard = EspBoard | Uf2Board
Board = ProcessBoard | EmulatedBoard | EspBoard | Uf2Board
_ANY: TypeAdapter[Board] = TypeAdapter(Annotated[Board, Field(discriminator="flash_method")])


def load(file: Path) -> Board:
    """Reads and checks one file; Failure that names the file and each wrong key."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"{file}: not TOML: {error}", code=USAGE) from None
    return parse(document, file)


def parse(document: dict[str, Any], file: Path) -> Board:
    """The board of a parsed file; `file` is for messages."""
    try:
        board = _ANY.validate_python(document)
    except ValidationError as error:
        wrong = [f"{file}: {_key(entry['loc'], document)}: {_reason(entry)}" for entry in error.errors()]
        raise Failure("\n".join(wrong), "docs/boards.md has the keys and their meaning", USAGE) from None
    board._file = file
    return board


def _key(location: Sequence[int | str], document: dict[str, Any]) -> str:
    """The key as it is written in the file; pydantic puts the flash method that it chose before it."""
    parts = list(location)
    if parts and parts[0] == document.get("flash_method"):
        parts = parts[1:]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
    return text or "flash_method"


def _reason(entry: Any) -> str:
    match entry["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is no key of a board's file, or not of this flash_method"
        case "union_tag_not_found":
            return "is missing"
        case "string_pattern_mismatch":
            return f"{entry['input']!r} is not of the form {entry['ctx']['pattern']}"
        case _:
            text: str = entry["msg"].removeprefix("Value error, ")
            return text[0].lower() + text[1:]


def load_all(folder: Path = FOLDER) -> list[Board]:
    """All boards of a folder, by name; Failure also if two have the same name or alias."""
    boards = [load(file) for file in sorted(folder.glob("*.toml"))]
    seen: dict[str, Path] = {}
    for board in boards:
        for name in (board.name, *board.aliases):
            if name in seen:
                raise Failure(f"{board.file}: name: {name!r} is taken by {seen[name]}", code=USAGE)
            seen[name] = board.file
    return sorted(boards, key=lambda board: board.name)


def find(name: str, folder: Path = FOLDER) -> Board:
    """The board with this name or alias. Files of other boards may be wrong without harm to this one."""
    for file in sorted(folder.glob("*.toml")):
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        aliases = document.get("aliases", [])
        if name == document.get("name") or isinstance(aliases, list) and name in aliases:
            return parse(document, file)
    raise Failure(f"there is no board {name!r}", "./flash.sh lists them", USAGE)
