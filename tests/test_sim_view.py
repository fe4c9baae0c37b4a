"""What the simulation prints."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from microseal_host.sim.view import View, describe, printable


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b'{"load": 0.416, "free": 8589934592, "temperature": 48.25}', "load 0.42, 8.0 GiB free, 48.2 °C"),
        (b'{"load": "high", "pressure": 4.2}', 'load "high", pressure 4.2'),
        (b"4.2", "4.2"),
        (b"[1, 2]", "[1, 2]"),
        ("4,2 °".encode(), "4,2 °"),
        (b"\x1b[2J\xff", "\\x1b[2J\\xff"),
        (b'{"a\\u001b[2J": "\\u009b2J"}', 'a\\x1b[2J "\\u009b2J"'),
    ],
)
def test_readings_are_shown_and_controls_do_not_reach_the_terminal(payload: bytes, shown: str) -> None:
    assert describe(payload) == shown
    assert describe(payload).isprintable()


def test_printable_escapes_line_breaks() -> None:
    assert printable(b"a\nb\r") == "a\\nb\\r"


def test_refusals_name_topic_and_reason_and_are_counted() -> None:
    for as_json in (False, True):
        out = io.StringIO()
        view = View(Console(file=out, width=40), as_json=as_json)
        view.progress("only for people")
        view.refusal(b"sim/\x1b", "signature")
        view.summary(1)
        lines = out.getvalue().splitlines()
        assert view.refused == 1
        if as_json:
            assert json.loads(lines[0]) == {"verified": False, "topic": "sim/\\x1b", "reason": "signature"}
            assert json.loads(lines[1]) == {"summary": {"verified": 0, "refused": 1, "altered": 1}}
        else:
            assert "REFUSED  on sim/\\x1b: signature" in lines[1]
