"""esptool, as a whole, against a stand-in for the chip: what lies in its flash afterwards, and what is said when it goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from esp_rom import ERASE_FLASH, EspRom
from microseal_host.board import description, esp, flashing
from microseal_host.board.description import EspBoard
from microseal_host.failure import Failure

SIZE = 150_001  # bytes: neither a multiple of blocks nor of words


def board(name: str) -> EspBoard:
    found = description.find(name)
    assert isinstance(found, EspBoard)
    return found


def make_image(number: int, size: int = SIZE) -> bytes:
    """Half of it compresses, as code does."""
    content = bytearray(os.urandom(size // 2) + bytes(size - size // 2))
    content[:4] = bytes((0xE9, 1, 2, 0x20))
    content[12:14] = number.to_bytes(2, "little")
    content[23] = 0  # no hash after it
    return bytes(content)


@pytest.fixture(params=["esp32", "esp32s3", "esp32c3"])
def each(request: pytest.FixtureRequest) -> EspBoard:
    return board(request.param)


def quiet(done: int, total: int) -> None:
    pass


def test_the_flash_holds_the_image_where_the_board_says(each: EspBoard, tmp_path: Path) -> None:
    image = make_image(each.esptool.image_chip)
    assert esp.check(image, each) == image
    file = tmp_path / "fw.bin"
    file.write_bytes(image)
    steps: list[tuple[int, int]] = []
    with EspRom(each.chip) as rom:
        before = bytes(rom.flash)
        esp.write(each, rom.port, file, lambda *step: steps.append(step))
    at = each.esptool.offset
    assert rom.flash[at : at + SIZE] == image
    # Nothing before it, and nothing behind the sector that it ends in: the board's files are there.
    assert rom.flash[:at] == before[:at]
    behind = at + SIZE + 4096
    assert rom.flash[behind:] == before[behind:]
    assert not rom.erased
    assert steps[-1] == (1000, 1000) and steps == sorted(steps)


def test_all_of_the_flash_is_erased_on_request_alone(tmp_path: Path) -> None:
    esp32 = board("esp32")
    file = tmp_path / "fw.bin"
    file.write_bytes(make_image(0))
    with EspRom("esp32") as rom:
        esp.write(esp32, rom.port, file, quiet, erase=True)
    assert rom.erased and ERASE_FLASH in rom.commands
    assert rom.flash[0x200000:] == b"\xff" * 0x200000
    assert rom.flash[0x1000 : 0x1000 + SIZE] == file.read_bytes()


def test_another_chip_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    file = tmp_path / "fw.bin"
    file.write_bytes(make_image(0))
    with EspRom("esp32s3") as rom, pytest.raises(Failure, match="is ESP32-S3; esp32_generic is for ESP32"):
        esp.write(board("esp32"), rom.port, file, quiet)
    assert rom.written == 0 and not rom.erased


def test_flash_that_does_not_hold_what_was_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "fw.bin"
    file.write_bytes(make_image(0))
    with EspRom("esp32") as rom:
        rom.bad_md5 = True
        with pytest.raises(Failure, match="MD5 of file does not match") as caught:
            esp.write(board("esp32"), rom.port, file, quiet)
    assert "run the same command again" in caught.value.hint


def test_a_cable_pulled_half_way_is_told_and_writing_again_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(esp, "_SILENCE", 4.0)
    file = tmp_path / "fw.bin"
    file.write_bytes(make_image(0))
    with EspRom("esp32", vanish_after=50_000) as rom, pytest.raises(Failure, match="broke off") as caught:
        esp.write(board("esp32"), rom.port, file, quiet)
    assert "run the same command again" in caught.value.hint
    with EspRom("esp32") as rom:
        esp.write(board("esp32"), rom.port, file, quiet)
    assert rom.flash[0x1000 : 0x1000 + SIZE] == file.read_bytes()


def test_what_lies_in_the_folder_where_it_is_called_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "serial.py").write_text("raise SystemExit('not mine')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure) as caught:
        esp.write(board("esp32"), "/dev/ttyNONE", tmp_path / "serial.py", quiet)
    assert "not mine" not in str(caught.value)


def test_no_esptool_goes_on_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while several boards are written reaches the main thread alone."""
    popen, started = subprocess.Popen, threading.Event()
    processes: list[subprocess.Popen[str]] = []

    def start(command: list[str], **words: Any) -> subprocess.Popen[str]:
        processes.append(popen(["sleep", "60"], **words))
        started.set()
        return processes[0]

    def interrupted(thread: threading.Thread, seconds: float | None = None) -> None:
        assert started.wait(10)
        while not esp._running:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(esp.subprocess, "Popen", start)
    monkeypatch.setattr(flashing, "flash", lambda plan, port, track: esp.write(board("esp32"), port, tmp_path, quiet))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            flashing.flash_all(None, ["a"], lambda port: Silent())  # type: ignore[arg-type]
    assert processes[0].wait(10) == -signal.SIGTERM


class Silent:
    """A Track that nobody sees."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def test_a_port_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "fw.bin"
    file.write_bytes(make_image(0))
    with pytest.raises(Failure, match="there is no port /dev/ttyNONE"):
        esp.write(board("esp32"), "/dev/ttyNONE", file, quiet)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (make_image(9), "this image is for ESP32-S3; esp32_generic has ESP32"),
        (make_image(77), "this image is for chip number 77"),
        (b"UF2\n" + bytes(508), "this is no image for a chip of Espressif's"),
        (b"", "this is no image"),
    ],
    # Bytes of chance in a name would make another test of it in each process.
    ids=lambda value: value if isinstance(value, str) else "image",
)
def test_images_for_other_chips_are_refused(image: bytes, message: str) -> None:
    with pytest.raises(Failure, match=message):
        esp.check(image, board("esp32"))
