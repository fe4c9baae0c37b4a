"""Files on a board: the real REPL link, to MicroPython's Unix port behind a PTY."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from microseal_host.board import install, package
from microseal_host.board.link import Link
from microseal_host.board.package import Files
from microseal_host.board.wire import Unplugged
from microseal_host.failure import Failure
from pty_board import PtyBoard


@pytest.fixture(scope="module")
def files() -> Files:
    return package.collect("x64", "6.3")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[PtyBoard]:
    made = PtyBoard(tmp_path, package=False)
    wait_for_prompt(made)
    yield made
    made.close()


def wait_for_prompt(board: PtyBoard, after: int = 0) -> None:
    """An interrupt before that would end it, which no board does."""
    end = time.monotonic() + 20
    while b">>> " not in bytes(board.sent)[after:] and time.monotonic() < end:
        time.sleep(0.01)


def quiet(done: int, total: int) -> None:
    pass


def put(board: PtyBoard, files: Files) -> install.Done:
    with Link(str(board.port)) as link:
        link.enter()
        return install.install(link, files, quiet)


def on_flash(board: PtyBoard) -> Files:
    return {str(path.relative_to(board.flash)): path.read_bytes() for path in board.flash.rglob("*") if path.is_file()}


def test_a_board_gets_bytecode_the_native_module_and_a_start(files: Files) -> None:
    assert list(files)[-1] == "main.py"
    assert {"lib/umqtt/simple.mpy", "lib/microseal/__init__.mpy", "lib/microseal_core.mpy"} <= files.keys()
    assert all(content[:1] == b"M" for path, content in files.items() if path != "main.py")
    # The same source gives the same bytes: what is on a board is compared by its hash.
    assert package.collect("x64", "6.3") == files


def test_the_package_is_installed_and_loads(board: PtyBoard, files: Files) -> None:
    steps: list[tuple[int, int]] = []
    with Link(str(board.port)) as link:
        link.enter()
        running = install.ask(link)
        assert (running.arch, running.abi) == ("x64", "6.3")
        done = install.install(link, files, lambda *step: steps.append(step))
        install.check_imports(link)
    assert done.written == list(files) and done.kept == 0
    assert on_flash(board) == files
    total = sum(map(len, files.values()))
    assert steps == sorted(steps) and steps[-1] == (total, total)


def test_only_what_changed_is_written_and_the_sketch_is_left_alone(board: PtyBoard, files: Files) -> None:
    (board.flash / "app.py").write_text("def run(client):\n    pass\n")
    put(board, files)
    before = {path: path.stat().st_mtime_ns for path in board.flash.rglob("*") if path.is_file()}
    done = put(board, files)
    assert (done.written, done.removed, done.kept) == ([], [], len(files))
    assert before == {path: path.stat().st_mtime_ns for path in board.flash.rglob("*") if path.is_file()}
    (board.flash / "lib/microseal/wire.mpy").write_bytes(b"damaged")
    done = put(board, files)
    assert done.written == ["lib/microseal/wire.mpy", "main.py"]
    assert (board.flash / "app.py").exists()
    assert on_flash(board).items() >= files.items()


def test_what_an_earlier_version_left_in_the_package_goes(board: PtyBoard, files: Files) -> None:
    put(board, files)
    old = board.flash / "lib/microseal/gone.mpy"
    old.write_bytes(b"M")
    (board.flash / "lib/microseal/wire.py").write_text("raise ImportError('shadow')\n")
    (board.flash / "lib/other.py").write_text("theirs = 1\n")
    done = put(board, files)
    assert done.removed == ["lib/microseal/gone.mpy", "lib/microseal/wire.py"]
    assert (board.flash / "lib/other.py").exists()


@pytest.mark.parametrize("shadow", ["microseal_core.py", "readings.py", "lib/readings.py"])
def test_what_would_be_imported_instead_is_told_and_left(board: PtyBoard, files: Files, shadow: str) -> None:
    (board.flash / "lib").mkdir()
    (board.flash / shadow).write_text("theirs = 1\n")
    with pytest.raises(Failure, match=f"the board has {shadow}") as caught:
        put(board, files)
    assert f"mpremote fs rm -r :{shadow}" in caught.value.hint
    assert list(on_flash(board)) == [shadow]


def test_unplugged_half_way_there_is_no_start_and_running_again_mends_it(board: PtyBoard, files: Files) -> None:
    put(board, files)
    for name in ("wire", "client", "member"):
        (board.flash / f"lib/microseal/{name}.mpy").write_bytes(b"an older one")

    def unplug(done: int, total: int) -> None:
        if done > total // 2:
            board.unplug()

    with pytest.raises(Unplugged) as caught, Link(str(board.port)) as link:
        link.enter()
        install.install(link, files, unplug)
    assert "run the same command again" in caught.value.hint
    # Half of a version does not start.
    assert not (board.flash / "main.py").exists()
    before = len(board.sent)
    board.plug()
    wait_for_prompt(board, before)
    put(board, files)
    assert on_flash(board) == files


def test_a_module_that_does_not_load_is_told(board: PtyBoard, files: Files) -> None:
    wrong = dict(files)
    core = bytearray(files["lib/microseal_core.mpy"])
    core[2] = core[2] & 3 | 4 << 2  # of armv6m
    wrong["lib/microseal_core.mpy"] = bytes(core)
    with Link(str(board.port)) as link:
        link.enter()
        install.install(link, wrong, quiet)
        with pytest.raises(Failure, match="does not load the package: ValueError incompatible .mpy"):
            install.check_imports(link)


def test_a_module_for_an_architecture_nobody_builds_is_told() -> None:
    with pytest.raises(Failure, match="no native module for x64_5.0; there is .*x64_6.3"):
        package.native_module("x64", "5.0")


def test_hashes_are_the_boards_own(board: PtyBoard) -> None:
    content = b"x" * 5000
    (board.flash / "a").write_bytes(content)
    (board.flash / "b").write_bytes(content + b"y")
    with Link(str(board.port)) as link:
        link.enter()
        assert install.different(link, {"a": content, "b": content, "c": content}) == ["b", "c"]
        assert link.hash("a") == hashlib.sha256(content).hexdigest()
