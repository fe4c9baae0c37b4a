"""What the built core consists of: visible names, what it needs from outside, no data that changes; generated sources."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "firmware/native"
LIBRARIES = [ROOT / "build/native" / name for name in ("libmicroseal_core.so", "libmicroseal_core_32.so")]


def symbols(*args: str) -> list[tuple[str, str]]:
    """(letter, name) of each symbol, as nm has it."""
    out = subprocess.run(["nm", "-P", *args], capture_output=True, text=True, check=True).stdout
    return [(fields[1], fields[0].partition("@")[0]) for fields in map(str.split, out.splitlines())]


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda p: p.stem)
def test_only_the_header_is_visible(library: Path) -> None:
    header = (NATIVE / "core/microseal_core.h").read_text()
    declared = set(re.findall(r"^MS_API [^(]*?(\w+)\(", header, re.MULTILINE))
    assert len(declared) > 25
    assert {name for _, name in symbols("-D", "--defined-only", str(library))} == declared


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda p: p.stem)
def test_nothing_but_two_functions_of_libc(library: Path) -> None:
    needed = {name for letter, name in symbols("-D", "--undefined-only", str(library)) if letter == "U"}
    assert needed <= {"memcpy", "memset"}


@pytest.mark.parametrize("suites", ["11", "10", "01"])
def test_no_mutable_data(tmp_path: Path, suites: str) -> None:
    out = tmp_path / "core.o"
    flags = ["-std=c11", "-Os", f"-DMS_SUITE1={suites[0]}", f"-DMS_SUITE2={suites[1]}"]
    subprocess.run(["gcc", *flags, "-c", str(NATIVE / "core/core.c"), "-o", str(out)], check=True)
    found = symbols(str(out))
    assert not [name for letter, name in found if letter in "dDbBcC"]
    assert {name for letter, name in found if letter == "U"} <= {"memcpy", "memset", "memmove"}
    assert {name for letter, name in found if letter == "r" and name.startswith("curve_")} == {
        name for name, built in (("curve_p256", suites[0]), ("curve_sm2", suites[1])) if built == "1"
    }


@pytest.mark.parametrize("generator", ["gen_curves.py", "gen_sm4_sbox.py"])
def test_generated_headers_are_current(generator: str) -> None:
    subprocess.run(["python3", str(NATIVE / "tools" / generator), "--check"], check=True)


def test_a_stale_header_is_noticed(tmp_path: Path) -> None:
    for name in ("core", "tools"):
        (tmp_path / name).mkdir()
    script = tmp_path / "tools/gen_curves.py"
    script.write_text((NATIVE / "tools/gen_curves.py").read_text())
    for name in ("curve_p256.h", "curve_sm2.h"):
        (tmp_path / "core" / name).write_text((NATIVE / "core" / name).read_text())
    assert subprocess.run(["python3", str(script), "--check"]).returncode == 0
    path = tmp_path / "core/curve_sm2.h"
    path.write_text(path.read_text().replace("0x", "0x1", 1))
    result = subprocess.run(["python3", str(script), "--check"], capture_output=True, text=True)
    assert result.returncode == 1
    assert "curve_sm2.h" in result.stderr


def test_public_functions_are_documented() -> None:
    """Each declaration of the header stands under a comment, alone or with others of its kind."""
    header = (NATIVE / "core/microseal_core.h").read_text()
    for block in re.split(r"\n\n", header[header.index("typedef enum") :]):
        if "MS_API" in block and "ms_hmac_update" not in block and "ms_cmac_update" not in block:
            assert block.lstrip().startswith("/*"), block
