"""The functions of on_board.py, called on a board."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from .link import BoardError, CodeError, Link

_SLOW = 300  # s that the board may compute: an emulated one imports the package for a minute, on a busy machine


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
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
        raise BoardError(f"{what}: no answer that makes sense", "run the command again")
