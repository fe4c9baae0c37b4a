"""The command line without a broker: what commands print, how they fail, and what they leave behind."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from authority_house import PASSPHRASE, House, eventually, running
from microseal.store import Store
from microseal_host.authority import board, founding, keyring, lease
from microseal_host.cli import listen, output
from microseal_host.cli.app import app
from microseal_host.failure import DENIED, INTERRUPTED, NEGATIVE, NOT_READY, OK, USAGE
from microseal_host.mqtt import Address
from microseal_host.sim.broker import Broker

COMMANDS = [
    ["init"],
    ["device", "add"],
    ["device", "list"],
    ["device", "revoke"],
    ["device", "pending"],
    ["device", "approve"],
    ["device", "reject"],
    ["device", "info"],
    ["device", "network"],
    ["provision"],
    ["bridge"],
    ["claim", "create"],
    ["claim", "list"],
    ["claim", "revoke"],
    ["group", "create"],
    ["group", "add"],
    ["group", "remove"],
    ["group", "delete"],
    ["group", "show"],
    ["group", "list"],
    ["authority", "run"],
    ["authority", "status"],
    ["listen"],
    ["publish"],
    ["crosscheck"],
    ["attacks"],
    ["bench"],
]
_MANY = [word for number in range(40) for word in ("--topic", f"{number}/{'x' * 200}")]
MICROSEAL = Path(sys.executable).parent / "microseal"


class Desk:
    """Where a user types commands: a folder, and an environment with the passphrase in it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.chdir(folder)
        for name in list(os.environ):
            if name.startswith("MICROSEAL_"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("MICROSEAL_PASSPHRASE", PASSPHRASE)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(founding.Settings, "cost", keyring.LEAST_COST)
        monkeypatch.setattr(founding.Settings.__init__, "__defaults__", _with_cost(keyring.LEAST_COST))

    def run(self, *words: str, code: int = OK) -> str:
        """stdout of a command that ends with `code`; its stderr is in `said`."""
        result = CliRunner().invoke(app, list(words))
        self.said = result.stderr
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result.stdout

    def json(self, *words: str) -> object:
        return json.loads(self.run(*words, "--json"))


def _with_cost(cost: int) -> tuple[object, ...]:
    defaults = founding.Settings.__init__.__defaults__
    assert defaults is not None
    return (*defaults[:-1], cost)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(desk: Desk, command: Sequence[str]) -> None:
    text = desk.run(*command, "--help")
    assert f"microseal {' '.join(command)}" in text.split("Example")[1]
    assert "no docs" not in text and text.count("\n") > 5


def test_the_list_of_commands_is_whole(desk: Desk) -> None:
    def walk(group: object, above: list[str]) -> Iterator[list[str]]:
        for name, command in group.commands.items():  # type: ignore[attr-defined]
            if hasattr(command, "commands"):
                yield from walk(command, [*above, name])
            else:
                yield [*above, name]

    import typer

    assert sorted(walk(typer.main.get_command(app), [])) == sorted(COMMANDS)


def test_version(desk: Desk) -> None:
    from microseal import __version__

    assert desk.run("--version") == f"microseal {__version__}\n"


def test_a_first_session(desk: Desk) -> None:
    made = desk.json("init", "--broker", "broker.local:8883", "--tls")
    assert made["broker"] == {"host": "broker.local", "port": 8883, "tls": True}
    assert stat.S_IMODE(Path("microseal.db").stat().st_mode) == 0o600
    assert desk.json("device", "add", "pump-3", "pump-4") == [
        {"id": "pump-3", "claim_file": "pump-3.claim.json"},
        {"id": "pump-4", "claim_file": "pump-4.claim.json"},
    ]
    desk.run("group", "create", "plant-7", "--mode", "3", "--topic", "plant/7/#", "--state-topic", "state/+")
    desk.run("group", "add", "plant-7", "pump-3", "--publish")
    desk.run("group", "add", "plant-7", "pump-4", "--publish", "--subscribe")
    assert "no authority service is running" in desk.said
    assert desk.json("device", "list") == [
        {"id": "pump-3", "state": "claim made", "kid": None, "not_after": None, "groups": {"plant-7": "p"}},
        {"id": "pump-4", "state": "claim made", "kid": None, "not_after": None, "groups": {"plant-7": "ps"}},
    ]
    shown = desk.json("group", "show", "plant-7")
    assert shown["mode"] == 3 and shown["epoch"] == 0
    assert shown["filters"] == [
        {"filter": "plant/7/#", "query": False, "state": False},
        {"filter": "state/+", "query": False, "state": True},
    ]
    assert [m["waits_for"] for m in shown["members"]] == ["its enrolment"] * 2
    assert desk.json("group", "list")[0]["members"] == 2
    for words in (["device", "list"], ["group", "list"], ["group", "show", "plant-7"]):
        assert "plant" in desk.run(*words)
    desk.run("group", "remove", "plant-7", "pump-4")
    assert desk.json("device", "revoke", "pump-3") == [{"id": "pump-3", "certificates": 0}]
    assert [d["state"] for d in desk.json("device", "list")] == ["revoked", "claim made"]
    assert desk.json("group", "show", "plant-7")["members"] == []


def test_a_claim_file_is_what_the_device_reads(desk: Desk) -> None:
    from microseal.provisioning import install, load_broker

    desk.run("init", "--broker", "broker.local", "--suite", "2")
    desk.run("device", "add", "pump-3")
    path = Path("pump-3.claim.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = json.loads(path.read_text())
    assert set(document) == {"suite", "id", "authority", "signer", "claim", "seed", "broker"}
    assert document["suite"] == 2 and document["id"] == "pump-3"
    Path("state").mkdir()
    install(Store("state"), path.read_text())
    assert load_broker(Store("state")) == {"host": "broker.local", "port": 1883}


def test_every_claim_and_seed_is_its_own(desk: Desk) -> None:
    desk.run("init")
    desk.run("device", "add", *(f"d-{i}" for i in range(20)), "--directory", ".")
    documents = [json.loads(path.read_text()) for path in Path().glob("*.claim.json")]
    assert len({document[name] for document in documents for name in ("claim", "seed")}) == 40


def test_claim_files_are_not_written_over(desk: Desk) -> None:
    desk.run("init")
    Path("a.claim.json").write_text("mine")
    desk.run("device", "add", "a", code=NEGATIVE)
    assert Path("a.claim.json").read_text() == "mine"
    desk.run("device", "add", "b", "a", code=NEGATIVE)
    assert not Path("b.claim.json").exists(), "all or none"
    assert desk.json("device", "list") == []
    desk.run("device", "add", "a", "--force")
    assert json.loads(Path("a.claim.json").read_text())["id"] == "a"
    desk.run("device", "add", "a", "--out", "elsewhere", code=NEGATIVE)
    assert "--again" in desk.said and not Path("elsewhere").exists()
    desk.run("device", "add", "a", "--out", "elsewhere", "--again")
    Path("link").symlink_to("target")
    desk.run("device", "add", "c", "--out", "link", code=NEGATIVE)
    assert not Path("target").exists()


def test_revoked_devices_come_back_by_a_new_claim(desk: Desk) -> None:
    desk.run("init")
    desk.run("device", "add", "a")
    desk.run("group", "create", "g", "--topic", "g/#")
    desk.run("device", "revoke", "a")
    desk.run("device", "revoke", "a", code=NEGATIVE)
    desk.run("group", "add", "g", "a", "--publish", code=NEGATIVE)
    assert "device add a --again" in desk.said
    desk.run("device", "add", "a", "--again", "--force")
    desk.run("group", "add", "g", "a", "--publish")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["device", "list"], NOT_READY, "microseal init"),
        (["device", "add", "a"], NOT_READY, "microseal init"),
        (["authority", "run"], NOT_READY, "microseal init"),
        (["device", "list", "--database", "nosuch://x"], NOT_READY, "no driver"),
        (["listen"], NOT_READY, "--claim"),
        (["publish", "t", "m"], NOT_READY, "--claim"),
        (["init", "--suite", "3"], USAGE, "suite"),
        (["init", "--broker", "host:port"], USAGE, "HOST:PORT"),
        (["init", "--broker", "host:70000"], USAGE, "HOST:PORT"),
        (["init", "--database", ":memory:"], USAGE, "lasts"),
        (["init", "--database", "no/such/folder/x.db"], NOT_READY, "No such file"),
        (["nonsense"], USAGE, "nonsense"),
        (["device"], USAGE, "Usage"),
    ],
)
def test_failures_without_an_authority(desk: Desk, words: list[str], code: int, says: str) -> None:
    out = desk.run(*words, code=code)
    assert says in out + desk.said


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["init"], NEGATIVE, "already"),
        (["device", "add", "a b"], USAGE, "A-Z a-z"),
        (["device", "add", "x" * 33], USAGE, "1 to 32"),
        (["device", "add", "a"], NEGATIVE, "--again"),
        (["device", "add", "n", "n"], USAGE, "twice"),
        (["device", "add", "n", "m", "--out", "f"], USAGE, "--directory"),
        (["device", "revoke", "nobody"], NEGATIVE, "device list"),
        (["group", "create", "g", "--topic", "g/#"], NEGATIVE, "already"),
        (["group", "create", "h", "--topic", "+/x"], NEGATIVE, "of group g"),
        (["group", "create", "h"], USAGE, "--topic"),
        (["group", "create", "h", "--topic", "a/#/b"], USAGE, "no topic filter"),
        (["group", "create", "h", "--topic", "microseal/x"], USAGE, "belong to others"),
        (["group", "create", "h", "--topic", "$SYS/#"], USAGE, "belong to others"),
        (["group", "create", "h", "--topic", "a/#", "--state-topic", "a/b"], USAGE, "different kinds"),
        (["group", "create", "h", "--topic", "h", "--mode", "4"], USAGE, "--mode"),
        (["group", "create", "h", "--topic", "h", "--mode", "3", "--max-age", "0"], USAGE, "--max-age"),
        (["group", "create", "h", "--topic", "h", "--max-size", "70000"], USAGE, "--max-size"),
        (["group", "create", "über", "--topic", "h"], USAGE, "A-Z a-z"),
        (["group", "add", "g", "a"], USAGE, "--publish, --subscribe"),
        (["group", "add", "h", "a", "--publish"], NEGATIVE, "no group h"),
        (["group", "add", "g", "b", "--publish"], NEGATIVE, "device add b"),
        (["group", "remove", "g", "a"], NEGATIVE, "not in group"),
        (["group", "show", "h"], NEGATIVE, "no group h"),
        (["group", "delete", "h"], NEGATIVE, "no group h"),
        (["group", "create", "h", *_MANY], USAGE, "devices have room for"),
        (["authority", "status"], NEGATIVE, "not running"),
    ],
)
def test_failures_with_an_authority(desk: Desk, words: list[str], code: int, says: str) -> None:
    desk.run("init")
    desk.run("device", "add", "a")
    desk.run("group", "create", "g", "--topic", "g/#")
    out = desk.run(*words, code=code)
    assert says in out + desk.said


