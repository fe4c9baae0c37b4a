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
    done = subprocess.run([*command, "--slack", str(slack)], capture_output=True, text=True, timeout=100)
    assert done.returncode == code, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["growth"] <= 256
