"""scripts/bench_host.py runs, and measures what it says."""

import json
import subprocess
import sys
from pathlib import Path


def bench(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "scripts" / "bench_host.py"), "--seconds", "0.05", *args],
        capture_output=True,
        text=True,
        check=False,
    )


def test_rates(root: Path) -> None:
    done = bench(root, "--least", "1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 8
    assert all(value > 10 for value in found.values())


def test_too_slow(root: Path) -> None:
    done = bench(root, "--least", "100000000")
    assert done.returncode == 1
    assert done.stderr.count("below 100000000 a second") == 2
    assert "libcrypto" in done.stdout