def test_a_deleted_group_is_on_no_list(desk: Desk) -> None:
    desk.run("init")
    desk.run("device", "add", "a")
    desk.run("group", "create", "g", "--topic", "g/#")
    desk.run("group", "add", "g", "a", "--publish")
    desk.run("group", "delete", "g")
    assert "with 1 member" in desk.said
    assert desk.json("group", "list") == [] and desk.json("device", "list")[0]["groups"] == {}
    desk.run("group", "show", "g", code=NEGATIVE)
    desk.run("group", "create", "h", "--topic", "g/#")


def test_a_database_that_is_damaged_or_hostile(desk: Desk) -> None:
    desk.run("init")
    desk.run("device", "add", "a")
    with closing(sqlite3.connect("microseal.db")) as connection, connection:
        connection.execute("pragma foreign_keys = off")
        connection.execute("update devices set id = 'a' || char(27) || '[2J'")
        connection.execute("drop table seats")
    assert "\x1b" not in desk.run("device", "list")
    desk.run("group", "create", "g", "--topic", "g/#")
    desk.run("group", "show", "g", code=NOT_READY)
    assert "cannot use the database: no such table: seats" in desk.said
    with closing(sqlite3.connect("microseal.db")) as connection, connection:
        connection.execute("update state set lease_holder = '[1]', lease_until = 1e12")
    desk.run("authority", "status", code=DENIED)
    assert "altered: state/1/lease_holder" in desk.said


