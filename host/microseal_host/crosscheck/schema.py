"""Checks what a JSON file holds, field by field, before anything looks at it: the file may come from anywhere."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Far above any file of this form, far below what would hurt.
MAX_FILE = 64 << 20
U8, U16, U32, U64 = 0xFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF

_HEX = re.compile(r"(?:[0-9a-f]{2})*")


class FormatError(Exception):
    """The file is not of this form; the text says where and why."""


# A check takes the value and where it stands, and raises FormatError.
Check = Callable[[Any, str], None]


def shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def hexadecimal(least: int, most: int | None = None) -> Check:
    """least to most bytes (most None: exactly least) in lower-case hexadecimal digits."""
    limit = least if most is None else most

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            raise FormatError(f"{where}: bytes in lower-case hexadecimal digits expected, not {shown(value)}")
        if not least <= len(value) // 2 <= limit:
            wanted = str(least) if least == limit else f"{least} to {limit}"
            raise FormatError(f"{where}: {wanted} bytes expected, not {len(value) // 2}")

    return check


def number(most: int, least: int = 0) -> Check:
    def check(value: Any, where: str) -> None:
        # bool is an int to Python, not to this format.
        if type(value) is not int or not least <= value <= most:
            raise FormatError(f"{where}: a number from {least} to {most} expected, not {shown(value)}")

    return check


def text(most: int, least: int = 0) -> Check:
    """least to most bytes of UTF-8."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str):
            raise FormatError(f"{where}: text expected, not {shown(value)}")
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise FormatError(f"{where}: not Unicode text (a lone surrogate)") from None
        if not least <= size <= most:
            raise FormatError(f"{where}: text of {least} to {most} bytes expected, not {size}")

    return check


def one_of(*allowed: str) -> Check:
    def check(value: Any, where: str) -> None:
        if value not in allowed:
            raise FormatError(f"{where}: {' or '.join(map(repr, allowed))} expected, not {shown(value)}")

    return check


def items(check_item: Check) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise FormatError(f"{where}: a list expected, not {shown(value)}")
        for i, item in enumerate(value):
            check_item(item, f"{where}[{i}]")

    return check


@dataclass(frozen=True)
class Fields:
    """An object with exactly these fields, of which some may be missing."""

    required: dict[str, Check]
    optional: dict[str, Check]

    def __call__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise FormatError(f"{where}: an object expected, not {shown(value)}")
        for name in self.required:
            if name not in value:
                raise FormatError(f"{where}: the field {name!r} is missing")
        for name, item in value.items():
            check = self.required.get(name) or self.optional.get(name)
            if check is None:
                raise FormatError(f"{where}: unknown field {shown(name)}")
            check(item, f"{where}.{name}" if where else name)


def fields(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Fields:
    return Fields(required, optional or {})


def load(path: Path) -> dict[str, Any]:
    """The object in a JSON file; FormatError for whatever cannot be read as one."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise FormatError(f"{path.name}: a field occurs twice in one object")
        return found

    def no_number(word: str) -> Any:
        raise FormatError(f"{path.name}: {word} is no number of this format")

    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror}") from None
    if len(raw) > MAX_FILE:
        raise FormatError(f"{path.name}: longer than {MAX_FILE >> 20} MiB")
    try:
        found = json.loads(raw.decode(), object_pairs_hook=unique, parse_constant=no_number)
    except UnicodeDecodeError:
        raise FormatError(f"{path.name}: not UTF-8") from None
    except RecursionError:
        raise FormatError(f"{path.name}: nested too deeply") from None
    except ValueError as error:
        raise FormatError(f"{path.name}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise FormatError(f"{path.name}: an object expected")
    return found
