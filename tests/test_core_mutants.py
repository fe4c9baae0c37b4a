"""Each defence of the C core is taken out, one at a time, and the check that is there for it must fail.

The core and its tests are copied, the change of tests/c/mutants.txt is made, and one test is built and run as `make`
does it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# The vector files that each test takes; test_vectors takes all others.
ARGUMENTS = {
    "field": ["field.txt"],
    "points": ["sums.txt"],
    "stack": ["secrets.txt"],
    "secrets": ["secrets.txt"],
    "vectors": [],
    "errors": [],
    "retry": [],
}
OTHERS = {p.name for p in (ROOT / "tests/c/vectors").glob("*.txt")} - {
    name for names in ARGUMENTS.values() for name in names
}
ARGUMENTS["vectors"] = sorted(OTHERS)


@dataclass(frozen=True)
class Mutant:
    name: str
    test: str
    file: str
    config: str
    old: str
    new: str

    @property
    def target(self) -> str:
        return f"{self.config}/test_{self.test}"


def read_mutants() -> Iterator[Mutant]:
    for block in (ROOT / "tests/c/mutants.txt").read_text().strip().split("\n\n"):
        lines = block.splitlines()
        if lines[0].startswith("#"):
            continue
        test, file, *config = lines[1].split()
        old, new = ("\n".join(line[1:] for line in lines[2:] if line[0] == sign) for sign in "-+")
        default = "ct_gcc64" if test == "secrets" else "gcc64"
        yield Mutant(lines[0], test, file, config[0] if config else default, old, new)


MUTANTS = list(read_mutants())


def make(copy: Path, target: str) -> None:
    # Warnings are no errors here: a mutant may well leave something unused.
    command = ["make", "-s", "-C", str(copy / "firmware/native"), "WARNINGS=-w", str(copy / "build/native" / target)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def passes(copy: Path, mutant: Mutant) -> bool:
    program = copy / "build/native" / mutant.target
    arguments = [str(copy / "tests/c/vectors" / name) for name in ARGUMENTS[mutant.test]]
    prefix = ["valgrind", "-q", f"--log-file={copy / 'valgrind.log'}"] if mutant.test == "secrets" else []
    return subprocess.run([*prefix, str(program), *arguments], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with all tests that are needed built, and passing."""
    copy = tmp_path_factory.mktemp("original")
    for name in ("firmware/native/core", "tests/c"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "firmware/native/Makefile", copy / "firmware/native")
    for mutant in {m.target: m for m in MUTANTS}.values():
        make(copy, mutant.target)
        assert passes(copy, mutant), mutant.target
    return copy


@pytest.mark.xdist_group("core mutants")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_the_mutant_is_caught(original: Path, tmp_path: Path, mutant: Mutant) -> None:
    copy = tmp_path / "mutant"
    shutil.copytree(original, copy)
    path = copy / "firmware/native/core" / mutant.file
    text = path.read_text()
    assert mutant.old in text
    path.write_text(text.replace(mutant.old, mutant.new))
    make(copy, mutant.target)
    assert not passes(copy, mutant)
    shutil.rmtree(copy)
