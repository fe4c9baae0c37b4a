"""The package and its native module on the board itself: what loading them takes, vectors, and the heaviest step of enrolment."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from kinds import CYCLES, FILES, Board

from microseal import crypto
from microseal.identity import Anchor, Request, accept_reply, make_request, make_share
from microseal_host import issuing

ACCEPT = 12_000_000  # cycles
pytestmark = pytest.mark.usefixtures("core")


# In the order in which a program meets them.
MODULES = ("microseal_core", "umqtt.simple", "microseal", "microseal.serial")


@pytest.mark.usefixtures("patience")
def test_import(board: Board, tell: Callable[[str], None]) -> None:
    board.fresh()
    printed = board.exec(
        "import gc, time\n"
        "gc.collect()\n"
        "found = [(0, gc.mem_free())]\n"
        f"for name in {MODULES!r}:\n"
        "    start = time.ticks_ms()\n"
        "    __import__(name)\n"
        "    took = time.ticks_diff(time.ticks_ms(), start)\n"
        "    gc.collect()\n"
        "    found.append((took, gc.mem_free()))\n"
        "print(found)"
    )
    (_, free), *steps = ast.literal_eval(printed)
    tell(f"{board.name}: {free:,} bytes of heap free at first")
    for name, (ms, left) in zip(MODULES, steps, strict=True):
        tell(f"{board.name}: import {name} takes {ms} ms and {free - left:,} bytes, {left:,} are left")
        free = left
    # A client with a group has to fit into what is left, and a program beside it.
    assert free > 60_000


def test_the_module_is_native(board: Board) -> None:
    board.fresh()  # what other tests have imported leaves too little for the largest vectors
    found = board.exec("import sys, microseal_core\nprint(microseal_core.SUITES, 'py' in str(microseal_core))")
    assert found.split(")")[0] == "(1, 2"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vectors(board: Board, path: Path) -> None:
    """A case of each kind; tests/arch has all of them, on the same core."""
    printed = board.exec(
        "import gc, core_cases, microseal_core\ngc.collect()\n"
        f"print(core_cases.run_vectors(microseal_core, 'vectors/{path.name}'))"
    )
    assert int(printed) > 0


def test_cycles_of_accepting_the_certificate_and_making_the_share(board: Board, tell: Callable[[str], None]) -> None:
    board.need(CYCLES)
    secrets = [crypto.core.scalar_reduce(1, bytes([i]) * 48) for i in range(1, 6)]
    d_ca, r, g, k, _ = secrets
    anchor = Anchor(1, crypto.core.base_mul(1, d_ca))
    request = Request(make_request(1, b"pump-3", r, g))
    _, reply = issuing.issue(anchor, d_ca, request, k, 0, 0xFFFFFFFF)
    board.exec(
        "from microseal import crypto\n"
        "from microseal.identity import Anchor, accept_reply, make_share\n"
        "import gc, machine, time\n"
        f"r, g, reply, point = {r!r}, {g!r}, {reply!r}, {request.share_point!r}\n"
        f"anchor = Anchor(1, {anchor.public!r})\n"
        "gc.collect()"
    )
    printed = board.exec(
        "start = time.ticks_us()\n"
        "me = accept_reply(anchor, reply, b'pump-3', r, point)\n"
        "accepted = time.ticks_us()\n"
        "box = make_share(me, g)\n"
        "end = time.ticks_us()\n"
        "per_us = machine.freq() // 1000000\n"
        "print(*[time.ticks_diff(b, a) * per_us for a, b in ((start, accepted), (accepted, end))])\n"
        "print(box.hex(), me.public.hex())"
    )
    accept, share = map(int, printed.splitlines()[0].split())
    box, public = (bytes.fromhex(word) for word in printed.splitlines()[1].split())
    # What was measured was the right thing.
    identity = accept_reply(anchor, reply, b"pump-3", r, request.share_point)
    assert public == identity.public
    assert box == make_share(identity, g)
    tell(
        f"{board.name}: accepting the certificate {accept / 1e6:.2f}, making the share {share / 1e6:.2f} M cycles; "
        f"together {(accept + share) / 1e6:.2f}, and at most {ACCEPT / 1e6:.0f}"
    )
    assert accept + share <= ACCEPT
