"""The connection to a board's REPL: MicroPython on a PTY, real mpremote, and what goes wrong on cables."""

from __future__ import annotations

import os
import pty
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from microseal_host.board import wire
from microseal_host.board.link import BoardError, CodeError, Link
from microseal_host.failure import DENIED, Failure
from pty_board import PtyBoard


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PtyBoard]:
    made = PtyBoard(tmp_path_factory.mktemp("board"))
    yield made
    made.close()


@pytest.fixture
def link(board: PtyBoard) -> Iterator[Link]:
    with Link(str(board.port)) as made:
        made.enter()
        yield made


def test_code_runs_there(link: Link) -> None:
    assert link.exec("import sys\nprint(sys.implementation.name)\nprint(2)") == "micropython\n2\n"
    assert link.eval("b'\\xff\\x00'+bytes(3)") == b"\xff\0\0\0\0"
    heard: list[bytes] = []
    assert link.exec("for i in range(100):print(i)", output=heard.append) == ""
    assert b"".join(heard).split() == [str(i).encode() for i in range(100)]
    link.exec("kept = 5")
    assert link.eval("kept") == 5
    link.exec("\n".join(f"x{i} = {i}" for i in range(400)))  # longer than any window
    assert link.eval("x399") == 399


def test_errors_are_told(link: Link) -> None:
    with pytest.raises(CodeError) as raised:
        link.exec("def f():\n 1/0\nf()", what="cannot divide")
    assert str(raised.value) == "cannot divide: ZeroDivisionError: divide by zero"
    assert "line 2" in raised.value.traceback and len(str(CodeError("", "x" * 5000))) < 400
    with pytest.raises(CodeError, match="SyntaxError"):
        link.exec("a b")
    assert link.eval("1") == 1


def test_what_is_secret_stays_out_of_records_and_errors(board: PtyBoard) -> None:
    seen = bytearray()
    with Link(str(board.port), tap=lambda direction, data: seen.extend(data)) as link:
        link.enter()
        link.exec("password = 'open sesame'", secret=True)
        with pytest.raises(CodeError) as raised:
            link.exec("raise ValueError('open sesame')", secret=True)
        assert "sesame" not in str(raised.value) + raised.value.traceback and raised.value.error == "ValueError"
        with pytest.raises(CodeError) as raised:
            link.exec("raise ValueError('open\\nsesame')", secret=True)
        assert "sesame" not in str(raised.value) + raised.value.traceback
        assert b"password" not in seen and b"raw REPL" in seen
        assert link.eval("len(password)") == 11


def test_patience_ends(link: Link) -> None:
    start = time.monotonic()
    with pytest.raises(BoardError, match="silent for 0.3 s"):
        link.exec("while True:\n pass", timeout=0.3)
    assert time.monotonic() - start < 5
    assert link.eval("7") == 7, "it was interrupted"
    # A byte from time to time is a sign of life.
    link.exec("import time\nfor i in range(6):\n time.sleep_ms(100)\n print(i)", timeout=0.4)


@pytest.mark.parametrize(
    "program",
    [
        "while True:\n pass",
        "import time\ntime.sleep(1000)",
        "import time\nwhile True:\n print('x' * 100)\n time.sleep_ms(1)",
        "import time\nfor i in range(4):\n try:\n  time.sleep(1000)\n except KeyboardInterrupt:\n  print('not now')",
        "import select, sys\npoll = select.poll()\npoll.register(sys.stdin, 1)\npoll.poll()",
        "import socket\ns = socket.socket()\ns.bind(socket.getaddrinfo('127.0.0.1', 0)[0][-1])\ns.listen(1)\ns.accept()",
        "1/0",
    ],
)
def test_a_program_is_interrupted(tmp_path: Path, program: str) -> None:
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash/main.py").write_text(program)
    board = PtyBoard(tmp_path)
    try:
        time.sleep(0.3)
        with Link(str(board.port)) as link:
            link.enter()
            assert link.eval("6 * 7") == 42
    finally:
        board.close()


def test_a_program_that_never_lets_go_is_told(tmp_path: Path) -> None:
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash/main.py").write_text("while True:\n try:\n  while True: pass\n except KeyboardInterrupt: pass")
    board = PtyBoard(tmp_path)
    try:
        time.sleep(0.3)
        with Link(str(board.port)) as link, pytest.raises(BoardError) as raised:
            link.enter(seconds=2)
        assert "raw REPL" in str(raised.value) and "RESET" in raised.value.hint and "BOOTSEL" in raised.value.hint
    finally:
        board.close()


def test_a_reset_leaves_the_lines_as_they_were() -> None:
    class Lines:
        def __setattr__(self, name: str, value: bool) -> None:
            seen.append((name, value))

    seen: list[tuple[str, bool]] = []
    assert wire.Wire("port", Lines()).pulse_reset()
    assert seen[:3] == [("dtr", False), ("rts", True), ("rts", False)], "not into the boot loader"
    assert seen[3:] == [("dtr", True), ("rts", True)]


