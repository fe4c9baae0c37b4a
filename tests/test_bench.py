"""`microseal bench`: what it measures is right and in the table. Times are not judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cores import elves as core_elves
from m0 import elves
from microseal_host.bench import opening, parts, plot, rows
from microseal_host.bench.published import Figure
from pty_board import PtyBoard


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "microseal", "bench", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)


@pytest.fixture(scope="module")
def counted() -> list[rows.Row]:
    elves()
    return list(parts.chip("m0", False))


def test_the_plot_of_the_documentation_is_of_these_counts(root: Path, counted: list[rows.Row]) -> None:
    """If not: microseal bench m0 --svg docs/performance.svg"""
    assert (root / "docs/performance.svg").read_bytes() == plot.draw(counted)


def test_the_plot_is_an_image(counted: list[rows.Row]) -> None:
    image = ElementTree.fromstring(plot.draw(counted))
    assert image.tag.endswith("}svg")
    text = " ".join(image.itertext())
    assert "X(k*P): microseal" in text and "SHA-256: microseal" in text
    # Nothing is fetched when it is looked at, and nothing runs.
    assert not any(element.tag.endswith(("}script", "}image")) for element in image.iter())


def test_cycles_and_instructions_are_rows_of_their_own() -> None:
    core_elves()
    found = list(parts.chip("m4", False))
    by_unit = {row.unit: row for row in found if row.name == "X(k*P)"}
    assert by_unit[rows.INSTRUCTIONS].met and by_unit[rows.INSTRUCTIONS].published is None
    assert by_unit[rows.CYCLES].published is not None and by_unit[rows.CYCLES].goal is None


def test_more_a_second_is_better_and_fewer_cycles_are() -> None:
    assert rows.Row("here", "a", 11, rows.RATE, goal=10).met
    assert not rows.Row("here", "a", 9, rows.RATE, goal=10).met
    assert not rows.Row("here", "a", 11, rows.CYCLES, goal=10).met
    assert rows.Row("here", "a", 11, rows.CYCLES).met is None
    assert rows.Row("here", "a", 1, rows.MS, published=Figure(2, "them")).as_json()["published"] == {
        "value": 2,
        "source": "them",
    }


def test_host() -> None:
    found = {row.name: row for row in parts.host(0.02, 2)}
    for mode in opening.MODES:
        alone = found[f"messages opened, mode {mode}"]
        assert alone.value > 1 and found[f"messages opened, mode {mode}, 2 processes"].value > 1
        assert alone.spent["signatures"] > 0.1 and abs(sum(alone.spent.values()) - 1) < 1e-6
    assert "decryption" not in found["messages opened, mode 1"].spent
    assert found["signatures verified by pure-Python ecdsa"].value > 1


@pytest.mark.xdist_group("client_sketch")
def test_device() -> None:
    found = list(parts.device(0.05))
    assert [row.name[-13:] for row in found] == [f"mode {mode}, QoS {qos}" for mode in range(4) for qos in (0, 1)]
    assert all(row.value > 1 and row.spent["network"] > 0 and row.spent["interpreter"] >= 0 for row in found)
    assert "signing" not in found[0].spent and found[0].spent["sealing"] > 0 and found[2].spent["signing"] > 0


def test_board(tmp_path: Path) -> None:
    board = PtyBoard(tmp_path)
    try:
        found = {row.name: row for row in parts.board(str(board.port))}
    finally:
        board.close()
    assert all(row.unit == rows.MS and row.value >= 0 for row in found.values())
    assert found["publish, mode 1, from a pair"].goal == 3
    assert found["accept the certificate and make the share"].published is not None
    # What it was given is gone again.
    assert not (board.flash / "bench-state").exists()


def test_a_board_without_the_package(tmp_path: Path) -> None:
    board = PtyBoard(tmp_path, package=False)
    try:
        done = bench("--port", str(board.port))
    finally:
        board.close()
    assert done.returncode == 3 and "no module named 'microseal'" in done.stderr and "./flash.sh" in done.stderr


def test_command() -> None:
    done = bench("m0", "--field", "--json")
    assert done.returncode == 0, done.stderr
    found = {row["name"]: row for row in json.loads(done.stdout)}
    assert found["fe_mul"]["unit"] == "cycles" and "fe_invert, SM2" in found
    done = bench("rv32", "--field")
    assert "RV32IMC" in done.stdout and "fe_invert" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (("m5",), "there is no part m5", "these are: host"),
        (("host", "--svg", "x.svg"), "--svg draws the operations of m0", "microseal bench m0"),
    ],
)
def test_called_wrongly(arguments: tuple[str, ...], said: str, hint: str) -> None:
    done = bench(*arguments)
    assert done.returncode == 2 and said in done.stderr and hint in done.stderr


def test_what_is_missing_says_how_to_get_it() -> None:
    done = bench("m0", ARM_GCC="no-such-compiler", MAKEFLAGS="-B")
    assert done.returncode == 3 and "no-such-compiler" in done.stderr and "scripts/setup_boards.sh" in done.stderr
    done = bench("--port", "/dev/no-such-port")
    assert done.returncode == 3 and "/dev/no-such-port" in done.stderr
