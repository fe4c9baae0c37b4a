"""boards/*.toml: the files are right, and a wrong one is told by file and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from microseal_host.board import description
from microseal_host.board.description import EspBoard, Uf2Board
from microseal_host.failure import Failure

PICO = (description.FOLDER / "rpi_pico_w.toml").read_text()
ESP = (description.FOLDER / "esp32_generic.toml").read_text()


def failure(tmp_path: Path, text: str) -> str:
    file = tmp_path / "board.toml"
    file.write_text(text)
    with pytest.raises(Failure) as caught:
        description.load(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    return message.removeprefix(f"{file}: ")


def test_every_board_of_the_project_is_there_and_right() -> None:
    boards = {board.name: board for board in description.load_all()}
    assert {"sim", "pico_emulated", "rpi_pico", "rpi_pico_w", "rpi_pico2_w"} <= boards.keys()
    assert {"esp32_generic", "esp32_generic_s3", "esp32_generic_c3"} <= boards.keys()
    offsets = {board.chip: board.esptool.offset for board in boards.values() if isinstance(board, EspBoard)}
    assert offsets == {"esp32": 0x1000, "esp32s3": 0, "esp32c3": 0}
    for board in boards.values():
        if isinstance(board, EspBoard | Uf2Board):
            assert board.image.version in board.image.url
            assert board.image.url.endswith(".uf2" if isinstance(board, Uf2Board) else ".bin")


def test_a_board_is_found_by_its_alias() -> None:
    assert description.find("pico_w").name == description.find("rpi_pico_w").name == "rpi_pico_w"
    with pytest.raises(Failure, match="no board 'pico_x'"):
        description.find("pico_x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PICO.replace("mpy_arch", "mpy_arhc"), "mpy_arch: is missing"),
        (PICO.replace('"armv6m"', '"armv6"'), "mpy_arch: input should be"),
        (PICO.replace("version", "versoin"), "image.version: is missing"),
        (PICO.replace('"1.26.1"', "1.26"), "image.version: input should be a valid string"),
        (PICO.replace("https://", "http://"), "image.url: must begin with https://"),
        (PICO.replace('sha256 = ""', 'sha256 = "0123"'), "image.sha256: '0123' is not of the form"),
        (PICO.replace('["2e8a:0005"]', '["2e8a:0005", "2E8A-0005"]'), "usb.running[1]: '2E8A-0005' is not of the form"),
        (PICO.replace("0xE48BFF56", '"0xE48BFF56"'), "uf2.family: input should be a valid integer"),
        (PICO.replace("ram_kib = 264", "ram_kib = -1"), "memory.ram_kib: input should be greater than 0"),
        (PICO + "[esptool]\noffset = 0\n", "esptool: is no key of a board's file, or not of this flash_method"),
        (PICO.replace('flash_method = "uf2"\n', ""), "flash_method: is missing"),
        (PICO.replace('"uf2"', '"floppy"'), "flash_method: input tag 'floppy'"),
        (PICO.replace('name = "rpi_pico_w"', 'name = "Pico W"'), "name: 'Pico W' is not of the form"),
        (ESP.replace("0x1000\n", "-4096\n"), "esptool.offset: input should be greater than or equal to 0"),
        ("name = ", "not TOML: "),
    ],
)
def test_a_wrong_file_is_told_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    assert failure(tmp_path, text).startswith(message)


def test_every_key_is_told_to_who_adds_a_board() -> None:
    text = (description.FOLDER.parent / "docs/boards.md").read_text()

    def check(model: type[BaseModel], above: str = "") -> None:
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                check(field.annotation, f"{name}.")
            else:
                assert f"`{above}{name}`" in text

    for kind in (EspBoard, Uf2Board, description.ProcessBoard, description.EmulatedBoard):
        check(kind)


def test_every_wrong_key_of_a_file_is_told(tmp_path: Path) -> None:
    lines = failure(tmp_path, PICO.replace("version", "versoin")).splitlines()
    assert [line.split(": ")[-2] for line in lines] == ["image.version", "image.versoin"]


def test_two_boards_of_one_name_are_told_with_both_files(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(PICO)
    (tmp_path / "b.toml").write_text(PICO.replace('name = "rpi_pico_w"', 'name = "other"'))
    with pytest.raises(Failure, match=r"b\.toml: name: 'pico_w' is taken by .*a\.toml"):
        description.load_all(tmp_path)


def test_a_wrong_file_does_not_keep_other_boards_from_being_found(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("name = ")
    (tmp_path / "b.toml").write_text(PICO)
    assert description.find("pico_w", tmp_path).name == "rpi_pico_w"