def test_main_runs_after_start(tmp_path: Path) -> None:
    board = PtyBoard(tmp_path)
    try:
        with Link(str(board.port)) as link:
            link.enter()
            link.put(b"print('main', 'runs')", "main.py")
            link.start()
            assert b"main runs" in link.read(0.5)
            link.enter()
            assert link.eval("'main' in globals()") is False
        # Also on a board of which something was asked that it refuses; one that fails itself is left alone.
        for error in (Failure("no"), BoardError("broken")):
            with pytest.raises(type(error)), Link(str(board.port)) as link, link.restarting():
                link.enter()
                raise error
            assert wait_for(lambda: board.sent.endswith(b">>> ")) and wait_for(
                lambda: board.sent.count(b"main runs") == 2
            )
            assert board.received.endswith(b"\x02" if isinstance(error, BoardError) else b"\x04")
    finally:
        board.close()


def wait_for(done: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    return done()


def test_the_prompt_that_is_left_is_the_friendly_one(board: PtyBoard) -> None:
    """The raw one echoes nothing: neither a person nor the bridge would find it."""
    with Link(str(board.port)) as link:
        link.enter(soft_reset=False)
        assert link.eval("1") == 1
    assert wait_for(lambda: board.sent.endswith(b">>> "))


def test_files(link: Link, board: PtyBoard) -> None:
    content = os.urandom(5000)
    steps: list[tuple[int, int]] = []
    link.mkdir("lib/deep/down")
    link.mkdir("lib/deep")
    assert link.put(content, "lib/deep/a.bin", lambda done, total: steps.append((done, total)))
    assert steps[-1] == (5000, 5000) and len(steps) == 7
    assert (board.flash / "lib/deep/a.bin").read_bytes() == content
    assert not link.put(content, "lib/deep/a.bin"), "it is there"
    assert link.put(b"", "lib/deep/a.bin") and (board.flash / "lib/deep/a.bin").read_bytes() == b""
    (board.flash / "b.bin").write_bytes(content)
    assert link.get("b.bin") == content
    assert link.hash("none") is None
    assert ("deep", True, 0) in link.list("lib")
    link.remove("b.bin")
    link.remove("b.bin")
    assert not (board.flash / "b.bin").exists()
    with pytest.raises(BoardError, match="cannot write no/such"):
        link.put(b"x", "no/such/file")
    with pytest.raises(BoardError, match="cannot read none"):
        link.get("none")
    assert sorted(path.name for path in (board.flash / "lib/deep").iterdir()) == ["a.bin", "down"], "no halves"


def test_what_arrived_is_compared(link: Link, board: PtyBoard) -> None:
    link.exec("import io\nopen = lambda *a: (io.BytesIO() if a[0].endswith('.part') and 'w' in a[1] else io.open(*a))")
    with pytest.raises(BoardError, match="did not arrive"):
        link.put(b"content", "c.bin")
    assert not (board.flash / "c.bin").exists()


def test_unplugged_half_way(tmp_path: Path) -> None:
    board = PtyBoard(tmp_path)
    try:
        with Link(str(board.port)) as link:
            link.enter()
            done = threading.Event()
            content = os.urandom(200_000)

            def pull() -> None:
                done.wait()
                board.unplug()

            puller = threading.Thread(target=pull)
            puller.start()
            with pytest.raises(BoardError) as raised:
                link.put(content, "big", lambda at, total: done.set())
            puller.join()
        assert "broke off" in str(raised.value) and "again" in raised.value.hint
        board.plug()
        with Link(str(board.port)) as link:
            link.enter()
            assert link.hash("big") is None, "half a file has not its name"
            link.put(content[:3000], "big")
        assert (board.flash / "big").read_bytes() == content[:3000]
    finally:
        board.close()


def test_ports_that_cannot_be_opened(tmp_path: Path, board: PtyBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BoardError, match="there is no port /dev/ttyNONE"):
        Link("/dev/ttyNONE")
    with pytest.raises(BoardError, match="no serial port"):
        Link(str(tmp_path))
    with Link(str(board.port)), pytest.raises(BoardError, match="in use") as raised:
        Link(str(board.port))
    assert "fuser" in raised.value.hint
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(BoardError, match="nobody answers"):
            Link(f"socket://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setattr(wire.os, "access", lambda *_: False)
    error = wire.explain_open(os.path.realpath(board.port))
    assert "usermod -aG" in error.hint and error.code == DENIED


def test_silence_behind_a_port(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    try:
        with Link(os.ttyname(slave)) as link, pytest.raises(BoardError, match="raw REPL"):
            link.enter(seconds=0.5)
    finally:
        os.close(master)
        os.close(slave)


def test_over_a_socket(board: PtyBoard) -> None:
    """What emulators offer: the console as a TCP port."""
    server = socket.create_server(("127.0.0.1", 0))
    descriptor = os.open(board.port, os.O_RDWR | os.O_NOCTTY)

    def serve() -> None:
        client, _ = server.accept()
        client.settimeout(0.02)
        with client:
            os.set_blocking(descriptor, False)
            while True:
                try:
                    data = client.recv(4096)
                    if not data:
                        return
                    os.write(descriptor, data)
                except TimeoutError:
                    pass
                try:
                    client.sendall(os.read(descriptor, 4096))
                except BlockingIOError:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    with server, Link(f"socket://127.0.0.1:{server.getsockname()[1]}") as link:
        link.enter()
        assert link.eval("1 + 1") == 2
        assert link.put(b"over tcp" * 300, "tcp.txt")
        assert link.get("tcp.txt") == b"over tcp" * 300
    thread.join()
    os.close(descriptor)
