"""UF2 images, and copying them to the drive of a boot ROM: a folder that goes away when the last block is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from microseal_host.board import description, uf2
from microseal_host.board.description import Uf2Board
from microseal_host.failure import Failure
from uf2_drive import ABSOLUTE, FLASH, RP2040, RP2350, Drive, block, make_image

CONTENT = os.urandom(256 * 600)
IMAGE = make_image(CONTENT)


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    made = Drive(tmp_path / "RPI-RP2", RP2040, "RPI-RP2")
    yield made
    made.close()


def quiet(done: int, total: int) -> None:
    pass


def test_an_image_has_what_lies_in_flash() -> None:
    assert uf2.check(IMAGE, RP2040, "rpi_pico") == CONTENT
    blocks = uf2.parse(IMAGE)
    assert [each.number for each in blocks] == list(range(600)) and {each.count for each in blocks} == {600}
    assert blocks[1].address == FLASH + 256


def test_the_boards_know_the_families_of_their_chips() -> None:
    families = {each.chip: each.uf2.family for each in description.load_all() if isinstance(each, Uf2Board)}
    assert families == {"rp2040": RP2040, "rp2350": RP2350}


def test_images_of_rp2350_begin_with_a_block_for_the_chip_itself() -> None:
    image = block(ABSOLUTE, 0, 2, b"\xef" * 256) + make_image(CONTENT, RP2350)
    assert uf2.check(image, RP2350, "rpi_pico2_w") == CONTENT


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (make_image(CONTENT, RP2350), "this image is for RP2350, Arm cores; rpi_pico has RP2040"),
        (make_image(CONTENT, 0x1234), "this image is for family 0x1234; rpi_pico has RP2040"),
        (IMAGE + make_image(CONTENT, RP2350), "this image is for RP2040, RP2350"),
        (IMAGE[:-512], "not whole"),
        (IMAGE[:512] + IMAGE[1024:], "not whole"),
        (IMAGE[:-1], "no multiple of 512"),
        (IMAGE[:1024] + bytes(512) + IMAGE[1536:], "block 2 is none"),
        (b"", "no multiple of 512"),
        (make_image(bytes(256 * 3), at=0x20000000), "ends at 0x10200000"),
        (make_image(bytes(256 * 3), at=FLASH - 256), "not for flash"),
        (make_image(bytes(256 * 3), at=FLASH + (2 << 20) - 512), "ends at 0x10200000"),
        (make_image(bytes(256 * 3), at=0xFFFFFF00), "ends at 0x10200000"),
        (make_image(bytes(256 * 3), at=FLASH + 4), "not in order"),
        (make_image(bytes(256 * 3), step=0), "not in order"),
        (make_image(bytes(256 * 3), step=128), "not in order"),
    ],
    # Bytes of chance in a name would make another test of it in each process.
    ids=lambda value: value if isinstance(value, str) else "image",
)
def test_an_image_that_is_not_whole_or_for_another_chip_is_refused(image: bytes, message: str) -> None:
    with pytest.raises(Failure, match=message):
        uf2.check(image, RP2040, "rpi_pico")


def test_the_drive_has_every_block_and_then_is_gone(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", watched)
    steps: list[tuple[int, int]] = []
    uf2.copy(IMAGE, drive.folder, "firmware.uf2", lambda *step: steps.append(step))
    assert drive.taken == CONTENT and drive.order == list(range(600))
    assert steps[-1] == (len(IMAGE), len(IMAGE)) and steps == sorted(steps) and len(steps) > 10
    # Each step of progress was on the drive.
    assert synced == [done for done, _ in steps]


def test_a_board_that_does_not_start_the_image_is_told(tmp_path: Path) -> None:
    drive = Drive(tmp_path / "RPI-RP2", RP2350, "RPI-RP2", starts=False)
    try:
        with pytest.raises(Failure, match="does not start it") as caught:
            uf2.copy(IMAGE, drive.folder, "firmware.uf2", quiet, patience=0.3)
    finally:
        drive.close()
    assert "run it again" in caught.value.hint


def test_a_cable_pulled_half_way_is_told(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    write = os.write

    def pulled(descriptor: int, data: bytes) -> int:
        nonlocal written
        if written > len(IMAGE) // 2:
            raise OSError(5, "Input/output error")
        written += write(descriptor, data)
        return len(data)

    monkeypatch.setattr(os, "write", pulled)
    with pytest.raises(Failure, match=r"went away after \d+ of 307200 bytes") as caught:
        uf2.copy(IMAGE, drive.folder, "firmware.uf2", quiet)
    monkeypatch.undo()
    assert "run it again" in caught.value.hint
    uf2.copy(IMAGE, drive.folder, "firmware.uf2", quiet)
    assert drive.taken == CONTENT


def test_an_error_with_the_last_block_is_the_chip_restarting(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def gone(descriptor: int) -> None:
        fsync(descriptor)
        if os.fstat(descriptor).st_size == len(IMAGE):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", gone)
    steps: list[tuple[int, int]] = []
    uf2.copy(IMAGE, drive.folder, "firmware.uf2", lambda *step: steps.append(step))
    assert drive.taken == CONTENT and steps[-1] == (len(IMAGE), len(IMAGE))


def test_a_drive_is_known_by_what_its_rom_says(drive: Drive, tmp_path: Path) -> None:
    assert uf2.is_drive(drive.folder, "RPI-RP2") and not uf2.is_drive(drive.folder, "RP2350")
    (tmp_path / "RP2350").mkdir()
    assert not uf2.is_drive(tmp_path / "RP2350", "RP2350")
    assert uf2.find_drives("RPI-RP2") == []  # not mounted, only a folder


def test_a_link_on_a_drive_leads_nowhere(drive: Drive, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (drive.folder / "firmware.uf2").symlink_to(mine)
    with pytest.raises(Failure, match="no boot ROM has"):
        uf2.copy(IMAGE, drive.folder, "firmware.uf2", quiet)
    assert mine.read_text() == "mine"


def test_mounted_folders_of_any_name_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "/dev/sda1 /media/j\u00fcrgen/RPI\\040RP2 vfat rw 0 0\n".encode() + b"/dev/sdb /mnt/\xff\\134x ext4 rw 0 0\n"
    )
    monkeypatch.setattr(Path, "read_bytes", lambda self: lines)
    assert [os.fsencode(path) for path in uf2._mounts()] == [
        "/media/j\u00fcrgen/RPI RP2".encode(),
        b"/mnt/\xff\\x",
    ]


def test_waiting_for_a_drive_ends(tmp_path: Path) -> None:
    assert uf2.wait_for_drive("RPI-RP2", 0.1, lambda label: []) is None
    looks = iter([[], [tmp_path]])
    assert uf2.wait_for_drive("RPI-RP2", 5, lambda label: next(looks)) == tmp_path
    with pytest.raises(Failure, match="there are 2 drives"):
        uf2.wait_for_drive("RPI-RP2", 5, lambda label: [tmp_path, tmp_path])
    failure = uf2.no_drive("NO-SUCH-DRIVE", "hold BOOTSEL while plugging it in")
    assert "no drive NO-SUCH-DRIVE" in str(failure) and "hold BOOTSEL" in failure.hint
