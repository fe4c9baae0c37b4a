"""firmware/main.py as a chip runs it, on MicroPython's Unix port with stand-ins for Wi-Fi, watchdog, LED and deep sleep."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from authority_house import House, running
from client_plant import LOOPBACK, ROOT, Mosquitto, until
from microseal_host.authority import service
from microseal_host.member.client import MemberClient
from microseal_host.sim.broker import free_port
from microseal_host.sim.children import Children

pytestmark = pytest.mark.xdist_group("board_main")

HERE = ROOT / "tests/micropython"
SLEPT, RESET = 78, 79  # exit codes of board_start.py
SECRET = "a secret of the house"


class Chip:
    """A board with a flash of its own, which is started again and again. console: what the last start has printed."""

    def __init__(self, folder: Path, kind: str = "rp2") -> None:
        self.flash = folder / "flash"
        (self.flash / "microseal-state").mkdir(parents=True)
        self._kind = kind
        self._outlives = folder / "outlives.json"
        self.console = ""
        self._process: subprocess.Popen[str] | None = None

    def provision(self, house: House, port: int) -> None:
        claim = json.loads(house.claim("sensor")) | {"broker": {"host": LOOPBACK, "port": port}}
        (self.flash / "claim.json").write_text(json.dumps(claim))

    def network(self, **settings: object) -> None:
        (self.flash / "microseal-state/network.json").write_text(json.dumps(settings))

    def air(self, what: str) -> None:
        new = self.flash / "air.new"
        new.write_text(what)
        new.rename(self.flash / "air")

    def start(self) -> None:
        path = [HERE, ROOT / "firmware", ROOT / "build/lib", ROOT / "firmware/native/dist/x64_6.3"]
        self.console = ""
        self._process = subprocess.Popen(
            [
                ROOT / ".venv/bin/micropython",
                HERE / "board_start.py",
                self._kind,
                ROOT / "firmware/main.py",
                self._outlives,
            ],
            cwd=self.flash,
            env={"MICROPYPATH": ":".join(["", str(self.flash), *map(str, path), ".frozen"])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            self.console += line

    def says(self, pattern: str, seconds: float = 30) -> bool:
        return until(lambda: re.search(pattern, self.console, re.MULTILINE), seconds)

    def end(self, number: signal.Signals | None = None, seconds: float = 60) -> int:
        """Its exit code, after a signal or by itself."""
        assert self._process is not None and self._process.stdout is not None
        if number is not None:
            self._process.send_signal(number)
        code = self._process.wait(seconds)
        self._reader.join(5)
        self._process.stdout.close()
        return code

    def bite(self) -> None:
        """What a reset by its watchdog leaves behind, for a start that was killed while it ran."""
        code = "import sys, board_parts\nmachine, _ = board_parts.make_chip(sys.argv[1])\n"
        code += "import board_lasting, json\nboard_lasting.open_memory().mark(board_lasting.RUNNING)\n"
        code += "print(json.dumps([3, {str(at): value for at, value in machine.registers.items()}, '']))"
        done = subprocess.run(
            [ROOT / ".venv/bin/micropython", "-c", code, self._kind],
            env={"MICROPYPATH": f"{HERE}:{ROOT}/firmware:.frozen"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        self._outlives.write_text(done.stdout)

    def writes(self) -> Counter[str]:
        """How often each record was written."""
        return Counter(re.findall(r"^board: writes (\S+)$", self.console, re.MULTILINE))

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[Chip]:
    board = Chip(tmp_path)
    yield board
    board.close()


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, Mosquitto]]:
    """A running authority with the group g, in which the board speaks."""
    monkeypatch.setattr(service, "POLL", 0.05)
    monkeypatch.setattr(service, "SETTLE", 0.05)
    with Children() as children:
        broker = Mosquitto(children, tmp_path)
        house = House(tmp_path / "house", broker.address)
        with running(house):
            yield house, broker


def test_wi_fi_that_fails_comes_goes_and_comes_back(chip: Chip, plant: tuple[House, Mosquitto]) -> None:
    house, broker = plant
    chip.provision(house, free_port())  # the claim names a broker that is gone; what provisioning wrote goes before
    house.group("g", sensor="p")
    address = {"host": LOOPBACK, "port": broker.port, "user": "sensor", "password": SECRET}
    chip.network(ssid="home", password=SECRET, link="wifi", broker=address)
    chip.air("STAT_WRONG_PASSWORD")
    chip.start()
    assert chip.says("^microseal: Wi-Fi: home: wrong password$")
    chip.air("STAT_NO_AP_FOUND")
    assert chip.says("^microseal: Wi-Fi: home: no network of this name in reach$")
    chip.air("up")
    assert chip.says("^microseal: Wi-Fi: connected to home$") and chip.says("^microseal: publishing$")
    chip.console = ""
    chip.air("STAT_CONNECT_FAIL")
    assert chip.says("^microseal: Wi-Fi: connection to home lost$")
    assert chip.says("^microseal: Wi-Fi: home: the access point refuses$")
    chip.air("up")
    assert chip.says("^microseal: Wi-Fi: connected to home$") and chip.says("^microseal: publishing$")
    assert "crash" not in chip.console and SECRET not in chip.console
    # Ctrl-C gives the prompt: main.py has ended, not by sys.exit, which would start it again, and nothing is to be fed.
    assert chip.end(signal.SIGINT) == 0
    assert "board: the watchdog is off and the LED False" in chip.console
    assert "Traceback" not in chip.console


def test_a_broker_that_refuses_is_told_from_one_that_is_not_there(chip: Chip, tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    port = free_port()
    chip.provision(house, port)
    chip.network(link="socket", broker={"host": "nowhere.invalid", "port": port, "user": "sensor", "password": SECRET})
    chip.start()
    assert chip.says(r"not connected: no connection to the broker \(its name is not known here\)")
    assert chip.end(signal.SIGINT) == 0
    chip.network(broker={"host": LOOPBACK, "port": port, "user": "sensor", "password": SECRET})
    chip.start()
    assert chip.says(r"not connected: no connection to the broker \(nothing listens on its port\)")
    with socket.create_server((LOOPBACK, port)) as server:
        server.settimeout(30)
        for code, words in ((4, "wrong user name or password"), (5, "not authorized")):
            connection, _ = server.accept()
            with connection:
                assert SECRET.encode() in connection.recv(1000)
                connection.sendall(bytes((0x20, 2, 0, code)))
                assert chip.says(rf"not connected: the broker refuses this client \({words}\)")
    assert chip.end(signal.SIGINT) == 0
    assert SECRET not in chip.console


NO_CRASH = """
from microseal.errors import StorageError
errors = [OSError(110), StorageError("cannot write it: no room")]
def run(client):
    raise errors[0] if len(errors) == 1 else errors.pop()
