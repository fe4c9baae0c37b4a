"""Boards that lie, flood and stammer while they are asked, provisioned and flashed: an error in words, nothing raw on the terminal."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from lying_board import BANNER, LyingBoard
from microseal_host.board import description, firmware, install, reach
from microseal_host.board.description import EspBoard
from microseal_host.board.display import Display
from microseal_host.board.info import read_info
from microseal_host.board.link import BoardError, Link
from microseal_host.board.transcript import Transcript
from microseal_host.failure import Failure

STATE = {"package": "0", "core": [1, 2], "id": None, "kid": None, "authority": None, "network": False}
INFO = {"free": 1, "used": 1, "firmware": "", "machine": "", "mpy": 0, "epochs": {}, "link": None}


def says(text: bytes) -> Callable[[str], bytes]:
    return lambda code: text


def test_a_board_that_never_stops_printing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    flood = b"never ends " * 2000
    # Each byte that comes in is answered by many: there is always more to read.
    with LyingBoard(says(b""), lambda data: flood * 20) as board, Link(board.port) as link:
        begun = time.monotonic()
        with pytest.raises(BoardError, match="does not enter the raw REPL"):
            link.enter(seconds=2)
        assert time.monotonic() - begun < 15
    with LyingBoard(says(b"x" * (3 << 20))) as board, Link(board.port) as link:
        link.enter()
        with pytest.raises(BoardError, match="without an end"):
            link.exec("print(1)")


@pytest.mark.parametrize("said", [b"never ends " * 2_000_000, b""], ids=["flood", "silence"])
def test_not_by_ampy_either(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_AMPY", 1.5)
    with LyingBoard(says(b""), lambda data: said) as board:
        begun = time.monotonic()
        with pytest.raises(BoardError, match="does not enter the raw REPL"), reach.repl(board.port, seconds=1):
            pass
        assert time.monotonic() - begun < 30


def test_a_trickle_does_not_keep_it_from_giving_up() -> None:
    """A byte from time to time is no banner."""
    with LyingBoard(says(b""), lambda data: b"x" * 3_000_000) as board, Link(board.port) as link:
        begun = time.monotonic()
        assert not link._knock(0.5)
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("soft_reset", [True, False])
def test_a_board_that_was_busy_answers_every_knock_at_once(soft_reset: bool) -> None:
    waiting = bytearray()
    board = LyingBoard(says(b"42"))
    talk, begun = board._talk, time.monotonic()

    def late(data: bytes) -> bytes:
        waiting.extend(data)
        if time.monotonic() - begun < 1.7:
            return b""
        said = talk(bytes(waiting))
        waiting.clear()
        return said

    board._talk = late  # type: ignore[method-assign]
    with board, Link(board.port) as link:
        link.enter(soft_reset=soft_reset)
        assert link.exec("print(42)") == "42"


def test_an_answer_that_breaks_off_is_told() -> None:
    def whatever(data: bytes) -> bytes:
        return BANNER if b"\x01" in data and b"\x05" not in data else b"R\x01" if b"\x05" in data else b""

    with LyingBoard(says(b""), whatever) as board, Link(board.port, patience=0.5) as link:
        link.enter(soft_reset=False)
        with pytest.raises(BoardError, match="does not speak as the raw REPL"):
            link.exec("print(1)")


@pytest.mark.parametrize(
    "text", [b"nonsense", b"[" * 5000, b"(" * 90, b"-" * 20_000 + b"1", b"[1]", b"[(1,2)]", b"5", b"\xff"]
)
def test_lists_and_sizes_that_make_no_sense(text: bytes) -> None:
    with LyingBoard(says(text)) as board, Link(board.port) as link:
        link.enter()
        with pytest.raises(BoardError):
            link.list("/")
        if text != b"5":
            with pytest.raises(BoardError):
                link.get("a")


@pytest.mark.parametrize(
    "lie",
    [
        {"core": 5},
        {"core": ["1"]},
        {"id": 5, "kid": [1]},
        {"kid": "\ud800"},
        {"missing": "a line\nerror: another"},
        {"authority": {}},
        {"network": "no"},
        {"package": "x" * 5000},
        {"epochs": [1]},
        {"epochs": {"a": "b"}},
        {"free": None},
        {"free": "12"},
        {"used": -1},
        {"not_after": 1 << 70},
        {"not_after": float("nan")},
        {"machine": ["x"]},
        {"flash": "much"},
    ],
)
def test_what_is_of_the_wrong_kind_is_no_answer(lie: dict[str, object]) -> None:
    def answer(code: str) -> bytes:
        if code.startswith("info("):
            return json.dumps(INFO | lie).encode()
        return json.dumps(STATE | lie).encode() if code.startswith("state(") else b""

    with (
        LyingBoard(answer) as board,
        Link(board.port) as link,
        pytest.raises(BoardError, match="no answer that makes sense"),
    ):
        read_info(link)


def test_what_is_missing_is_none() -> None:
    with LyingBoard(lambda code: b'{"free":1,"used":2,"network":false,"epochs":{}}') as board, Link(board.port) as link:
        found = read_info(link)
    assert (found.heap, found.id, found.machine, found.suites) == (3, None, None, ())


@pytest.mark.parametrize(
    "text",
    [
        b"('micropython',('a','b','c'),0,'','','',True)",
        b"('micropython',(1,),0,'','','',True)",
        b"('micropython',(1,24,0),[],'','','',True)",
        b"('micropython',(1,24,0),0,'x\\n12:00:00 port  done: all is well','','',True)",
        b"('micropython',(1,24,0),0,'','','pump',True)",
        b"[" * 100_000,
        b"('micropython',(1,24,0),0,'" + b"x" * 100_000 + b"','','',True)",
    ],
)
def test_what_runs_there_is_not_believed_blindly(text: bytes) -> None:
    with LyingBoard(says(text)) as board, Link(board.port) as link:
        link.enter()
        with pytest.raises(Failure, match="not MicroPython"):
            install.ask(link)


def test_another_python_is_no_micropython_that_will_do() -> None:
    with LyingBoard(says(b"('circuitpython',(9,2,0),0,'','','',True)")) as board:
        assert firmware._running(esp32(), board.port) is None


def test_a_board_of_another_chip_goes_on_with_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many have the same USB-serial chip: --all asks them all."""
    started: list[str] = []
    monkeypatch.setattr(Link, "start", lambda link: started.append(link.port))
    text = b"('micropython',(1,26,1),0,'Generic ESP32S3 module with ESP32S3','','',True)"
    with LyingBoard(says(text)) as board, pytest.raises(Failure, match="is a Generic ESP32S3"):
        firmware._running(esp32(), board.port)
    assert started == [board.port]


