"""A board as a member: provisioned over its cable, and heard through the bridge, a real mosquitto and `microseal listen`."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kinds import WEAR, Board

from authority_house import House, eventually, running
from microseal.policy import Policy
from microseal_host.authority import registry
from microseal_host.board.link import Link
from microseal_host.board.provision import Wanted, provision
from microseal_host.board.transcript import Transcript
from microseal_host.mqtt import Address
from microseal_host.sim.broker import Broker

MICROSEAL = Path(sys.executable).parent / "microseal"
DEVICE = "on-the-desk"

# An emulated chip on a busy machine takes its time, and each of its waits has a limit of its own.
pytestmark = pytest.mark.timeout(1200)

MODES = (1, 2, 3)
FEW, MANY = 5, 25  # messages after which the free heap is looked at; --long: 100 and 1000
PATIENCE = 400  # s, for a board that computes for a second what others do in ten milliseconds
A_MESSAGE = 4  # s, the same for each message of many

# What runs on the board. Time that an emulated chip spends computing passes for it many times slower than for everybody else: it asks
# for the time again before it is too far behind, and what keeps its connection alive is rare.
PROGRAM = """
import gc, sys, time
from microseal.client import MQTTClient
from microseal.errors import NotReady
from microseal.serial import SerialChannel
said = []
def tell(*what):
    print("told", repr(what))
def note(*what):
    # What is said before the bridge is there is lost.
    said.append(what)
def free():
    gc.collect()
    return gc.mem_free()
class Client(MQTTClient):
    channel = SerialChannel
def records():
    import os
    from microseal.store import Store
    store, names = Store("microseal-state"), set()
    for name in os.listdir("microseal-state"):
        if name[-2:] in (".a", ".b"):
            names.add(name[:-2])
    found = [store._newest(name) for name in names]
    return sum([each[1] + 1 for each in found if each])
def wait_ready(client, count):
    end = time.ticks_add(time.ticks_ms(), 200000)
    while len(client.topics()) < count and time.ticks_diff(end, time.ticks_ms()) > 0:
        client.check_msg()
        time.sleep_ms(20)
def begin(modes):
    start = time.ticks_ms()
    note("free", "before the client", free())
    client = Client("on-the-desk", keepalive=3600)
    client.member._resync = 1000
    note("free", "client made", free())
    try:
        client.connect(timeout=120)
    except NotReady as error:
        tell("not ready", str(error))
    wait_ready(client, modes)
    note("free", "connected", free())
    note("took", time.ticks_diff(time.ticks_ms(), start))
    for what in said:
        tell(*what)
    return client
def publish(client, topic, text):
    start = time.ticks_us()
    client.publish(topic, text, qos=1)
    return time.ticks_diff(time.ticks_us(), start)
"""


@dataclass
class Told:
    """What the program said, by kind."""

    lines: list[tuple[object, ...]] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[tuple[object, ...]]:
        return [line[1:] for line in self.lines if line[0] == kind]


@dataclass
class Desk:
    """An authority with a group of each mode, whose topics begin with its name, and a listener."""

    house: House
    broker: Broker
    gids: dict[int, str]
    heard: list[dict[str, object]]
    since: float = 0  # when the listener was there

    def topic(self, mode: int) -> str:
        return f"{self.gids[mode]}/t/x"

    def in_force(self, device: str) -> bool:
        with self.house.database.read() as connection:
            groups = [registry.show_group(connection, gid, int(time.time())) for gid in self.gids.values()]
        return all(any(each.device == device and each.in_force for each in group.members) for group in groups)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    house = House(folder / "house", Address(broker.host, broker.port))
    gids = {mode: f"m{mode}-{os.urandom(3).hex()}" for mode in MODES}
    with house.database.write() as connection:
        for mode, gid in gids.items():
            registry.create_group(connection, gid, Policy(mode, 120, 256, [(0, f"{gid}/t/#".encode())]), 86400)
    claim = folder / "listener.claim.json"
    claim.write_text(house.claim("listener"))
    claim.chmod(0o600)
    for gid in gids.values():
        house.join(gid, "listener", "s")
    made = Desk(house, broker, gids, [])
    command = [MICROSEAL, "listen", "--json", "--refused", "--identity", folder / "listener", "--claim", claim]
    with running(house):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

        def read() -> None:
            assert process.stdout is not None
            made.heard.extend(json.loads(line) for line in process.stdout)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            assert eventually(lambda: made.in_force("listener"), 60)
            made.since = time.monotonic()
            yield made
        finally:
            process.terminate()
            process.wait()
            reader.join()


@pytest.fixture(scope="module")
def member(board: Board, desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The board, provisioned as a publisher of all groups as `microseal provision` does it; the transcript of its cable."""
    path = tmp_path_factory.mktemp("cable") / "transcript"
    board.exec("pass")
    board.release()
    wanted = Wanted(DEVICE, publish=tuple(desk.gids.values()), network={"link": "serial"}, again=True)
    # A board at its ordinary speed needs none of the patience.
    with Transcript(path) as transcript, Link(board.port, tap=transcript.tap, patience=PATIENCE) as link:
        provision(link, desk.house.database, desk.house.vault, wanted, transcript)
    assert eventually(lambda: desk.in_force(DEVICE), 90)
    return path.read_text()


