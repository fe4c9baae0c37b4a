"""scripts/measure_client.py: the heap of a connected client stays as it is, however many messages it sends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("client_sketch")


@pytest.mark.parametrize(("slack", "code"), [(256, 0), (-1000000, 1)])
def test_the_heap_does_not_grow(root: Path, slack: int, code: int) -> None:
    command = [sys.executable, root / "scripts/measure_client.py", "--json", "--few", "50", "--many", "300"]
    done = subprocess.run(
        [*command, "--seconds", "0.1", "--slack", str(slack)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == code, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["growth"] <= 256
    assert [(row["mode"], row["qos"]) for row in result["rates"]] == [(m, q) for m in (1, 2, 3) for q in (0, 1)]
    assert all(row["per_second"] > 10 for row in result["rates"])
