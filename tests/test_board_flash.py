"""flash.sh's work from end to end: stand-ins for chip and drive, and MicroPython's Unix port as what runs on the board afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from esp_rom import EspRom
from lying_board import LyingBoard
from microseal.policy import Policy
from microseal_host.authority import founding, keyring, registry
from microseal_host.authority.database import Database, open_existing
from microseal_host.authority.vault import open_vault
from microseal_host.board import description, firmware, install, package, ports, reach, uf2
from microseal_host.board import provision as provisioning
from microseal_host.board.description import EspBoard, Uf2Board
from microseal_host.board.display import Display
from microseal_host.board.firmware import Image, Wanted
from microseal_host.board.flashing import Plan, flash, flash_all
from microseal_host.board.identity import Identity, Surroundings, prepare
from microseal_host.board.link import Link, NoRepl
from microseal_host.failure import Failure
from pty_board import PtyBoard
from test_board_install import wait_for_prompt
from uf2_drive import RP2040, Drive, make_image

PASSPHRASE = "correct horse"
pytestmark = pytest.mark.usefixtures("core")


@pytest.fixture(scope="module")
def files() -> package.Files:
    return package.collect("x64", "6.3")


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An authority with a group `plant-7`; its passphrase is in the environment."""
    monkeypatch.setenv("MICROSEAL_PASSPHRASE", PASSPHRASE)
    where = str(tmp_path / "authority.db")
    # Refused at once: Ctrl-C in a look-up of a name may stop the Unix port for good.
    settings = founding.Settings(suite=1, broker={"host": "127.0.0.2", "port": 9}, cost=keyring.LEAST_COST)
    database, _ = founding.found(where, settings, PASSPHRASE)
    with database.write() as connection:
        registry.create_group(connection, "plant-7", Policy(2, 60, 256, [(0, b"plant/7/#")]), founding.DAY)
    database.close()
    return open_existing(where)


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Callable[[str], PtyBoard]]:
    """Makes boards that run MicroPython, each in a folder of its own."""
    made: list[PtyBoard] = []

    def plug(name: str) -> PtyBoard:
        board = PtyBoard(tmp_path / name, package=False)
        board.environment["MICROPYPATH"] = ":lib:.frozen"
        before = len(board.sent)
        board.reset()
        wait_for_prompt(board, before)
        made.append(board)
        return board

    yield plug
    for board in made:
        board.close()


def esp_board() -> EspBoard:
    """An ESP32 on which the Unix port runs."""
    board = description.find("esp32")
    assert isinstance(board, EspBoard)
    return board.model_copy(update={"mpy_arch": "x64"})


def pico() -> Uf2Board:
    board = description.find("rpi_pico")
    assert isinstance(board, Uf2Board)
    return board.model_copy(update={"mpy_arch": "x64"})


def no_image(board: EspBoard | Uf2Board, tmp_path: Path) -> Image:
    """What is there will do; asked for it, this fails."""
    return Image(
        board.model_copy(update={"image": board.image.model_copy(update={"url": "http://127.0.0.1:1/"})}),
        None,
        lambda sha256: False,
        tmp_path,
    )


def esp_image(path: Path) -> bytes:
    content = bytearray(os.urandom(30_000))
    content[:4], content[12:14], content[23] = bytes((0xE9, 1, 2, 0x20)), b"\0\0", 0
    path.write_bytes(content)
    return bytes(content)


def identity(
    database: Database, device: str | None, publish: tuple[str, ...] = ("plant-7",), again: bool = False
) -> Identity:
    return Identity(device, publish, (), str(database.name), None, again)