@contextmanager
def bridged(board: Board, desk: Desk, code: str, patience: float = PATIENCE) -> Iterator[Callable[[str], Told]]:
    """The board runs the code, with the bridge on its cable; the function waits for a line that begins with a word, patience in s."""
    board.begin(PROGRAM + code)
    board.release()
    command = [MICROSEAL, "bridge", board.port, "--broker", f"{desk.broker.host}:{desk.broker.port}", "--no-start"]
    process = subprocess.Popen(
        [*command, "--stop", "--silence", "300"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    told = Told()
    news = threading.Condition()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with news:
                _, mark, what = line.rstrip().partition("told ")
                try:
                    told.lines.append(ast.literal_eval(what) if mark else ("printed", line.rstrip()))
                except (SyntaxError, ValueError):
                    told.lines.append(("printed", line.rstrip()))
                if "Traceback" in line:
                    told.lines.append(("ended",))
                news.notify()
        with news:
            told.lines.append(("ended",))
            news.notify()

    reader = threading.Thread(target=read)
    reader.start()

    def until(word: str) -> Told:
        with news:
            assert news.wait_for(lambda: told.of(word) or told.of("ended"), patience), told.lines
        assert told.of(word), told.lines
        return told

    try:
        yield until
    finally:
        process.send_signal(2)
        try:
            process.wait(60)
        finally:
            process.kill()
            reader.join()


def test_provisioning_shows_the_private_key_to_nobody(board: Board, member: str) -> None:
    private = board.exec(
        "from microseal.store import Store, unpack\nprint(unpack(Store('microseal-state').load('identity'), 4)[1].hex())"
    ).strip()
    assert len(private) == 64
    assert private not in member and "request" in member


def test_messages_of_each_mode(
    board: Board, member: str, desk: Desk, tell: Callable[[str], None], long_run: bool
) -> None:
    """Heard by a member, in each mode; and what publishing costs: writes to the flash none, heap none for good."""
    few, many = (100, 1000) if long_run else (FEW, MANY)
    topics = {mode: desk.topic(mode) for mode in MODES}
    looks = [number - 1 - i for number in (few, many) for i in range(3)]
    # The time of a message of mode 3 is rounded down by up to 30 s, and nobody takes one from before it started to listen.
    time.sleep(max(0, desk.since + 31 - time.monotonic()))
    already = len(desk.heard)
    code = f"""
client = begin({len(MODES)})
for mode, topic in {sorted(topics.items())!r}:
    tell("us", mode, publish(client, topic, "mode %d" % mode))
before = records()
tell("warm")
time.sleep_ms(300)
looks = {looks!r}
heap = [0] * len(looks)
for i in range({many}):
    publish(client, {topics[2]!r}, "message %d" % i)
    # A few in a row: a question for the time, or its answer, is on its way now and then.
    if i in looks:
        heap[looks.index(i)] = free()
tell("records", records() - before)
tell("heap", heap)
client.disconnect()
tell("done")
"""
    counts = []
    with bridged(board, desk, code, PATIENCE + A_MESSAGE * many) as until:
        until("warm")
        if WEAR not in board.lacks:
            counts.append(board.flash_operations())
        until("heap")
        if WEAR not in board.lacks:
            counts.append(board.flash_operations())
        told = until("done")
    for what, size in told.of("free"):
        tell(f"{board.name}: {size:,} bytes of heap free, {what}")
    for (ms,) in told.of("took"):
        tell(f"{board.name}: connected and in all groups after {ms / 1000:.1f} s of its own clock")
    for mode, us in told.of("us"):
        tell(f"{board.name}: publishing a first message of mode {mode} took {us / 1000:.1f} ms of its own clock")
    expected = {(mode, f"mode {mode}") for mode in MODES} | {(2, f"message {i}") for i in range(many)}

    def heard() -> set[tuple[object, object]]:
        return {(entry["mode"], entry["value"]) for entry in desk.heard[already:] if entry["verified"]}

    assert eventually(lambda: expected <= heard(), 60), (
        expected - heard(),
        [entry for entry in desk.heard[already:] if not entry["verified"]],
    )
    assert all(entry["sender"] == DEVICE for entry in desk.heard[already:] if entry["verified"])
    ((heap,),) = told.of("heap")
    early, late = heap[:3], heap[3:]
    tell(f"{board.name}: {min(early):,} bytes of heap free after {few} messages, {max(late):,} after {many}")
    assert max(late) >= min(early), "the free heap shrinks with messages"
    assert told.of("records") == [(0,)], "a message writes a record of the state"
    if counts:
        assert counts[0] == counts[1], "messages of a board that is awake write to its flash"
        tell(f"{board.name}: {many} messages of a board that is awake wrote nothing to its flash")


@pytest.mark.usefixtures("patience")
def test_writes_of_a_board_that_sleeps_between_messages(
    board: Board, member: str, desk: Desk, tell: Callable[[str], None]
) -> None:
    """What deep sleep costs: all that a start, a connection and one message write."""
    already = len(desk.heard)
    board.fresh()  # nothing of its memory is left
    code = f"""
# The bridge is to be there before anything is told.
time.sleep_ms(1500)
client = begin({len(MODES)})
# Epochs that were made while it was away are no part of the price.
time.sleep_ms(1500)
client.check_msg()
client.disconnect()
tell("awake")
before = records()
client = begin({len(MODES)})
publish(client, {desk.topic(2)!r}, "awake again")
tell("records", records() - before)
client.disconnect()
tell("done")
"""
    counts = []
    with bridged(board, desk, code) as until:
        until("awake")
        if WEAR not in board.lacks:
            counts.append(board.flash_operations())
        told = until("done")
        if WEAR not in board.lacks:
            counts.append(board.flash_operations())
    assert eventually(lambda: any(entry["value"] == "awake again" for entry in desk.heard[already:]), 60)
    ((records,),) = told.of("records")
    flash = ""
    if counts:
        erases, programs = (after - before for before, after in zip(*counts, strict=True))
        flash = f", which are {erases} erases and {programs} programs of its flash"
    tell(f"{board.name}: a start with one message writes {records} records of the state{flash}")
    # A start is counted, once; the other is the time floor of the last message taken, where one was.
    assert records <= 3
