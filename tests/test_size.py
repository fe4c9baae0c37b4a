"""What microseal takes on a device does not get more: scripts/measure_size.py. Who makes a figure smaller lowers its bound."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("client_sketch")

# The least so far, rounded up; bytes.
PACKAGE = 72_500
MODULE = {"armv6m": 16_384, "armv7emsp": 16_384, "rv32imc": 21_600, "x64": 39_500}
XTENSA = 19_700  # where its compiler is installed
STACK = 2_048
CONNECTED = 12_200  # with words of 64 bits


@pytest.mark.timeout(600)  # it compiles the module twelve times
def test_sizes(root: Path) -> None:
    command = [sys.executable, root / "scripts/measure_size.py", "--json", "--precision", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    flash = {(what, kind): size for what, kind, size, _ in result["flash"]}
    assert next(size for (what, _), size in flash.items() if what == "package, bytecode") <= PACKAGE
    for arch, most in MODULE.items():
        assert flash[f"native module, {arch}", "suite 1"] <= most
    assert flash.get(("native module, xtensawin", "suite 1"), 0) <= XTENSA
    assert {name: size for name, _, size, _ in result["stack"] if size > STACK} == {}
    ours, tls = (result["heap"][name] for name in ("microseal, mode 2", "umqtt.simple, TLS"))
    assert ours["connect"] <= CONNECTED
    # What the interpreter's TLS has is seen at all, and a connection costs less than half of it.
    assert 2 * ours["connect"] < tls["connect"] < tls["most"]