class Shown:
    """What somebody would see who has no terminal."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.display = Display(Console(file=self.out, highlight=False, width=200))
        self.track = self.display.track("board")

    @property
    def text(self) -> str:
        return self.out.getvalue()


# s until main.py is under way: a Ctrl-C in the first moments of MicroPython's Unix port may end what stands in for the REPL.
START = 1.5


def test_a_board_keeps_its_micropython_and_gets_package_and_identity(
    plug: Callable[[str], PtyBoard], authority: Database, files: package.Files, tmp_path: Path
) -> None:
    board, shown, made = plug("one"), Shown(), esp_board()
    wifi = tmp_path / "wifi"
    wifi.write_text("not for logs\n")
    wifi.chmod(0o600)
    provision = prepare(made, identity(authority, "pump-3"), Surroundings("home", str(wifi), None), several=False)
    plan = Plan(made, Wanted(no_image(made, tmp_path)), provision)
    assert flash(plan, str(board.port), shown.track) == str(board.port)
    there = {str(path.relative_to(board.flash)): path.read_bytes() for path in board.flash.rglob("*") if path.is_file()}
    assert there.items() >= files.items()
    assert b'"ssid": "home"' in there["microseal-state/network.json"]
    assert "keeps MicroPython 1." in shown.text and "pump-3 (certificate" in shown.text
    assert "not for logs" not in shown.text
    with authority.read() as connection:
        assert [(each.id, each.groups) for each in registry.list_devices(connection, 0)] == [
            ("pump-3", {"plant-7": "p"})
        ]
    # Again: nothing is written, and it is still the same device.
    time.sleep(START)
    times = {path: path.stat().st_mtime_ns for path in board.flash.rglob("*.mpy")}
    shown = Shown()
    provision = prepare(made, identity(authority, None, ()), Surroundings(None, None, None), several=False)
    flash(Plan(made, plan.firmware, provision), str(board.port), shown.track)
    assert "all files were there" in shown.text and "keeps its identity pump-3" in shown.text
    assert times == {path: path.stat().st_mtime_ns for path in board.flash.rglob("*.mpy")}
    # As somebody else: not without being asked twice.
    time.sleep(START)
    provision = prepare(made, identity(authority, "pump-4"), Surroundings(None, None, None), several=False)
    with pytest.raises(Failure, match="provisioned already: as pump-3"):
        flash(Plan(made, plan.firmware, provision), str(board.port), Shown().track)


def test_a_board_that_has_an_identity_gets_what_is_new(
    plug: Callable[[str], PtyBoard], authority: Database, files: package.Files, tmp_path: Path
) -> None:
    board, made, wifi = plug("one"), esp_board(), tmp_path / "wifi"
    wifi.write_text("not for logs\n")
    wifi.chmod(0o600)

    def give(device: str | None, ssid: str | None, broker: str | None) -> str:
        surroundings = Surroundings(ssid, str(wifi), broker)
        provision = prepare(made, identity(authority, device, ()), surroundings, several=False)
        assert provision is not None
        link.enter()
        return provision(link, running, lambda text: None)

    # main.py is not started in between.
    with reach.repl(str(board.port)) as link:
        running = install.ask(link)
        install.install(link, files, lambda done, total: None)
        assert "certificate" in give("pump-3", "home", None)
        # Another broker, and the Wi-Fi stays; another Wi-Fi, and the broker stays.
        assert give(None, None, "10.0.0.5") == "pump-3, as before"
        wifi.write_text("other words\n")
        assert give(None, "work", None) == "pump-3, as before"
        assert json.loads((board.flash / "microseal-state/network.json").read_text()) == {
            "link": "wifi",
            "ssid": "work",
            "password": "other words",
            "broker": {"host": "10.0.0.5", "port": 1883},
        }
        # A revoked one does not pass for a good one.
        with authority.write() as connection:
            registry.revoke_device(connection, "pump-3")
        with pytest.raises(Failure, match="pump-3 is provisioned already, but its certificate is revoked") as caught:
            give(None, None, None)
        assert "--again" in caught.value.hint


def test_several_esp_boards_at_once_from_nothing(
    plug: Callable[[str], PtyBoard], authority: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two get all; one has another chip, and one is pulled: neither is the others' matter."""
    monkeypatch.setattr(firmware, "_running", lambda *_: None)  # an empty chip does not answer, after a while
    made = esp_board()
    file = tmp_path / "fw.bin"
    image = esp_image(file)
    boards = {name: plug(name) for name in ("a", "b")}
    roms = {"a": EspRom("esp32"), "b": EspRom("esp32"), "c": EspRom("esp32s3")}
    where = {name: tmp_path / f"tty-{name}" for name in (*roms, "d")}
    for name, rom in roms.items():
        where[name].symlink_to(rom.port)
    for name, board in boards.items():
        # The chip restarts, and the same port has MicroPython behind it.
        def start(name: str = name, board: PtyBoard = board) -> None:
            where[name].unlink()
            where[name].symlink_to(os.readlink(board.port))

        roms[name].on_checked = start
    shown = Shown()
    # {} would be the same for both: the Unix port has no number.
    plan = Plan(made, Wanted(Image(made, file, lambda sha256: False, tmp_path)), None)
    with roms["a"], roms["b"], roms["c"]:
        failures = flash_all(plan, [str(path) for path in where.values()], shown.display.track)
    for name, board in boards.items():
        assert roms[name].flash[0x1000 : 0x1000 + len(image)] == image
        assert (board.flash / "lib/microseal_core.mpy").exists() and (board.flash / "main.py").exists()
    assert roms["c"].written == 0
    assert sorted(str(failure).split(":")[0].split(" ")[0] for failure in failures) == ["the", "there"]
    text = shown.text
    assert text.count("done: installed, without an identity") == 2
    assert "is ESP32-S3; esp32_generic is for ESP32" in text and "there is no port" in text


