"""The core as LLVM compiles it for ESP32, S2 and S3: its C tests under qemu-xtensa, unaligned accesses, traces of secrets."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from elftools.elf.elffile import ELFFile

ROOT = Path(__file__).resolve().parents[3]
XTENSA = ROOT / "firmware/native/xtensa"
OUT = ROOT / "build/native/xtensa"
VECTORS = ROOT / "tests/c/vectors"
# Of the files that take minutes every so manieth case, unless there is time for a long run.
# test_points takes minutes by itself: make -C firmware/native/xtensa check LONG=1 runs it.
RUNS = {
    "vectors": [p for p in sorted(VECTORS.glob("*.txt")) if p.stem not in ("field", "secrets", "sums")],
    "field": [VECTORS / "field.txt"],
    "errors": [],
    "retry": [],
}
STEPS = {"points": 20, "ecdh_wycheproof": 10, "certificates": 2, "signatures": 2}
# Instructions of an operation in suite 1: the goal in docs/performance.md.
MOST = 3_000_000

pytestmark = pytest.mark.xdist_group("xtensa")


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of qemu-xtensa, after everything was built. The first time, 100 MB are downloaded."""
    found = subprocess.run([ROOT / "scripts/setup_xtensa.sh"], stdout=subprocess.PIPE, text=True, check=True)
    subprocess.run(["make", "--no-print-directory", "-C", XTENSA, "programs", "count"], check=True)
    return Path(found.stdout.strip())


def part_of(path: Path, folder: Path, long_run: bool) -> Path:
    """A file with the cases of the path's that are to run."""
    step = 1 if long_run else STEPS.get(path.stem, 1)
    part = folder / path.name
    part.write_text("\n\n".join(path.read_text().split("\n\n")[1::step]) + "\n")
    return part


@pytest.mark.parametrize("test", RUNS)
def test_core(tools: Path, tmp_path: Path, test: str, long_run: bool) -> None:
    files = [part_of(path, tmp_path, long_run) for path in RUNS[test]]
    report = tmp_path / "accesses"
    watched = f"{OUT}/alignment.so,low=0x400000,high=0x500000,report={report}"
    command = [tools / "qemu-xtensa", "-cpu", "dc233c", "-plugin", watched, OUT / f"test_{test}", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ", 0 failed" in done.stdout
    seen, unaligned, instruction, address, _ = struct.unpack("<5Q", report.read_bytes())
    assert seen > 10_000
    assert not unaligned, f"at {instruction:#x} of {address:#x}"


def test_secrets_show_nowhere(tools: Path) -> None:
    """LLVM has no instruction for a comparison's result and takes branches: none may depend on a secret."""
    command = [sys.executable, ROOT / "scripts/count_xtensa.py", "--json", "--keys", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)["rows"]
    assert {row["suite"] for row in rows} == {1, 2}
    for row in rows:
        assert row["same"] is (None if row["name"] == "verify" else True), row
        assert 500_000 < row["instructions"] < (MOST if row["suite"] == 1 else 1.1 * MOST)


def counter() -> ModuleType:
    spec = importlib.util.spec_from_file_location("count_xtensa", ROOT / "scripts/count_xtensa.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_counter_sees_a_difference(tools: Path) -> None:
    """Else the test above would say nothing: verification, which has no secrets, goes its way by the signature."""
    count = counter()
    machine = count.Machine()
    ways = [machine.run("verify", 1, *count.inputs("verify", 1, number)[0])[1] for number in (0, 1)]
    assert ways[0].path != ways[1].path
    assert ways[0].addresses != ways[1].addresses


def test_module(tools: Path, tmp_path: Path) -> None:
    """The .mpy links, is one for the windowed ABI, and does not tell where it was built."""
    command = [XTENSA / "build.sh", f"OUT={tmp_path}", f"DIST={tmp_path}"]
    subprocess.run(command, env={**os.environ, "XTENSA_LLVM": str(tools)}, check=True)
    mpy = (tmp_path / "microseal_core.mpy").read_bytes()
    assert mpy[:2] == b"M\x06"
    assert mpy[2] >> 2 == 10
    assert str(tmp_path).encode() not in mpy
    assert b"result is the point at infinity" in mpy


def test_links_of_the_module(tools: Path, tmp_path: Path) -> None:
    """Every l32r of the .mpy's code finds what the object says: mpy_ld was written for GNU's objects, not LLVM's."""
    command = [XTENSA / "build.sh", f"OUT={tmp_path}", f"DIST={tmp_path}"]
    subprocess.run(command, env={**os.environ, "XTENSA_LLVM": str(tools)}, check=True)
    (path,) = tmp_path.rglob("microseal_core.o")
    mpy = (tmp_path / "microseal_core.mpy").read_bytes()
    with path.open("rb") as file:
        elf = ELFFile(file)
        sections = list(elf.iter_sections())
        text, literals = (elf.get_section_by_name(name) for name in (".text", ".literal"))
        symbols = elf.get_section_by_name(".symtab")
        code, words = text.data(), literals.data()
        in_code = list(elf.get_section_by_name(".rela.text").iter_relocations())
        in_words = {r["r_offset"]: r for r in elf.get_section_by_name(".rela.literal").iter_relocations()}
        assert len(in_code) > 100

        # Where the code begins in the .mpy: found by the longest piece without relocations.
        edges = [0, *(r["r_offset"] for r in in_code), len(code)]
        start, end = max(((a + 3, b) for a, b in zip(edges, edges[1:], strict=False)), key=lambda it: it[1] - it[0])
        assert mpy.count(code[start:end]) == 1
        begin = mpy.index(code[start:end]) - start

        bases: dict[str, set[int]] = {}
        numbers = 0
        for relocation in in_code:
            at = relocation["r_offset"]
            literal = relocation["r_addend"]
            (immediate,) = struct.unpack_from("<H", mpy, begin + at + 1)
            place = begin + (at + 3 & ~3) + 4 * (immediate - 0x10000)
            (found,) = struct.unpack_from("<I", mpy, place)
            (expected,) = struct.unpack_from("<I", words, literal)
            if literal not in in_words:
                numbers += 1
                assert found == expected, hex(at)
                continue
            symbol = symbols.get_symbol(in_words[literal]["r_info_sym"])
            if symbol["st_shndx"] == "SHN_UNDEF":
                assert symbol.name in ("mp_fun_table", "mp_native_qstr_table"), symbol.name
                continue
            section = sections[symbol["st_shndx"]]
            bases.setdefault(section.name, set()).add(found - expected - symbol["st_value"])
        assert numbers > 20
        # Addresses are those in the code and in the read-only data, which follow each other in the file: one for each section.
        assert {".text", ".data.rel.ro"} <= set(bases)
        assert all(len(found_at) == 1 for found_at in bases.values()), bases
        del bases[".text"]
        starts = set()
        for name, (base,) in bases.items():
            data = elf.get_section_by_name(name).data()
            if name != ".data.rel.ro":  # in which there are addresses
                assert mpy.count(data) == 1, name
                starts.add(mpy.index(data) - base)
        assert len(starts) == 1