"""


def test_five_crashes_and_the_prompt(chip: Chip, plant: tuple[House, Mosquitto]) -> None:
    house, broker = plant
    chip.provision(house, broker.port)
    house.group("g", sensor="p")
    app = chip.flash / "app.py"
    app.write_text("def run(client):\n    broken = 1 // 0\n")
    for count in range(1, 5):
        chip.start()
        assert chip.end() == RESET
        assert f"crash {count} in a row; starts again" in chip.console
        assert chip.writes()["crash"] == 1
    chip.start()
    assert chip.end() == 0, "no reset: it stays at its prompt"
    assert "safe mode after 5 crashes in a row" in chip.console
    assert chip.console.count("ZeroDivisionError") == 2, "as it came, and as it was kept"
    assert "board: the watchdog is off and the LED True" in chip.console
    # The next start is another attempt, and one crash is enough.
    chip.start()
    assert chip.end() == 0 and "safe mode after 6 crashes in a row" in chip.console
    # A sketch that loses the broker, or finds no room on the flash, is not broken.
    app.write_text(NO_CRASH)
    chip.start()
    assert chip.says("^microseal: cannot write it: no room$") and chip.says("it does not answer")
    assert chip.end(signal.SIGINT) == 0
    assert chip.writes()["crash"] == 0
    # Nor is one that has had enough.
    app.write_text("def run(client):\n    raise SystemExit\n")
    chip.start()
    assert chip.end() == 0 and "crash" not in chip.console.replace("board: writes crash", "")


def test_a_flash_without_room(chip: Chip, plant: tuple[House, Mosquitto]) -> None:
    """A new epoch cannot be stored: the board goes on in the one that it has, and takes the new one when there is room."""
    house, broker = plant
    chip.provision(house, broker.port)
    house.group("g", sensor="p")
    (chip.flash / "settings.json").write_text('{"period": 0.1}')
    chip.start()
    assert chip.says("^microseal: publishing$")
    (chip.flash / "full").touch()
    listener = house.device("listener")
    with MemberClient(listener, broker.address, None, lambda message: None) as client:
        assert client.wait_for(lambda: listener.enrolled, 10)
        house.join("g", "listener", "s")
        assert chip.says("^microseal: cannot write .*: no room$"), chip.console
        assert chip.says("no room\n(.|\n)*microseal: publishing$"), chip.console
    assert chip.end(signal.SIGINT) == 0
    assert "crash" not in chip.console
    (chip.flash / "full").unlink()
    chip.start()
    assert chip.says("^microseal: publishing$")
    assert chip.says("^board: writes group-"), chip.console
    assert chip.end(signal.SIGINT) == 0


SKETCH = """
import board_care, time
tend = board_care.Board.tend
def told(board):
    assert abs(board.keep_time() - the_client.member.ticks_ms()) < 1000
    print("tended")
    tend(board)