def test_a_pico_goes_into_its_boot_loader_and_comes_back(
    plug: Callable[[str], PtyBoard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pico()
    content = os.urandom(256 * 40)
    file = tmp_path / "fw.uf2"
    file.write_bytes(make_image(content))
    board = plug("pico")
    here: list[ports.Port] = []
    # It comes back under another name, as it does where another board was plugged in before.
    drive = Drive(
        tmp_path / "RPI-RP2",
        RP2040,
        "RPI-RP2",
        on_start=lambda: here.append(ports.Port(str(board.port), "2e8a:0005", "", "")),
    )
    monkeypatch.setattr(ports, "look", lambda: list(here))
    monkeypatch.setattr(
        firmware.ports, "wait_for", lambda made, before, seconds: ports_wait(made, before, seconds, here)
    )
    monkeypatch.setattr(uf2, "find_drives", lambda label: [drive.folder] if drive.folder.exists() else [])
    monkeypatch.setattr(uf2.wait_for_drive, "__defaults__", (uf2.find_drives,))
    shown = Shown()
    wanted = Wanted(Image(made, file, lambda sha256: False, tmp_path), always=True)
    try:
        assert flash(Plan(made, wanted, None), str(board.port), shown.track) == str(board.port)
    finally:
        drive.close()
    assert drive.taken == content
    assert "restarting it into its boot loader" in shown.text and "done: installed" in shown.text
    assert b"machine.bootloader()" in bytes(board.received)


def ports_wait(made: Uf2Board, before: list[ports.Port], seconds: float, here: list[ports.Port]) -> str | None:
    return real_wait_for(made, before, seconds, lambda: list(here))


real_wait_for = ports.wait_for


def test_a_pico_without_micropython_is_told_which_button(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firmware, "_BY_HAND", 0.1)
    monkeypatch.setattr(uf2, "wait_for_drive", lambda label, seconds: None)
    file = tmp_path / "fw.uf2"
    file.write_bytes(make_image(bytes(256)))
    made, shown = pico(), Shown()
    with pytest.raises(Failure, match="no drive RPI-RP2 has appeared") as caught:
        flash(Plan(made, Wanted(Image(made, file, lambda sha256: False, tmp_path)), None), None, shown.track)
    assert "hold BOOTSEL while plugging it in" in caught.value.hint
    assert "hold BOOTSEL" in shown.text


def running(**changes: object) -> firmware.Running:
    fields = {"release": (1, 26, 1), "mpy": 4 << 10 | 3 << 8 | 6, "machine": "Raspberry Pi Pico W with RP2040"}
    return firmware.Running(**{**fields, "build": "v1.26.1 on 2025-09-11", "unique": "e6", **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"release": (1, 28, 0)}, ""),
        ({"release": (1, 23, 0)}, "MicroPython 1.23.0 is too old"),
        ({"mpy": 11 << 10 | 3 << 8 | 6}, "loads modules for rv32imc"),
        ({"mpy": 4 << 10 | 6}, "loads modules of version 6.0"),
        ({"machine": "Pimoroni Pico LiPo W with RP2040"}, ""),
        (
            {"machine": "Raspberry Pi Pico with RP2040", "sockets": False},
            "Raspberry Pi Pico with RP2040, has no network",
        ),
    ],
)
def test_users_keep_their_micropython_where_it_will_do(changes: dict[str, object], why: str, tmp_path: Path) -> None:
    board = description.find("pico_w")
    assert isinstance(board, Uf2Board)
    reason = firmware.unsuited(running(**changes), board, no_image(board, tmp_path), lambda done, total: None)
    assert why in reason and bool(why) == bool(reason)