@pytest.mark.parametrize("host", ["", "a\0b", "x" * 64 + ".org"])
def test_a_claim_file_that_names_no_broker(desk: Desk, host: str) -> None:
    desk.run("init")
    desk.run("device", "add", "a")
    claim = Path("a.claim.json")
    claim.write_text(json.dumps(json.loads(claim.read_text()) | {"broker": {"host": host, "port": 1883}}))
    desk.run("listen", "--claim", "a.claim.json", code=NOT_READY)
    assert "is no broker" in desk.said


# The passphrase


def test_the_passphrase_from_a_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MICROSEAL_PASSPHRASE")
    secret = Path("secret")
    secret.write_text(PASSPHRASE + "\n")
    secret.chmod(0o600)
    desk.run("init", "--passphrase-file", "secret")
    monkeypatch.setenv("MICROSEAL_PASSPHRASE_FILE", "secret")
    desk.run("device", "add", "a")
    secret.chmod(0o644)
    desk.run("device", "add", "b", code=DENIED)
    assert "chmod 600 secret" in desk.said
    secret.chmod(0o600)
    secret.write_text("another passphrase\n")
    desk.run("device", "add", "b", code=DENIED)
    assert "wrong passphrase" in desk.said
    secret.write_text("\n")
    desk.run("device", "add", "b", code=NOT_READY)
    secret.unlink()
    desk.run("device", "add", "b", code=NOT_READY)
    assert not Path("b.claim.json").exists()


