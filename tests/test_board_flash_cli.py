"""The command itself: what it says, where, and with which exit code."""

from __future__ import annotations

import ast
import hashlib
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from microseal_host import flash as flash_command
from microseal_host.authority import founding, keyring
from microseal_host.board import description, emulation, images, ports, uf2
from microseal_host.board.description import EspBoard, Uf2Board
from microseal_host.board.firmware import Image
from microseal_host.board.ports import Port
from microseal_host.failure import INTERRUPTED, NOT_READY, USAGE, Failure
from microseal_host.sim.broker import BrokerError
from microseal_host.sim.children import Stopped
from test_board_images import Server, serve
from test_cli import MICROSEAL


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serve(Server())


def flash(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it without set-up, and with a cache of its own."""
    return subprocess.run(
        [sys.executable, "-m", "microseal_host.flash", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "200"},
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["esp32", "--port", "/dev/ttyNONE"], NOT_READY, "there is no port /dev/ttyNONE"),
        (["esp32", "--port", "/dev/ttyNONE", "--all"], USAGE, "either --port or --all"),
        (["esp32", "--drive", "/mnt"], USAGE, "--drive is for boards whose boot ROM is a drive"),
        (["pico_x"], USAGE, "no board 'pico_x'"),
        (["sim"], USAGE, "sim is no board on a cable"),
        (["esp32", "--id", "pump-3"], NOT_READY, "microseal init"),
        (["esp32", "--all", "--id", "pump-3"], USAGE, "several boards cannot have the same id"),
    ],
)
def test_what_goes_wrong_says_what_to_do(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    done = flash(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr and "Traceback" not in done.stderr


def test_every_failure_with_a_board_says_what_to_do() -> None:
    for name in ("esp", "firmware", "flashing", "images", "install", "link", "ports", "reach", "uf2", "wire"):
        file = Path(ports.__file__).with_name(f"{name}.py")
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Failure", "BoardError", "NoRepl"):
                assert len(node.args) > 1, f"{file}:{node.lineno}"


def test_help_has_an_example_and_never_a_secret_argument(tmp_path: Path) -> None:
    done = flash(tmp_path, "--help")
    assert done.returncode == 0 and "./flash.sh pico_w --wifi home" in done.stdout
    assert "--wifi-password-file" in done.stdout and "--wifi-password " not in done.stdout


def test_what_lies_in_the_folder_where_it_is_called_is_not_run(tmp_path: Path) -> None:
    """It may be a folder of sketches, with a serial.py for a board."""
    (tmp_path / "serial.py").write_text("raise SystemExit('not mine')")
    root = description.FOLDER.parent
    done = subprocess.run([root / "flash.sh"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "plugged in:" in done.stdout and "not mine" not in done.stdout + done.stderr
    assert re.search(r"^  rpi_pico_w \(pico_w\) +Raspberry Pi Pico W: ", done.stdout, re.MULTILINE)
    called = (root / "flash.sh").read_text().count('python" -P -m ')
    assert called == (root / "flash.sh").read_text().count(" -m microseal_host") == 4


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize(
    ("command", "by_signal"),
    [
        (["-m", "microseal_host.flash", "pico_w", "--erase"], False),
        (["-m", "microseal_host.flash", "pico_w", "--id", "a"], True),
        ([str(MICROSEAL), "provision", "x", "--id", "a"], False),
    ],
)
def test_interrupted_at_a_question(
    command: list[str], by_signal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MICROSEAL_PASSPHRASE", raising=False)
    settings = founding.Settings(suite=1, broker={"host": "b", "port": 1883}, cost=keyring.LEAST_COST)
    founding.found(str(tmp_path / "microseal.db"), settings, "correct horse")[0].close()
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, *command], cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave
    )
    asked = b""
    while b"assphrase:" not in asked and b"[y/N]" not in asked:
        asked += os.read(master, 1000)
    time.sleep(0.3)  # echo is off by then
    if by_signal:
        process.send_signal(signal.SIGTERM)
    else:
        os.write(master, b"\x03")
    assert process.wait(20) == INTERRUPTED
    assert termios.tcgetattr(slave)[3] & termios.ECHO, "what is typed is to be seen again"
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (BrokerError("no mosquitto"), NOT_READY, "error: no mosquitto"),
        (Stopped(signal.SIGTERM), 128 + signal.SIGTERM, ""),
        (KeyboardInterrupt(), INTERRUPTED, "stopped"),
    ],
)
def test_the_emulated_board_ends_in_words(
    error: BaseException, code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(emulation, "start_broker", fail)
    monkeypatch.setattr(emulation, "stop_on_signals", lambda: None)
    monkeypatch.setattr(emulation.package, "ROOT", tmp_path)
    umask = os.umask(0o077)
    try:
        result = CliRunner().invoke(emulation.app)
    finally:
        os.umask(umask)
    assert result.exit_code == code and says in result.stderr and "Traceback" not in result.output


def of(name: str) -> EspBoard | Uf2Board:
    found = description.find(name)
    assert isinstance(found, EspBoard | Uf2Board)
    return found


PICO = Port("/dev/ttyACM0", "2e8a:0005", "e66", "Board in FS mode")
CP210 = Port("/dev/ttyUSB0", "10c4:ea60", "0001", "CP2102")
OTHER = Port("/dev/ttyUSB1", "067b:2303", "", "a modem")


def test_ports_are_found_by_their_usb_ids() -> None:
    assert ports.choose(of("pico_w"), None, [PICO, CP210, OTHER]) == PICO.device
    assert ports.choose(of("esp32"), None, [PICO, CP210, OTHER]) == CP210.device
    assert ports.choose(of("esp32"), "/dev/ttyUSB1", [PICO, CP210, OTHER]) == OTHER.device
    assert ports.choose(of("pico_w"), None, [OTHER]) is None
    with pytest.raises(Failure, match="2 ports may be a rpi_pico_w") as caught:
        ports.choose(of("pico_w"), None, [PICO, Port("/dev/ttyACM1", "2e8a:0005", "e67", "")])
    assert "--all" in caught.value.hint


def test_what_is_plugged_in_is_listed_with_the_boards_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uf2, "find_drives", lambda label: [Path("/media/me/RPI-RP2")] if label == "RPI-RP2" else [])
    lines = ports.describe(description.load_all(), [PICO, CP210, OTHER])
    assert lines[0] == "/dev/ttyACM0  2e8a:0005  rpi_pico, rpi_pico2_w, rpi_pico_w"
    assert "esp32_generic, esp32_generic_c3, esp32_generic_s3" in lines[1]
    assert lines[2].endswith("no board that is known here")
    assert lines[3] == "/media/me/RPI-RP2  waits for an image: rpi_pico, rpi_pico_w"


def test_a_board_that_comes_back_is_found_under_its_new_name() -> None:
    looks = iter([[CP210], [CP210], [CP210, PICO]])
    assert ports.wait_for(of("pico_w"), [CP210], 5, lambda: next(looks)) == PICO.device
    assert ports.wait_for(of("pico_w"), [PICO], 0.1, lambda: [PICO]) is None


@pytest.fixture
def unpinned(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[EspBoard]:
    """A board whose image this test's own server has, and whose hash nobody has pinned."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server.content = b"\xe9" + bytes(5000)
    file = tmp_path / "board.toml"
    text = (description.FOLDER / "esp32_generic.toml").read_text()
    file.write_text(re.sub(r'url = ".*"', f'url = "{server.url}"', text))
    board = description.load(file)
    assert isinstance(board, EspBoard)
    yield board


def pinned(board: EspBoard) -> str:
    found = description.load(board.file)
    assert isinstance(found, EspBoard)
    return found.image.sha256


def test_an_image_that_nobody_vouches_for_is_shown_asked_for_and_pinned(
    unpinned: EspBoard, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = hashlib.sha256(server.content).hexdigest()
    asked: list[str] = []

    def answer(yes: bool) -> None:
        monkeypatch.setattr(flash_command, "ask", lambda question: asked.append(question) or yes)

    def made() -> Image:
        return Image(
            unpinned, None, lambda sha256: flash_command.approve_image(unpinned, sha256), images.cache_folder()
        )

    image = made()
    answer(False)
    for _ in range(2):  # two boards, and one question
        with pytest.raises(Failure, match=f"nobody vouches for its SHA-256 {digest}"):
            image.get(lambda done, total: None)
    assert len(asked) == 1
    assert pinned(unpinned) == "" and not list(images.cache_folder().glob("*.bin"))
    answer(True)
    made().get(lambda done, total: None)
    assert pinned(unpinned) == digest and len(asked) == 2 and len(server.sent) == 2
    assert capsys.readouterr().err.count(digest) == 2


def test_the_command_that_pins(
    unpinned: EspBoard, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):  # no terminal, so nobody who could say yes
        flash_command.pin_image(unpinned)
    assert pinned(unpinned) == ""
    monkeypatch.setattr(flash_command, "ask", lambda question: True)
    flash_command.pin_image(unpinned)
    digest = hashlib.sha256(server.content).hexdigest()
    assert pinned(unpinned) == digest and digest in capsys.readouterr().err
    # Another image at the same place now is refused, until it is pinned itself.
    for file in images.cache_folder().glob("*"):
        file.unlink()
    server.content = b"\xe9" + bytes(6000)
    board = description.load(unpinned.file)
    assert isinstance(board, EspBoard)
    with pytest.raises(Failure, match="is not the image that was pinned"):
        images.fetch(board.image, images.cache_folder(), lambda done, total: None)