def test_an_image_that_runs_already_is_not_written_again(tmp_path: Path) -> None:
    board = description.find("pico_w")
    assert isinstance(board, Uf2Board)
    file = tmp_path / "fw.uf2"
    # The text lies across two blocks.
    file.write_bytes(make_image(bytes(250) + b"v1.26.1 on 2025-09-11\0Raspberry Pi Pico W with RP2040\0"))
    image = Image(board, file, lambda sha256: False, tmp_path)
    quiet = lambda done, total: None  # noqa: E731
    assert firmware.unsuited(running(), board, image, quiet) == ""
    assert "not the given image" in firmware.unsuited(running(build="v1.27.0 on 2025-12-09"), board, image, quiet)


def test_every_board_gets_the_bytes_that_were_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, file = esp_board(), tmp_path / "fw.bin"
    data = esp_image(file)
    image = Image(made, file, lambda sha256: False, tmp_path)
    assert image.get(lambda done, total: None) == (data, data)
    file.write_bytes(b"somebody else's")
    written: list[bytes] = []
    monkeypatch.setattr(firmware.esp, "write", lambda board, port, path, *_, **__: written.append(path.read_bytes()))
    monkeypatch.setattr(ports, "look", list)
    there = tmp_path / "port"
    there.touch()
    firmware._write_esp(made, str(there), data, Wanted(image), lambda text: None, lambda done, total: None)
    assert written == [data]
    # The cache is everybody's who flashes: another pin may have put another image there in between.
    fetched = firmware.images.Fetched(file, hashlib.sha256(data).hexdigest(), True)
    monkeypatch.setattr(firmware.images, "fetch", lambda *_: fetched)
    with pytest.raises(Failure, match="changed while it was read"):
        Image(made, None, lambda sha256: False, tmp_path).get(lambda done, total: None)


