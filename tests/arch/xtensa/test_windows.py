"""Xtensa's registers are a window on a file of them: calls that are too deep for it save the oldest to the stack, returns fetch them.

Which call that is depends on how deep the calls before it were. So the module is called at many depths.
"""

from __future__ import annotations

import pytest
from qemu import Board

START = """
def deep(n, f):
    return deep(n - 1, f) if n else f()

def deep_in_c(n, f):
    return list(map(lambda _: deep_in_c(n - 1, f), b"x"))[0] if n else f()

def result():
    return core.hmac(1, b"key", bytearray(b"a" * 100), b"b")

def refusal():
    # Leaves the module and all that it was called by in one jump.
    try:
        return deep(3, lambda: core.base_mul(7, bytes(32)))
    except ValueError as error:
        return str(error)

def kept():
    # Through collections, which have to see what only registers hold.
    gc.collect()
    parts = [core.hash(1, bytes([i])) for i in range(8)]
    gc.collect()
    return core.hash(1, *parts)
"""


@pytest.mark.xdist_group("xtensawin")
@pytest.mark.parametrize("board", ["xtensawin"], indirect=True)
def test_calls_at_every_depth(board: Board) -> None:
    board.exec(START)
    for code in ("result", "refusal", "kept"):
        found = board.exec(f"print(set(d(n, {code}) for d in (deep, deep_in_c) for n in range(17)))")
        assert found == board.exec(f"print({{{code}()}})"), code