def run(client):
    global the_client
    the_client = client
    board_care.Board.tend = told
    for _ in range(3):
        print("begins")
        client.{call}
    print("ends")
"""


@pytest.mark.parametrize("call", ["publish('g/t/x', 'y')", "check_msg()", "ping(); client.wait_msg()"])
def test_whatever_a_sketch_does_with_the_client_is_progress(
    chip: Chip, plant: tuple[House, Mosquitto], call: str
) -> None:
    house, broker = plant
    chip.provision(house, broker.port)
    house.group("g", sensor="p")
    (chip.flash / "app.py").write_text(SKETCH.format(call=call))
    chip.start()
    assert chip.end() == 0, chip.console
    assert len(re.findall("begins\n(?:tended\n)+", chip.console)) == 3, chip.console


def test_the_watchdog_counts_as_a_crash(chip: Chip, plant: tuple[House, Mosquitto]) -> None:
    house, broker = plant
    chip.provision(house, broker.port)
    house.group("g", sensor="p")
    for count in range(5):
        chip.start()
        assert chip.says("^microseal: publishing$")
        assert chip.end(signal.SIGKILL) == -signal.SIGKILL
        chip.bite()
        assert chip.writes()["crash"] == (count > 0)
    chip.start()
    assert chip.end() == 0
    assert "safe mode after 5 crashes in a row" in chip.console and "the watchdog: no progress" in chip.console


@pytest.mark.parametrize("kind", ["rp2", "esp32"])
def test_deep_sleep_between_messages(tmp_path: Path, plant: tuple[House, Mosquitto], kind: str) -> None:
    house, broker = plant
    chip = Chip(tmp_path, kind)
    try:
        chip.provision(house, broker.port)
        house.group("g", sensor="p")
        (chip.flash / "settings.json").write_text('{"sleep": 600}')
        total: Counter[str] = Counter()
        wakes = 4
        for wake in range(wakes + 1):
            chip.start()
            assert chip.end() == SLEPT, chip.console
            assert "microseal: publishing" in chip.console and "microseal: sleeping" in chip.console
            assert "board: the watchdog is off" in chip.console
            if wake:  # before the first one it enrolled, and began a block
                total += chip.writes()
        rate = sum(total.values()) / wakes
        print(f"{kind}: {rate:g} writes to flash a wake-up, and one more in 64; {dict(total)}", file=sys.stderr)
        assert not total
        # Without a broker it goes back to sleep rather than empty the battery.
        if kind == "rp2":
            broker.stop()
            chip.start()
            assert chip.end() == SLEPT and "microseal: publishing" not in chip.console
            broker.start()
    finally:
        chip.close()


NOTE = """
import sys, life
from board_crashes import Crashes
from microseal import store
power = life.Power(int(sys.argv[2]))
store.open = power.open
crashes = Crashes(store.Store(sys.argv[1]))
for call in sys.argv[3:]:
    name, *text = call.split()
    getattr(crashes, name)(*text)
print(crashes.count, crashes.text)
"""


@pytest.mark.parametrize(("call", "result"), [("note 3rd", "3 3rd"), ("well", "0")])
def test_a_power_cut_while_a_crash_is_written(tmp_path: Path, call: str, result: str) -> None:
    """Killed at each operation on a file: the count is the one before or the one after, and the text goes with it."""

    def run(operation: int, *calls: str) -> subprocess.CompletedProcess[str]:
        path = [HERE, ROOT / "firmware", ROOT / "build/lib", ROOT / "firmware/native/dist/x64_6.3"]
        return subprocess.run(
            [ROOT / ".venv/bin/micropython", "-c", NOTE, tmp_path, str(operation), *calls],
            env={**os.environ, "MICROPYPATH": ":".join([*map(str, path), ".frozen"])},
            capture_output=True,
            text=True,
            check=False,
        )

    found = []
    for operation in range(1, 30):
        assert run(0, "well", "note 1st", "note 2nd").stdout == "2 2nd\n"
        code = run(operation, call).returncode
        found.append(run(0).stdout.strip())
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert found[-1] == result and set(found) == {"2 2nd", result} and len(found) > 5, found
