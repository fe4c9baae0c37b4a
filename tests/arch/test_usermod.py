"""The module built into MicroPython's Unix port as a user C module: the same cases and vectors. In qemu's port: test_natmod.py."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from qemu import BOARDS, ROOT

from test_core_backend import C_ONLY, CASES, VECTORS
from test_core_module import SNIPPETS

FILES = [path for path in VECTORS if path.stem not in C_ONLY]


def run(*args: str) -> subprocess.CompletedProcess[str]:
    firmware = BOARDS / "unix_usermod"
    assert firmware.exists(), f"{firmware} is missing; to make it: scripts/setup_boards.sh"
    # Without a path to the .mpy.
    environment = {**os.environ, "MICROPYPATH": ""}
    return subprocess.run(
        [firmware, *args], env=environment, cwd=ROOT / "tests", capture_output=True, text=True, timeout=200
    )


def test_it_is_built_in() -> None:
    assert " microseal_core " in run("-c", "help('modules')").stdout.replace("\n", " ")


def test_interface_and_vectors() -> None:
    result = run("core_cases.py", *map(str, FILES))
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert {f"passed case_{name}" for name in CASES} <= set(lines)
    assert min([int(line.split()[1]) for line in lines if line.endswith(".txt")]) > 0


@pytest.mark.parametrize("code,message", SNIPPETS.values(), ids=SNIPPETS)
def test_messages(code: str, message: str) -> None:
    result = run("-c", f"import microseal_core as m\n{code}")
    assert result.returncode == 1
    assert (result.stdout + result.stderr).splitlines()[-1] == message


def test_names_are_in_the_order_of_the_functions() -> None:
    """The .mpy has its functions' names in a list of their own; MicroPython itself has that of the first."""
    native = ROOT / "firmware/native"
    names = re.findall(r" NAME\(MP_QSTR_(\w+)\)", (native / "natmod/microseal_core.c").read_text())
    functions = re.findall(r"^    F\((\w+),", (native / "natmod/binding.h").read_text(), re.MULTILINE)
    assert ["hash", *names] == functions
    assert len(functions) > 20