def test_no_passphrase_and_nobody_to_ask(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MICROSEAL_PASSPHRASE")
    desk.run("init", code=NOT_READY)
    assert "MICROSEAL_PASSPHRASE" in desk.said
    assert not Path("microseal.db").exists()


def test_a_short_passphrase(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICROSEAL_PASSPHRASE", "1234567")
    desk.run("init", code=USAGE)
    assert not Path("microseal.db").exists()


@pytest.mark.timeout(60)
def test_the_prompt_asks_twice(tmp_path: Path) -> None:
    """On a terminal; nothing that is typed is shown."""
    import pty

    environment = {name: value for name, value in os.environ.items() if not name.startswith("MICROSEAL_")}
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [MICROSEAL, "init"],
        cwd=tmp_path,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    seen = b""

    def read_until(text: bytes) -> None:
        nonlocal seen
        while text not in seen:
            try:
                part = os.read(master, 1000)
            except OSError:
                part = b""
            assert part, seen
            seen += part

    # Up to the blank after the colon: from there on what is typed is neither shown nor thrown away.
    read_until(b"Passphrase: ")
    os.write(master, b"typed in secret\n")
    read_until(b"confirmation: ")
    os.write(master, b"typed in secret\n")
    read_until(b"authority made")
    assert process.wait(20) == OK
    os.close(master)
    assert b"typed in secret" not in seen


def test_passwords_in_arguments_are_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+nosuch://user:hunter2@host/name"
    desk.run("device", "list", "--database", url, code=USAGE)
    assert "MICROSEAL_DATABASE" in desk.said and "hunter2" not in desk.said
    monkeypatch.setenv("MICROSEAL_DATABASE", url)
    desk.run("device", "list", code=NOT_READY)
    assert "hunter2" not in desk.said
    monkeypatch.setenv("MICROSEAL_DATABASE", "postgresql+nosuch://host/name?user=u&password=hunter2")
    desk.run("device", "list", code=USAGE)
    assert "~/.pgpass" in desk.said and "hunter2" not in desk.said


# As processes


def _start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MICROSEAL_")}
    environment["MICROSEAL_PASSPHRASE"] = PASSPHRASE
    return subprocess.Popen(
        [MICROSEAL, *words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(("number", "code"), [(2, INTERRUPTED), (15, OK)], ids=["SIGINT", "SIGTERM"])
def test_the_service_ends_cleanly(tmp_path: Path, broker: Broker, number: int, code: int) -> None:
    house = House(tmp_path / "house", Address(broker.host, broker.port))
    house.group("g")
    process = _start(house.folder, "authority", "run")
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr))
    reader.start()
    assert eventually(lambda: any("ready:" in line for line in lines), 20), lines
    assert lease.is_running(house.database)
    argv = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    process.send_signal(number)
    assert process.wait(10) == code
    reader.join()
    said = "".join(lines)
    assert "Traceback" not in said
    assert not lease.is_running(house.database)
    for secret in (PASSPHRASE, house.vault.private.hex(), house.vault.signer.private.hex()):
        assert secret not in said and secret.encode() not in argv


def test_the_service_says_when_it_cannot_start(tmp_path: Path, broker: Broker) -> None:
    house = House(tmp_path / "house", Address(broker.host, broker.port))
    with running(house):
        process = _start(house.folder, "authority", "run")
        _, said = process.communicate(timeout=20)
    assert process.returncode == NOT_READY and "is running on this database" in said


def test_status(desk: Desk, broker: Broker) -> None:
    house = House(desk.folder / "house", Address(broker.host, broker.port))
    desk.run("authority", "status", "--database", str(house.path), code=NEGATIVE)
    with running(house):
        assert desk.json("authority", "status", "--database", str(house.path)) == {"running": True, "unpublished": 0}
        desk.run("group", "create", "g", "--topic", "g/#", "--database", str(house.path))
        assert "no authority" not in desk.said


def test_logs_have_no_secrets(tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    house = House(tmp_path / "house", Address(broker.host, broker.port))
    text = house.claim("a")
    member = house.enrol(house.device("b"))
    house.group("g", b="ps")
    with running(house):
        assert eventually(lambda: board.key_topic("g", member.me.kid.hex(), 1) in _topics(house))
    document = json.loads(text)
    for secret in (
        document["claim"],
        document["seed"],
        house.vault.private.hex(),
        house.vault.signer.private.hex(),
        member.me.private.hex(),
        PASSPHRASE,
    ):
        assert secret not in caplog.text
    assert caplog.text


def _topics(house: House) -> set[str]:
    from sqlalchemy import select

    from microseal_host.authority import schema

    with house.database.read() as connection:
        return set(connection.execute(select(schema.retained.c.topic)).scalars())


# What reaches the terminal


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"4.2", "4.2"),
        ("21 °C".encode(), "21 °C"),
        (b"", ""),
        (b"\x1b[2J", None),
        (b"a\nb", None),
        (b"\xff", None),
        ("\u202eevil".encode(), None),
        ("\x9b31m".encode(), None),
    ],
)
def test_payloads_are_text_only_when_all_of_it_is(raw: bytes, shown: str | None) -> None:
    assert listen._printable(raw) == shown


def test_control_characters_are_escaped() -> None:
    assert output.visible("a\x1b[31m\x07\u202e") == "a\\x1b[31m\\x07\\u202e"