def esp32() -> EspBoard:
    found = description.find("esp32")
    assert isinstance(found, EspBoard)
    return found


def test_what_it_does_not_load_is_told_in_one_line() -> None:
    with LyingBoard(says(b"ImportError x\nerror: another\n" + b"y" * 5000)) as board, Link(board.port) as link:
        link.enter()
        with pytest.raises(Failure, match="does not load the package: ImportError x error: another") as caught:
            install.check_imports(link)
    assert len(str(caught.value)) < 1100


def test_no_escape_of_a_board_reaches_the_table() -> None:
    out = io.StringIO()
    console = RichConsole(file=out, force_terminal=True, width=120, markup=False, highlight=False, color_system=None)
    display = Display(console)
    with display:
        track = display.track("port")
        track.step("\x1b]0;one\x07")
        track.fail(Failure("\x1b]0;two\x07", "\x1b[2Jthree"))
    assert "\x1b]" not in out.getvalue() and "\x1b[2J" not in out.getvalue()


def test_an_echo_of_a_secret_reaches_no_transcript(tmp_path: Path) -> None:
    """A board that has reset echoes what it is sent: its prompt is a friendly one then."""
    file = tmp_path / "transcript.txt"
    file.touch()
    file.chmod(0o644)

    def whatever(data: bytes) -> bytes:
        if b"\x05" in data:
            return b"R\x00"
        return BANNER if b"\x01" in data else data

    with (
        Transcript(file) as record,
        LyingBoard(says(b""), whatever) as board,
        Link(board.port, tap=record.tap, patience=0.5) as link,
    ):
        link.enter(soft_reset=False)
        with pytest.raises(BoardError, match="does not speak"):
            link.exec("password = 'open sesame'", secret=True)
    assert "raw REPL" in file.read_text() and "sesame" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
