"""The functions of on_board.py, called on a board."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .link import BoardError, CodeError, Link

_SLOW = 300  # s that the board may compute: an emulated one imports the package for a minute, on a busy machine

_LONGEST = 1000  # characters of one text


def _is_text(value: object) -> bool:
    # No second line: what an error says below its text is what to do, in this program's words.
    if not isinstance(value, str) or len(value) > _LONGEST or "\n" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a character, as JSON can say it
        return False
    return True


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 48


def _may_miss(is_good: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or is_good(value)


def _is_suites(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(suite, int) for suite in value)


def _is_epochs(value: object) -> bool:
    return isinstance(value, dict) and all(_is_text(gid) and _is_count(epoch) for gid, epoch in value.items())


_CERTIFICATE = {"kid": _is_text, "cert": _is_text, "box": _is_text}
# What each function tells: a board may be broken, or somebody's who means ill, and what is behind this takes it for what it is.
_TOLD: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "state": {
        **dict.fromkeys(("package", "id", "kid", "authority", "missing"), _may_miss(_is_text)),
        "core": _may_miss(_is_suites),
        "network": lambda value: isinstance(value, bool),
    },
    "ask": {"request": _is_text},
    "answer": _CERTIFICATE,
    "show": _CERTIFICATE,
    "info": {
        "free": _is_count,
        "used": _is_count,
        "epochs": _is_epochs,
        **dict.fromkeys(("mpy", "flash", "flash_free"), _may_miss(_is_count)),
        "not_after": lambda value: value is None or _is_count(value) and value < 1 << 32,  # type: ignore[operator]
        **dict.fromkeys(("firmware", "machine", "link"), _may_miss(_is_text)),
    },
}


def _program() -> str:
    """on_board.py without what only its reader needs: a board compiles it in its memory."""
    tree = ast.parse(Path(__file__).with_name("on_board.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.unparse(tree)


class Console:
    """A board in its raw REPL, with on_board.py loaded."""

    def __init__(self, link: Link) -> None:
        self._link = link
        link.exec(_program(), what="cannot load the code for provisioning")

    def call(self, name: str, *arguments: str, secret: bool = False, what: str) -> dict[str, Any]:
        """What the function tells. what: what an error says went wrong; secret: there is a secret in the arguments."""
        code = f"{name}({','.join(map(repr, arguments))})"
        try:
            text = self._link.exec(code, max(_SLOW, self._link.patience), what=what, secret=secret)
        except CodeError as error:
            if "MemoryError" in error.error:
                raise BoardError(
                    f"{what}: the board's memory is full", "install the package as bytecode: ./flash.sh"
                ) from None
            raise
        for line in reversed(text.splitlines()):
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                told = _TOLD.get(name, {})
                if all(is_good(found.get(key)) for key, is_good in told.items()):
                    return dict.fromkeys(told) | found
                break
        raise BoardError(f"{what}: no answer that makes sense", "run the command again")
