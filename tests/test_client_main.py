"""firmware/main.py as a board runs it, on MicroPython's Unix port: first start, outages, a sketch of one's own, and its end."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from authority_house import House, running
from client_plant import LOOPBACK, ROOT, Mosquitto, until
from microseal.clock import SystemClock
from microseal.inbox import Message
from microseal.policy import Policy
from microseal_host.authority import registry, service
from microseal_host.member.client import MemberClient
from microseal_host.sim.broker import free_port
from microseal_host.sim.children import Children

pytestmark = pytest.mark.xdist_group("client_main")


class Board:
    """A process that runs main.py in a folder of its own. `console` is what it has printed."""

    def __init__(self, folder: Path, modules: bool = True) -> None:
        self.folder = folder
        self.console = ""
        path = ["firmware", "build/lib"] + (["firmware/native/dist/x64_6.3"] if modules else [])
        self.process = subprocess.Popen(
            [ROOT / ".venv/bin/micropython", "-X", "heapsize=512k", ROOT / "firmware/main.py"],
            cwd=folder,
            # The first one is replaced by the folder of the script.
            env={"MICROPYPATH": ":".join(["", str(folder), *(str(ROOT / part) for part in path), ".frozen"])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.console += line

    def says(self, pattern: str, seconds: float = 20) -> bool:
        return until(lambda: re.search(pattern, self.console, re.MULTILINE), seconds)

    def end(self, number: signal.Signals | None = signal.SIGINT) -> int:
        """Its exit code, after a signal or by itself."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(10)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def boards() -> Iterator[list[Board]]:
    started: list[Board] = []
    yield started
    for board in started:
        if board.process.poll() is None:
            board.process.kill()
            board.process.wait()


def provision(house: House, folder: Path, port: int, device: str = "sensor") -> str:
    folder.mkdir(exist_ok=True)
    claim = json.loads(house.claim(device)) | {"broker": {"host": LOOPBACK, "port": port}}
    (folder / "claim.json").write_text(json.dumps(claim))
    return claim["claim"]


def test_a_board_from_its_claim_through_all_that_can_be_missing(
    tmp_path: Path, boards: list[Board], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "POLL", 0.05)
    monkeypatch.setattr(service, "SETTLE", 0.05)
    with Children() as children:
        broker = Mosquitto(children, tmp_path)
        house = House(tmp_path / "house", broker.address)
        listener = house.device("listener", clock=SystemClock())
        with running(house):
            pass  # so that the broker keeps what is sent to it
        broker.stop()
        flash = tmp_path / "flash"
        secret = provision(house, flash, broker.port)
        (flash / "microseal-state").mkdir(0o755)
        boards.append(board := Board(flash))
        assert board.says("claim file taken in\n.*other users can read it: chmod 700 microseal-state")
        assert board.says(r"not connected: no connection to the broker \(.*\)")
        assert not (flash / "claim.json").exists()
        broker.start()
        assert board.says("not ready: no answer to the enrolment", 40)
        heard: list[Message] = []
        refused: list[tuple[bytes, str]] = []
        with (
            running(house),
            MemberClient(
                listener, broker.address, None, heard.append, lambda topic, reason: refused.append((topic, reason))
            ) as client,
        ):
            assert board.says("not ready: this device is in no group")
            assert client.wait_for(lambda: listener.enrolled, 10)
            with house.database.write() as connection:
                policy = Policy(2, 60, 200, [(0, b"plant/+"), (2, b"plant/+/state")])
                registry.create_group(connection, "plant", policy, 86400)
                registry.add_member(connection, "plant", "sensor", True, False)
                registry.add_member(connection, "plant", "listener", False, True)
            assert board.says("connected as sensor") and board.says("publishing")
            assert client.wait_for(lambda: bool(heard), 10)
            broker.stop()
            assert board.says("no connection to the broker, trying again")
            broker.start()
        heard.clear()
        # Whoever is in a group needs no authority to speak in it.
        with MemberClient(listener, broker.address, None, heard.append) as client:
            assert client.wait_for(lambda: bool(heard), 15)
        assert heard[0].topic == b"plant/sensor" and heard[0].sender == b"sensor"
        reading = json.loads(heard[0].payload)
        assert reading["free"] > 0 and reading["load"] >= 0
        assert board.end() == 130
        # It has said good-bye, and nothing that it should not.
        assert until(lambda: re.search("Received DISCONNECT from sensor", broker.log.read_text()))
        assert "Traceback" not in board.console
        lines = board.console.splitlines()
        assert all(line.startswith("microseal: ") for line in lines) and len(lines) < 20, lines
        for file in flash.rglob("*"):
            assert secret not in file.read_bytes().hex() if file.is_file() else True, "the claim is still there"
        assert secret not in board.console
        assert refused == []


