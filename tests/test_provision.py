"""Provisioning over the cable: a real board's code on a PTY, the real authority, and cables that are pulled half-way."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from microseal.enrolment import load_identity
from microseal.provisioning import load_authority, load_broker
from microseal.store import Store, unpack
from microseal_host.authority import requests
from microseal_host.board import network as surroundings
from microseal_host.board import provision as provisioning
from microseal_host.board import reach
from microseal_host.board.link import Link, NoRepl
from microseal_host.failure import DENIED, NEGATIVE, NOT_READY, USAGE, Failure
from pty_board import PtyBoard
from serial_setting import until
from test_cli import Desk, desk  # noqa: F401

WIFI_PASSWORD = "correct horse battery"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[PtyBoard]:
    made = PtyBoard(tmp_path / "cable")
    yield made
    made.close()


@pytest.fixture
def office(desk: Desk) -> Desk:  # noqa: F811
    desk.run("init", "--broker", "broker.local")
    desk.run("group", "create", "plant-7", "--topic", "plant/7/#")
    return desk


def secret_file(path: Path, text: str) -> str:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


def state(board: PtyBoard) -> Store:
    return Store(str(board.flash / "microseal-state"))


def network(board: PtyBoard) -> Any:
    return json.loads((board.flash / "microseal-state/network.json").read_text())


def device(office: Desk, name: str) -> dict[str, Any]:
    (found,) = [entry for entry in office.json("device", "list") if entry["id"] == name]
    return found


def shapes(secret: bytes) -> Iterator[bytes]:
    """Every way in which a part of a secret of at least eight bytes could be on the wire."""
    for at in range(len(secret) - 7):
        part = secret[at : at + 8]
        yield part
        yield part[::-1]
        yield part.hex().encode()
        yield part.hex().upper().encode()
        yield part.hex(" ").encode()
        yield repr(part)[2:-1].encode()
        yield str(int.from_bytes(part, "big")).encode()
        yield base64.b64encode(part[:6])


def test_a_board_gets_everything_and_shows_no_secret(
    office: Desk, board: PtyBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enroll, held = requests.enroll, []

    def watch(*arguments: Any) -> Any:
        # The moment between request and reply: r and g are on the board's flash.
        held.append(unpack(state(board).load("enrol"), 5))
        return enroll(*arguments)

    monkeypatch.setattr(provisioning.requests, "enroll", watch)
    record = tmp_path / "transcript.txt"
    office.run(
        *("provision", str(board.port), "--id", "pump-3", "--publish", "plant-7", "--transcript", str(record)),
        *("--wifi", "home", "--wifi-password-file", secret_file(tmp_path / "wifi", WIFI_PASSWORD)),
    )
    assert "pump-3 is provisioned" in office.said and WIFI_PASSWORD not in office.said
    anchor, signer = load_authority(state(board))
    me, box = load_identity(state(board), anchor)
    assert me.id == b"pump-3" and state(board).load("enrol") is None
    listed = device(office, "pump-3")
    assert (listed["state"], listed["kid"], listed["groups"]) == ("active", me.kid.hex(), {"plant-7": "p"})
    assert network(board) == {"link": "wifi", "ssid": "home", "password": WIFI_PASSWORD}
    assert load_broker(state(board)) == {"host": "broker.local", "port": 1883}

    ((_, claim, r, g, request),) = held
    seed = state(board).load("boot")[:32]
    wire = bytes(board.sent) + bytes(board.received)
    text = record.read_text()
    # It can find what is there.
    assert request.hex().encode() in wire and request.hex() in text and me.cert.raw.hex().encode() in wire
    assert any(shape in wire for shape in shapes(me.cert.raw))
    for name, secret in (("r", r), ("g", g), ("d", me.private), ("seed", seed)):
        assert len(secret) == 32
        for shape in shapes(secret):
            assert shape not in wire, name
    # Sent to the board, and secret: on the wire, but in no record.
    (host_seed,) = re.findall(rb'"seed\\?":\s*\\?"([0-9a-f]{64})', wire)
    for hidden in (host_seed.decode(), claim.hex(), WIFI_PASSWORD):
        assert hidden.encode() in wire and hidden not in text and hidden not in office.said
    assert record.read_text().count("not shown") >= 2


def test_it_is_told_when_it_was_done_before(office: Desk, board: PtyBoard) -> None:
    command = ("provision", str(board.port), "--id", "a", "--link", "serial")
    office.run(*command)
    assert network(board) == {"link": "serial"}
    before = device(office, "a")["kid"]
    (board.flash / "main.py").write_text("print('main', 'runs')")
    office.run(*command, code=NEGATIVE)
    assert "provisioned already" in office.said and "--again" in office.said
    assert until(lambda: b"main runs" in board.sent), "it goes on with what it did"
    office.run("provision", str(board.port), "--id", "b", code=NEGATIVE)
    assert "as a" in office.said and "--again" in office.said
    assert device(office, "a")["kid"] == before
    done = office.json("provision", str(board.port), "--id", "a", "--again")
    assert done["kid"] != before and done["kid"] == device(office, "a")["kid"] and not done["resumed"]
    assert network(board) == {"link": "serial"}, "nothing was said of it"
    office.run("provision", str(board.port), "--id", "b", "--again", "--link", "socket")
    assert network(board) == {"link": "socket"} and device(office, "b")["state"] == "active"


def test_an_id_that_is_another_boards(office: Desk, board: PtyBoard, tmp_path: Path) -> None:
    office.run("provision", str(board.port), "--id", "a")
    other = PtyBoard(tmp_path / "other")
    try:
        office.run("provision", str(other.port), "--id", "a", code=NEGATIVE)
        assert "not this board" in office.said
        assert not (other.flash / "microseal-state").exists()
        office.run("provision", str(other.port), "--id", "a", "--again")
        # The first one is still what it was, but not what the authority has.
        office.run("device", "revoke", "a")
        office.run("provision", str(other.port), "--id", "a", code=NEGATIVE)
        assert "revoked" in office.said and "--again" in office.said
    finally:
        other.close()


def test_another_authoritys_board(office: Desk, board: PtyBoard) -> None:
    office.run("provision", str(board.port), "--id", "a")
    office.run("init", "--database", "other.db")
    office.run("provision", str(board.port), "--id", "a", "--database", "other.db", code=NEGATIVE)
    assert "another authority" in office.said
    # An erasure that broke off: what is left of the other authority's goes too.
    for file in (board.flash / "microseal-state").glob("identity.*"):
        file.unlink()
    left = board.flash / "microseal-state/group-0.a"
    left.touch()
    office.run("provision", str(board.port), "--id", "a", "--database", "other.db")
    assert not left.exists()


STEPS = ("begin", "ask", "answer", "network")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_the_cable_is_pulled_and_the_command_given_again(
    office: Desk, board: PtyBoard, step: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = provisioning.Console.call
    pulled: list[str] = []

    def pull(console: Any, name: str, *arguments: Any, **words: Any) -> Any:
        if name != step or pulled:
            return call(console, name, *arguments, **words)
        pulled.append(name)
        if not after:
            board.unplug()
            return call(console, name, *arguments, **words)
        call(console, name, *arguments, **words)
        board.unplug()
        return call(console, "state", what="gone")

    monkeypatch.setattr(provisioning.Console, "call", pull)
    command = ("provision", str(board.port), "--id", "a", "--publish", "plant-7", "--link", "serial")
    office.run(*command, code=NOT_READY)
    assert "broke off" in office.said and "again" in office.said and pulled
    board.plug()
    kid = device(office, "a")["kid"]
    done = step == "network" and after
    office.run(*command, code=NEGATIVE if done else 0)
    listed = device(office, "a")
    assert (listed["state"], listed["groups"]) == ("active", {"plant-7": "p"})
    assert kid in (None, listed["kid"]), "one certificate, whatever was pulled when"
    assert network(board) == {"link": "serial"}
    assert load_identity(state(board), load_authority(state(board))[0])[0].kid.hex() == listed["kid"]


def test_a_reply_that_was_lost_is_given_again(office: Desk, board: PtyBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    enroll, replies = requests.enroll, []

    def cut(*arguments: Any) -> Any:
        replies.append(enroll(*arguments)[0])
        if len(replies) == 1:
            board.unplug()  # after the commit, before the board hears of it
        return replies[-1], True

    monkeypatch.setattr(provisioning.requests, "enroll", cut)
    office.run("provision", str(board.port), "--id", "a", code=NOT_READY)
    board.plug()
    assert office.json("provision", str(board.port), "--id", "a")["resumed"]
    assert replies[0] == replies[1]


def test_approval_is_given_by_who_provisions(desk: Desk, board: PtyBoard) -> None:  # noqa: F811
    desk.run("init", "--approval")
    desk.run("provision", str(board.port), "--id", "a")
    assert device(desk, "a")["state"] == "active"


def test_a_board_without_the_package(office: Desk, tmp_path: Path) -> None:
    bare = PtyBoard(tmp_path / "bare", package=False)
    try:
        office.run("provision", str(bare.port), "--id", "a", code=NOT_READY)
        assert "not on this board" in office.said and "flash.sh" in office.said
        found = office.json("device", "info", str(bare.port))
        assert found["package"] is None and found["id"] is None
    finally:
        bare.close()
    assert office.json("device", "list") == []


def test_each_command_tries_ampys_way_too(office: Desk, board: PtyBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    port, tried = str(board.port), []

    def deaf(*_: object) -> None:
        raise NoRepl("does not let go", "RESET")

    monkeypatch.setattr(Link, "enter", deaf)
    monkeypatch.setattr(reach, "_interrupt_with_ampy", tried.append)
    for words in (
        ["provision", port, "--id", "a"],
        ["device", "info", port],
        ["device", "network", port, "--link", "serial"],
    ):
        office.run(*words, code=NOT_READY)
    assert tried == [port] * 3


def test_info(office: Desk, board: PtyBoard) -> None:
    office.run("provision", str(board.port), "--id", "pump-3", "--link", "serial")
    found = office.json("device", "info", str(board.port))
    assert found["id"] == "pump-3" and found["kid"] == device(office, "pump-3")["kid"]
    assert found["suites"] == [1, 2] and found["mpy_arch"] == "x64" and found["mpy_abi"].startswith("6.")
    assert 0 < found["free"] < found["heap"] and found["link"] == "serial" and found["epochs"] == {}
    assert found["not_after"] == device(office, "pump-3")["not_after"]
    shown = office.run("device", "info", str(board.port))
    assert "pump-3" in shown and "bytes free" in shown


def test_nothing_of_a_board_reaches_the_terminal_raw(office: Desk, board: PtyBoard) -> None:
    office.run("provision", str(board.port), "--id", "a")
    (board.flash / "microseal-state/network.json").write_text(json.dumps({"link": "\x1b]0;owned\x07"}))
    assert "\x1b" not in office.run("device", "info", str(board.port))


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--link", "wifi"], USAGE, "which Wi-Fi"),
        (["--wifi", "x" * 33], USAGE, "SSID"),
        (["--wifi", "home"], NOT_READY, "--wifi-password-file"),
        (["--wifi", "home", "--link", "serial"], USAGE, "--wifi"),
        (["--wifi-password-file", "f"], USAGE, "--wifi"),
        (["--wifi", "home", "--wifi-password-file", "none"], NOT_READY, "cannot read"),
        (["--wifi", "home", "--wifi-password-file", "short"], USAGE, "8 to 63"),
        (["--wifi", "home", "--wifi-password-file", "open"], DENIED, "chmod"),
        (["--publish", "no-such"], NEGATIVE, "no group"),
        (["--id", "a b"], USAGE, "A-Z"),
        (["--transcript", "no/such/file"], USAGE, "cannot write"),
        (["--broker-password-file", "short"], USAGE, "--broker-user"),
    ],
)
def test_what_cannot_be_done(office: Desk, board: PtyBoard, words: list[str], code: int, says: str) -> None:
    secret_file(Path("short"), "1234567")
    Path(secret_file(Path("open"), WIFI_PASSWORD)).chmod(0o644)
    out = office.run("provision", str(board.port), "--id", "a", *words, code=code)
    assert says in out + office.said
    assert WIFI_PASSWORD not in out + office.said
    assert not (board.flash / "microseal-state").exists() and office.json("device", "list") == []


def test_the_password_at_the_broker(office: Desk, board: PtyBoard, tmp_path: Path) -> None:
    words = ("--broker", "elsewhere:1900", "--broker-user", "u")
    file = secret_file(tmp_path / "p", "at the broker")
    office.run("provision", str(board.port), "--id", "a", *words, "--broker-password-file", file)
    assert network(board) == {"broker": {"host": "elsewhere", "port": 1900, "user": "u", "password": "at the broker"}}
    assert load_broker(state(board)) == {"host": "elsewhere", "port": 1900}


def test_the_wifi_password_from_stdin_and_from_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings.sys, "stdin", io.StringIO(WIFI_PASSWORD + "\n"))
    assert surroundings.password("home", "-") == WIFI_PASSWORD
    monkeypatch.setattr(surroundings.sys, "stdin", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    monkeypatch.setattr(surroundings.getpass, "getpass", lambda prompt: "" if "home" in prompt else "?")
    assert surroundings.password("home", None) is None, "an open network"
    monkeypatch.setenv("MICROSEAL_WIFI_PASSWORD", WIFI_PASSWORD)
    assert surroundings.password("home", None) == WIFI_PASSWORD
    monkeypatch.setenv("MICROSEAL_WIFI_PASSWORD", "1234567")
    with pytest.raises(Failure, match="8 to 63"):
        surroundings.password("home", None)


def test_the_network_changes_and_the_identity_stays(office: Desk, board: PtyBoard, tmp_path: Path) -> None:
    port, file = str(board.port), secret_file(tmp_path / "p", "at the broker")
    office.run("device", "network", port, "--link", "socket", code=NOT_READY)
    assert "not provisioned" in office.said and "microseal provision" in office.said
    office.run("provision", port, "--id", "a", "--link", "socket", "--broker-user", "u", "--broker-password-file", file)
    before = device(office, "a")["kid"], (board.flash / "microseal-state/boot.0").exists()
    wifi = ("--wifi", "office", "--wifi-password-file", secret_file(tmp_path / "wifi", WIFI_PASSWORD))
    office.run("device", "network", port, *wifi)
    place = {"host": "broker.local", "port": 1883, "user": "u", "password": "at the broker"}
    assert network(board) == {"link": "wifi", "ssid": "office", "password": WIFI_PASSWORD, "broker": place}
    assert "a has its new settings" in office.said and WIFI_PASSWORD not in office.said
    # Another broker is not told what was the first one's.
    office.run("device", "network", port, "--broker", "elsewhere", "--tls")
    assert network(board)["broker"] == {"host": "elsewhere", "tls": True} and network(board)["ssid"] == "office"
    office.run("device", "network", port, "--broker-user", "v", "--broker-password-file", file)
    assert network(board)["broker"] == {"host": "elsewhere", "tls": True, "user": "v", "password": "at the broker"}
    office.run("device", "network", port, "--broker", "[fe80::1]:1900", "--link", "serial")
    assert network(board)["broker"] == {"host": "fe80::1", "tls": True, "port": 1900}
    assert network(board)["link"] == "serial"
    office.run("device", "network", port, code=USAGE)
    assert "nothing to change" in office.said
    assert (device(office, "a")["kid"], (board.flash / "microseal-state/boot.0").exists()) == before


def test_a_broker_that_is_the_board_itself(desk: Desk, board: PtyBoard, tmp_path: Path) -> None:  # noqa: F811
    desk.run("init", "--broker", "localhost")
    wifi = ("--wifi", "home", "--wifi-password-file", secret_file(tmp_path / "wifi", WIFI_PASSWORD))
    desk.run("provision", str(board.port), "--id", "a", *wifi, code=USAGE)
    assert "the board itself" in desk.said and "--broker ADDRESS" in desk.said
    desk.run("device", "network", str(board.port), *wifi, "--broker", "127.0.0.1", code=USAGE)
    assert "the board itself" in desk.said


def test_a_board_that_lies(office: Desk, board: PtyBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes over the cable is checked as what comes over the network."""
    office.run("provision", str(board.port), "--id", "a")
    call = provisioning.Console.call

    def lie(console: Any, name: str, *arguments: Any, **words: Any) -> Any:
        if name in ("answer", "show"):
            return {"kid": device(office, "a")["kid"], "box": "00" * 48}
        return call(console, name, *arguments, **words)

    other = PtyBoard(board.flash.parent / "other")
    try:
        monkeypatch.setattr(provisioning.Console, "call", lie)
        office.run("provision", str(other.port), "--id", "b", code=NEGATIVE)
        assert "not its own" in office.said
    finally:
        other.close()
    assert device(office, "b")["state"] == "enrolled"


def test_steps_are_those_of_the_board() -> None:
    source = Path(provisioning.__file__).read_text()
    assert sorted(set(re.findall(r'console\.call\("(\w+)"', source))) == sorted({*STEPS, "state", "forget", "show"})