def test_a_chip_with_usb_of_its_own_comes_back_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port of its boot loader is there for a moment longer."""
    made = description.find("esp32_s3")
    assert isinstance(made, EspBoard)
    loader, begun = tmp_path / "port", time.monotonic()
    loader.touch()

    def look() -> list[ports.Port]:
        gone = time.monotonic() - begun > 0.2
        loader.unlink(missing_ok=True) if gone else None
        return [ports.Port("new", "303a:4001", "", "")] if gone else [ports.Port(str(loader), "303a:1001", "", "")]

    monkeypatch.setattr(ports, "look", look)
    monkeypatch.setattr(ports.wait_for, "__defaults__", (look,))
    monkeypatch.setattr(firmware.esp, "write", lambda *_, **__: None)
    wanted = Wanted(Image(made, None, lambda sha256: False, tmp_path))
    quiet = lambda *_: None  # noqa: E731
    assert firmware._write_esp(made, str(loader), b"", wanted, quiet, quiet) == "new"


def test_a_drive_that_was_named_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, drive, copied = pico(), tmp_path / "drive", []

    def appear() -> None:
        drive.mkdir()
        (drive / "INFO_UF2.TXT").write_text("Board-ID: RPI-RP2\n")

    monkeypatch.setattr(firmware, "_enter_bootloader", lambda port: threading.Timer(0.3, appear).start())
    monkeypatch.setattr(uf2, "copy", lambda data, where, *_: copied.append(where))
    monkeypatch.setattr(ports, "wait_for", lambda *_: "port")
    wanted = Wanted(Image(made, None, lambda sha256: False, tmp_path), drive=drive)
    quiet = lambda *_: None  # noqa: E731
    assert firmware._write_uf2(made, "port", b"", wanted, quiet, quiet) == "port" and copied == [drive]


def test_what_is_no_file_or_endless_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(33 << 20)
    for name, message in (("pipe", "is no file"), ("large", "larger than any"), ("none", "there is no file")):
        with pytest.raises(Failure, match=message):
            Image(esp_board(), tmp_path / name, lambda sha256: False, tmp_path).get(lambda done, total: None)


def test_one_boot_loader_at_a_time_of_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    order: list[str] = []

    def other() -> None:
        subprocess.run(["flock", tmp_path / "microseal/bootloader.lock", "true"], check=True, timeout=20)
        order.append("other")

    with firmware._bootloader():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.5)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]


def test_another_chip_is_refused_before_anything_is_written() -> None:
    board = description.find("pico2_w")
    assert isinstance(board, Uf2Board)
    with pytest.raises(Failure, match="is a Raspberry Pi Pico W with RP2040, not a rpi_pico2_w"):
        firmware.check_chip(running(), board, "/dev/ttyACM0")
    firmware.check_chip(running(machine="Raspberry Pi Pico 2 W with RP2350-RISCV"), board, "/dev/ttyACM0")


def test_a_board_that_mpremote_does_not_stop_is_reached_by_ampy(
    plug: Callable[[str], PtyBoard], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = plug("stubborn")
    enter, tries = Link.enter, []

    def deaf(self: Link, soft_reset: bool = True, seconds: float = 20) -> None:
        tries.append(self.port)
        if len(tries) == 1:
            raise NoRepl(f"the board on {self.port} does not enter the raw REPL", "press its RESET button")
        enter(self, soft_reset, seconds)

    monkeypatch.setattr(Link, "enter", deaf)
    with reach.repl(str(board.port)) as link:
        assert link.exec("print(6*7)").strip() == "42"
    # ampy's own soft reset was between the two.
    assert len(tries) == 2 and bytes(board.sent).count(b"soft reboot") == 2


def test_a_broker_that_only_this_machine_can_reach_is_told(authority: Database) -> None:
    with pytest.raises(Failure, match="on the board would be the board itself") as caught:
        prepare(esp_board(), identity(authority, "pump-3"), Surroundings(None, None, "localhost"), several=False)
    assert "--broker ADDRESS" in caught.value.hint
    assert prepare(pico(), identity(authority, "pump-3"), Surroundings(None, None, "localhost"), several=False)


def test_a_board_puts_nobody_else_into_a_group(authority: Database) -> None:
    """What it says of itself is not proven: certificates are public."""
    provision = prepare(esp_board(), identity(authority, None), Surroundings(None, None, None), several=False)
    with authority.read() as connection:
        anchor = open_vault(connection, PASSPHRASE).anchor
    told = {"package": "0", "core": [1], "id": "pump-9", "kid": "00" * 8, "authority": anchor.public.hex()}
    answer = json.dumps({**told, "network": True}).encode()
    with LyingBoard(lambda code: answer if code.startswith("state(") else b"") as board, Link(board.port) as link:
        link.enter()
        assert provision is not None
        for unique in ("e66", ""):
            with pytest.raises(Failure, match="says that it is pump-9") as caught:
                provision(link, running(unique=unique), lambda text: None)
            assert "--id pump-9" in caught.value.hint


def test_a_board_without_wifi_is_told(authority: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    provision = prepare(esp_board(), identity(authority, "a"), Surroundings(None, None, None), several=False)
    monkeypatch.setattr(provisioning, "provision", lambda *_, **__: provisioning.Done("a", "00", 0, False))
    with LyingBoard(lambda code: b'{"network":false}') as board, Link(board.port) as link:
        link.enter()
        assert provision is not None and "--wifi SSID" in provision(link, running(), lambda text: None)


def test_several_boards_cannot_be_the_same_device(authority: Database) -> None:
    with pytest.raises(Failure, match="same id"):
        prepare(esp_board(), identity(authority, "pump"), Surroundings(None, None, None), several=True)
    assert prepare(esp_board(), identity(authority, "pump-{}"), Surroundings(None, None, None), several=True)


def test_without_an_authority_there_is_no_identity_unless_one_was_asked_for(tmp_path: Path) -> None:
    where = str(tmp_path / "none.db")
    nothing = Surroundings(None, None, None)
    assert prepare(esp_board(), Identity(None, (), (), where, None, False), nothing, several=False) is None
    with pytest.raises(Failure, match="no authority in") as caught:
        prepare(esp_board(), Identity("pump-3", (), (), where, None, False), nothing, several=False)
    assert "microseal init" in caught.value.hint