def test_a_sketch_of_ones_own(tmp_path: Path, boards: list[Board], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "POLL", 0.05)
    monkeypatch.setattr(service, "SETTLE", 0.05)
    flash = tmp_path / "flash"
    with Children() as children:
        broker = Mosquitto(children, tmp_path)
        house = House(tmp_path / "house", broker.address)
        provision(house, flash, broker.port)
        house.group("g", sensor="ps")
        with running(house):
            for text, code, said in (
                (
                    "def run(client):\n    print('runs as', client.member.id, client.topics())\n",
                    0,
                    r"runs as b'sensor' \[b'g/t/sensor'\]",
                ),
                ("import nothing_of_this_name\n", 1, "no module named 'nothing_of_this_name'"),
                ("def run(client):\n    client.publish('g/q/a', 'x', True)\n", 1, "Refused: policy"),
                ("def run(client):\n    while True:\n        client.wait_msg()\n", 130, "connected"),
            ):
                (flash / "app.py").write_text(text)
                boards.append(board := Board(flash))
                assert board.says("connected as sensor")
                time.sleep(0.2)
                assert board.end(signal.SIGINT if code == 130 else None) == code
                assert re.search(said, board.console), board.console
                assert ("Traceback" in board.console) == (code == 1)


@pytest.mark.parametrize(
    ("content", "modules", "said"),
    [
        (None, True, "not provisioned: put the claim file"),
        (b"{}", True, "claim.json is not a claim file; `microseal device add ID --again`"),
        (b"\xff\xfe not text", True, "claim.json is not a claim file"),
        (b"", True, "claim.json is not a claim file"),
        (None, False, r"needs its native module microseal_core.mpy for this board \(sys.implementation._mpy = \d+\)"),
    ],
)
def test_what_no_waiting_will_bring(
    tmp_path: Path, boards: list[Board], content: bytes | None, modules: bool, said: str
) -> None:
    if content is not None:
        (tmp_path / "claim.json").write_bytes(content)
    boards.append(board := Board(tmp_path, modules))
    assert board.end(None) == 1
    assert re.search(said, board.console), board.console
    assert "Traceback" not in board.console and board.console.count("\n") == 1
    if content is not None:
        assert (tmp_path / "claim.json").read_bytes() == content


def test_interrupted_while_it_waits(tmp_path: Path, boards: list[Board]) -> None:
    house = House(tmp_path / "house")
    provision(house, tmp_path / "flash", free_port())
    boards.append(board := Board(tmp_path / "flash"))
    assert board.says("not connected")
    assert board.end() == 130
    assert "Traceback" not in board.console


def test_a_claim_beside_a_provisioned_device_changes_nothing(tmp_path: Path, boards: list[Board]) -> None:
    """As after a power cut before the claim file was removed, or somebody's mistake."""
    house = House(tmp_path / "house")
    flash = tmp_path / "flash"
    for device in ("first", "second"):
        provision(house, flash, free_port(), device)
        boards.append(board := Board(flash))
        assert board.says("not connected")
        board.end()
        assert not (flash / "claim.json").exists()
    boards.append(board := Board(flash))
    assert board.says("not connected")
    board.end()
    assert (
        b"first" in (flash / "microseal-state/enrol.a").read_bytes() + (flash / "microseal-state/enrol.b").read_bytes()
    )
    assert b"second" not in b"".join(file.read_bytes() for file in (flash / "microseal-state").iterdir())
