"""What a device's keys and each message cost on the wire, captured between real clients and a real broker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("suite", "below", "code"), [(1, 280, 0), (2, 279, 1)])
def test_key_setup_takes_less_than_the_published_scheme(root: Path, suite: int, below: int, code: int) -> None:
    script = [sys.executable, str(root / "scripts/measure_wire.py"), "--json"]
    command = [*script, "--suite", str(suite), "--below", str(below)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert run.returncode == code, run.stderr
    assert ("279 bytes, not below 279" in run.stderr) == bool(code)
    found = json.loads(run.stdout)
    payload = {line["what"]: line["payload"] for line in found["setup"]}
    # Section 4 and 5, to the byte, with an id of 6.
    assert {what: payload[what] for what in ("request", "reply", "box", "key packet")} == {
        "request": 2 + 6 + 2 * 33,
        "reply": 71,
        "box": 48,
        "key packet": 86,
    }
    assert found["four"] == sum(line["payload"] for line in found["setup"] if line["counts"]) == 279
    assert found["four"] < 290 < found["published"] == 366
    beside = {line["what"] for line in found["setup"] if not line["counts"]}
    for what in ("claim", "info", "roster", "certificate"):
        assert any(line.startswith(what) for line in beside), f"no line of its own for: {what}"
    overhead = {int(mode): envelope - size for mode, (size, envelope) in found["messages"].items()}
    assert overhead[1] == 91 and overhead[2] == 107
    assert 193 <= overhead[3] < 193 + 32
