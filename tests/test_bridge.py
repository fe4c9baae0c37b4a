"""A board reaches the broker through its cable: real mosquitto, the device's code on MicroPython, and cables as they are."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import re
import socket
import ssl
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from authority_house import House, connected, epoch_of, eventually, running
from client_plant import Mosquitto
from microseal import serial_frames as frames
from microseal.inbox import Message
from microseal.policy import Policy
from microseal_host.authority import registry
from microseal_host.board import bridge as bridging
from microseal_host.board.framing import LONGEST, Frame, Splitter
from microseal_host.board.link import BoardError, Link
from microseal_host.board.provision import Wanted, provision
from microseal_host.cli import options
from microseal_host.failure import INTERRUPTED, NOT_READY
from microseal_host.mqtt import Address
from microseal_host.sim.broker import LOOPBACK, Broker
from microseal_host.sim.children import Children
from pty_board import ROOT, PtyBoard
from serial_setting import ROUND_TRIPS, RunningBridge, until
from test_authority_tls import _authority, _certificate
from test_cli import MICROSEAL, Desk, desk  # noqa: F401

SKETCH = """
def run(client):
    def heard(topic, payload):
        queries.append(payload)

    queries = []
    client.set_callback(heard)
    client.subscribe(b"%(gid)s/q/#")
    count = 0
    while True:
        client.publish(b"%(gid)s/t/count", b"%%d" %% count, qos=1)
        count += 1
        for _ in range(20):
            client.check_msg()
        while queries:
            client.publish(b"%(gid)s/t/answer", queries.pop(0), qos=1)
"""


# Frames


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=240), st.integers(0, 255), st.integers(0, 127))
def test_a_frame_is_text_that_no_repl_executes(session: bytes, payload: bytes, seq: int, kind: int) -> None:
    frame = frames.encode(session, frames.TO_BOARD | kind, 3, seq, 0, payload)
    assert len(frame) == frames.wire_length(len(payload))
    assert all(32 <= byte < 127 for byte in frame), "no end of line, no control character"
    (got,) = Splitter().feed(frame)
    assert isinstance(got, Frame) and got.payload == payload and got.kind == kind and got.is_echo
    assert got.is_of(session) and not got.is_of(bytes((session[0] ^ 1,)) + session[1:])


PIECES = st.one_of(
    st.binary(max_size=120).map(
        lambda payload: frames.encode(b"abcd", frames.TO_BRIDGE | frames.DATA, 1, 0, 0, payload)
    ),
    st.text(alphabet="~!\r\nab1 é\x00", max_size=30).map(str.encode),
    st.binary(max_size=30),
)


@given(st.lists(PIECES, max_size=12), st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_text_and_frames_come_apart_however_they_are_cut(pieces: list[bytes], cuts: list[int]) -> None:
    # What ends like the beginning of a frame takes the next one with it, in reality too.
    stream = b"\n".join(pieces) + b"\n"
    splitter, got, at = Splitter(), [], 0
    while at < len(stream):
        step = cuts[at % len(cuts)]
        got += splitter.feed(stream[at : at + step])
        at += step
    assert b"".join(part.text if isinstance(part, Frame) else part for part in got) == stream
    found = [part.text for part in got if isinstance(part, Frame)]
    for piece in pieces:
        if piece.startswith(b"~") and len(piece) > 13 and b"\n" not in piece:
            assert piece in found or frames.decode(piece[1:-1]) is None


def test_what_never_ends_is_text() -> None:
    splitter = Splitter()
    text = b"".join(part for part in splitter.feed(b"~" + b"A" * 100_000 + b"\n") if isinstance(part, bytes))
    assert text == b"~" + b"A" * 100_000 + b"\n"
    assert list(splitter.feed(b"~" + b"A" * LONGEST)) == []


# A board that talks plain MQTT


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Children() as children:
        yield Mosquitto(children, tmp_path)


def make_board(tmp_path: Path, name: str, size: int = 10) -> PtyBoard:
    flash = tmp_path / "cable/flash"
    flash.mkdir(parents=True)
    (flash / "main.py").write_text(ROUND_TRIPS.format(name=name, size=size))
    return PtyBoard(tmp_path / "cable")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[PtyBoard]:
    made = make_board(tmp_path, f"rt{random.randrange(10**9)}")
    yield made
    made.close()


def counts(bridge: RunningBridge) -> list[int]:
    return [int(line.split()[1]) for line in list(bridge.shown) if re.fullmatch(r"heard \d{8}", line)]


def goes_on(bridge: RunningBridge, more: int = 10) -> bool:
    """Whether messages come round, from now on."""
    have = len(counts(bridge))
    return until(lambda: len(counts(bridge)) >= have + more)


def test_messages_go_round(board: PtyBoard, broker: Broker) -> None:
    with RunningBridge(str(board.port), Address(broker.host, broker.port)) as bridge:
        assert goes_on(bridge, 50), bridge.shown
        got = counts(bridge)
        assert got == list(range(len(got))), "all of them, in order, once"
        assert bridge.told("is connected") == 1 and bridge.bridge.count == 1
        # What is printed between the frames is whole, and no frame is shown.
        assert {re.sub(r"\d+", "N", line) for line in bridge.shown} <= {"", "MPY: started", "connected", "heard N"}


def test_long_messages_go_round(tmp_path: Path, broker: Broker) -> None:
    board = make_board(tmp_path, "long", 1900)  # 3.8 KB, of the frames' own signs
    try:
        with RunningBridge(str(board.port), Address(broker.host, broker.port)) as bridge:
            assert goes_on(bridge, 20)
            assert counts(bridge) == list(range(len(counts(bridge))))
    finally:
        board.close()


def test_never_more_on_its_way_than_the_board_has_room_for(board: PtyBoard, broker: Broker) -> None:
    """A stopped board with a small input buffer loses nothing: what was sent and not taken fits into it."""
    with RunningBridge(str(board.port), Address(broker.host, broker.port)) as bridge:
        assert goes_on(bridge)
        board.freeze()
        time.sleep(0.3)
        before = len(board.received)
        sender = socket.create_connection((broker.host, broker.port))
        name = re.search(rb'Client\("(\w+)"', (board.flash / "main.py").read_bytes())
        assert name is not None
        sender.sendall(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x00\x00\x03abc")
        topic = name[1] + b"/x"
        for _ in range(50):
            sender.sendall(bytes((0x30, 2 + len(topic) + 80)) + len(topic).to_bytes(2, "big") + topic + b"9" * 80)
        time.sleep(1)
        assert len(board.received) - before <= 240
        board.thaw()
        assert goes_on(bridge)
        assert until(lambda: bridge.printed("heard 99999999") == 50)
        assert bridge.printed("lost") == 0
        sender.close()


def test_garbage_both_ways(board: PtyBoard, broker: Broker) -> None:
    """Bytes that change, vanish or appear end a session, never a client: it connects again, and nothing false gets through."""
    rng = random.Random(5)
    with RunningBridge(str(board.port), Address(broker.host, broker.port)) as bridge:
        assert goes_on(bridge)
        for direction in ("up", "down"):
            for damage in ("change", "drop", "insert", "cut"):
                board.damage(direction, damage, rng)
                assert until(lambda: not board.damaged), "it has hit something"
                assert goes_on(bridge), (direction, damage, bridge.shown[-5:], bridge.said[-5:])
        got = counts(bridge)
        # Acknowledged or sent again. A line that was printed may have been hit itself.
        assert len(set(range(max(got) + 1)) - set(got)) <= 8


def test_the_board_resets(board: PtyBoard, broker: Broker) -> None:
    with RunningBridge(str(board.port), Address(broker.host, broker.port)) as bridge:
        assert goes_on(bridge)
        board.reset()
        assert until(lambda: bridge.printed("connected") == 2) and goes_on(bridge)
        assert counts(bridge).count(0) == 2


def test_the_board_is_unplugged(board: PtyBoard, broker: Broker) -> None:
    with RunningBridge(str(board.port), Address(broker.host, broker.port)) as bridge:
        assert goes_on(bridge)
        board.unplug()
        assert until(lambda: bridge.told("is gone"))
        board.plug()
        assert until(lambda: bridge.told("is back")) and goes_on(bridge)


def test_the_broker_restarts(board: PtyBoard, own_broker: Mosquitto) -> None:
    with RunningBridge(str(board.port), own_broker.address) as bridge:
        assert goes_on(bridge)
        own_broker.stop()
        assert until(lambda: bridge.told("no connection to the broker"))
        own_broker.start()
        assert goes_on(bridge)
        assert sorted(set(counts(bridge))) == list(range(max(counts(bridge)) + 1))


def test_the_bridge_restarts(board: PtyBoard, broker: Broker) -> None:
    address = Address(broker.host, broker.port)
    with RunningBridge(str(board.port), address) as bridge:
        assert goes_on(bridge)
    with RunningBridge(str(board.port), address) as bridge:
        assert goes_on(bridge)


def test_a_board_that_is_silent_is_given_up(board: PtyBoard, broker: Broker) -> None:
    with RunningBridge(str(board.port), Address(broker.host, broker.port), silence=1) as bridge:
        assert goes_on(bridge)
        board.freeze()
        assert until(lambda: bridge.told("has not answered"))
        board.thaw()
        assert goes_on(bridge)


def test_at_the_prompt_nothing_is_executed(tmp_path: Path, broker: Broker) -> None:
    board = PtyBoard(tmp_path / "cable")
    try:
        with RunningBridge(str(board.port), Address(broker.host, broker.port), start=False) as bridge:
            assert until(lambda: bridge.told("at its prompt"))
            time.sleep(3)
            assert not any(word in line for line in bridge.shown for word in ("Error", "Traceback")), bridge.shown
            assert not any("~" in line for line in bridge.shown)
    finally:
        board.close()


def test_main_is_started_and_stopped(board: PtyBoard, broker: Broker) -> None:
    with Link(str(board.port)) as link:
        link.enter()
    board.port.write_bytes(b"\x01")  # a tool that was killed leaves the raw REPL, in which nothing is echoed
    address = Address(broker.host, broker.port)
    with RunningBridge(str(board.port), address, stop=True) as bridge:
        assert goes_on(bridge)
        with pytest.raises(BoardError, match="in use"):
            Link(str(board.port))
    assert until(lambda: b"KeyboardInterrupt: \r\n\r\n>>> " in board.sent, 5), bytes(board.sent[-300:])
    with Link(str(board.port)) as link:
        link.enter()
        assert link.eval("1") == 1


def test_a_port_that_was_never_there(tmp_path: Path) -> None:
    bridge = RunningBridge(str(tmp_path / "none"), Address(LOOPBACK, 1))
    with pytest.raises(BoardError, match="no port"), bridge:
        until(lambda: bridge.failure)


# Hostile boards


class FakeBoard:
    """The other end of a bridge's port, in the hands of a test."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.port = os.ttyname(self.slave)
        self.session = b""
        self.seq = 0
        self._splitter = Splitter()
        self._got: list[Frame] = []

    def send(self, kind: int, channel: int = 0, payload: bytes = b"", ack: int = 0, seq: int | None = None) -> None:
        frame = frames.encode(
            self.session, frames.TO_BRIDGE | kind, channel, self.seq if seq is None else seq, ack, payload
        )
        self.seq = (self.seq + 1) & 0xFF
        os.set_blocking(self.master, True)
        os.write(self.master, frame)

    def expect(self, kind: int, seconds: float = 5.0) -> Frame:
        """The next frame of this kind, past all others."""
        end = time.monotonic() + seconds
        os.set_blocking(self.master, False)
        while time.monotonic() < end:
            while self._got:
                frame = self._got.pop(0)
                if frame.kind == kind:
                    return frame
            try:
                self._got += [
                    part for part in self._splitter.feed(os.read(self.master, 4096)) if isinstance(part, Frame)
                ]
            except BlockingIOError:
                time.sleep(0.01)
        raise AssertionError(f"no frame of kind {kind}")

    def greet(self, window: int = 240) -> None:
        self.session = self.expect(frames.HELLO).payload[1:]
        hello = b"\x01" + self.session + window.to_bytes(2, "big")
        os.write(self.master, frames.encode(frames.NO_SESSION, frames.TO_BRIDGE | frames.HELLO, 0, 0, 0, hello))
        self.seq = 0

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def fake() -> Iterator[FakeBoard]:
    made = FakeBoard()
    yield made
    made.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((LOOPBACK, 0)) as server:
        server.settimeout(5)
        yield server


def address_of(listener: socket.socket) -> Address:
    return Address(LOOPBACK, listener.getsockname()[1])


def test_channels_are_few(fake: FakeBoard, listener: socket.socket) -> None:
    with RunningBridge(fake.port, address_of(listener)):
        fake.greet(4096)
        for channel in range(1, 10):
            fake.send(frames.OPEN, channel)
        assert fake.expect(frames.CLOSE).payload == bytes((frames.WRONG,))
        accepted = []
        listener.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                accepted.append(listener.accept()[0])
        assert len(accepted) == bridging.CHANNELS
        for sock in accepted:
            sock.close()


def test_more_than_there_is_credit_for_closes_the_channel(fake: FakeBoard, listener: socket.socket) -> None:
    with RunningBridge(fake.port, address_of(listener)):
        fake.greet(4096)
        fake.send(frames.DATA, 7, b"to nowhere")
        fake.send(frames.OPEN, 1)
        with listener.accept()[0] as sock:
            sock.settimeout(5)
            credit = int.from_bytes(fake.expect(frames.CREDIT).payload, "big")
            assert credit == bridging.RECEIVE
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            fake.send(frames.DATA, 1, b"x" * 200)
            assert sock.recv(100) == b"x" * 100
            for _ in range(200):
                fake.send(frames.DATA, 1, b"y" * 200)
                time.sleep(0.0005)
            # Paid for as it is taken; at the latest what is beyond ends the connection.
            fake.send(frames.CREDIT, 1, b"abc")
            assert fake.expect(frames.CLOSE).payload == bytes((frames.WRONG,))
            while sock.recv(65536):
                pass


def test_frames_out_of_order_or_with_impossible_acks_end_the_session(fake: FakeBoard, listener: socket.socket) -> None:
    with RunningBridge(fake.port, address_of(listener)) as bridge:
        for wrong in ({"seq": 5}, {"ack": 77}):
            fake.greet()
            fake.send(frames.OPEN, 1)
            with listener.accept()[0] as sock:
                fake.send(frames.BEAT, **wrong)
                sock.settimeout(5)
                assert sock.recv(10) == b"", "its connections are closed"
        assert bridge.told("beginning anew") == 2


def test_a_flood_of_anything_is_bounded(fake: FakeBoard, listener: socket.socket) -> None:
    rng = random.Random(7)
    os.set_blocking(fake.master, True)
    with RunningBridge(fake.port, address_of(listener)) as bridge:
        drain = threading.Event()

        def swallow() -> None:
            while not drain.is_set():
                try:
                    os.read(fake.master, 4096)
                except OSError:
                    time.sleep(0.005)

        fake.greet()
        os.set_blocking(fake.master, False)
        reader = threading.Thread(target=swallow)
        reader.start()
        end = time.monotonic() + 2
        while time.monotonic() < end:
            choice = rng.randrange(5)
            if choice == 0:
                junk = rng.randbytes(200)
            elif choice == 1:
                junk = b"~" * 100 + b"A" * 300
            elif choice == 2:
                junk = frames.encode(
                    fake.session, 0x80 | rng.randrange(128), rng.randrange(256), rng.randrange(256), 0, b"z"
                )
            elif choice == 3:
                junk = frames.encode(
                    frames.NO_SESSION, frames.TO_BRIDGE, 0, 0, 0, b"\x01" + rng.randbytes(rng.randrange(7))
                )
            else:
                junk = b"\x1b[2J" + b"w" * 1000
            try:
                os.write(fake.master, junk)
            except BlockingIOError:
                time.sleep(0.001)
        drain.set()
        reader.join()
        assert max(map(len, bridge.shown)) <= 500
        # And it still works.
        time.sleep(0.2)
        os.write(fake.master, b"\n" + frames.encode(frames.NO_SESSION, 0x80, 0, 0, 0, b"\x01" + frames.NO_SESSION))
        fake.greet()
        fake.send(frames.OPEN, 1)
        listener.accept()[0].close()


def test_a_board_that_runs_wild_does_not_flood_the_broker(fake: FakeBoard, listener: socket.socket) -> None:
    with RunningBridge(fake.port, address_of(listener)):
        fake.greet(4096)
        listener.settimeout(0.3)
        made = 0
        for _ in range(bridging.OFTEN[0] + 10):
            fake.send(frames.OPEN, 1)
            with contextlib.suppress(TimeoutError):
                listener.accept()[0].close()
                made += 1
            fake.send(frames.CLOSE, 1, b"\0")
        assert made == bridging.OFTEN[0]


def test_another_version_is_told(fake: FakeBoard, listener: socket.socket) -> None:
    with RunningBridge(fake.port, address_of(listener)) as bridge:
        fake.expect(frames.HELLO)
        os.write(fake.master, frames.encode(frames.NO_SESSION, 0x80, 0, 0, 0, b"\x09" + frames.NO_SESSION))
        assert until(lambda: bridge.told("another version"))


def test_a_name_that_is_none_is_no_broker(fake: FakeBoard) -> None:
    with RunningBridge(fake.port, Address("a..b", 1)) as bridge:
        fake.greet()
        fake.send(frames.OPEN, 1)
        assert fake.expect(frames.CLOSE).payload == bytes((frames.REFUSED,))
        assert bridge.told("no connection to the broker at a..b:1")


def test_tls_is_the_bridges(fake: FakeBoard, listener: socket.socket, tmp_path: Path) -> None:
    """The way from the bridge to the broker; a board is spared it."""
    own, signer = _authority("an authority")
    key = ec.generate_private_key(ec.SECP256R1())
    served = _certificate("localhost", key, "an authority", signer, False)
    (tmp_path / "ca.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "server.pem").write_bytes(served.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    got: list[bytes] = []

    def serve() -> None:
        for _ in range(2):
            try:
                with context.wrap_socket(listener.accept()[0], server_side=True) as sock:
                    got.append(sock.recv(100))
                    sock.sendall(b"answer")
            except (OSError, ssl.SSLError):
                got.append(b"")

    thread = threading.Thread(target=serve)
    thread.start()
    address = Address("localhost", listener.getsockname()[1], tls=True)
    with RunningBridge(fake.port, address, ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))):
        fake.greet()
        fake.send(frames.OPEN, 1)
        fake.expect(frames.OPEN)
        fake.send(frames.DATA, 1, b"question")
        fake.send(frames.CREDIT, 1, b"\0\x20")
        assert fake.expect(frames.DATA).payload == b"answer"
    # Somebody else's certificate is refused.
    with RunningBridge(fake.port, address, ssl.create_default_context()):
        fake.greet()
        fake.send(frames.OPEN, 1)
        assert fake.expect(frames.CLOSE).payload == bytes((frames.REFUSED,))
    thread.join()
    assert got == [b"question", b""]


# Hostile bridges


class FakeBridge:
    """The other end of a board's cable, in the hands of a test."""

    def __init__(self, board: PtyBoard) -> None:
        self._descriptor = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._descriptor)
        os.set_blocking(self._descriptor, False)
        self._splitter = Splitter()
        self.session = b"\1\2\3\4"
        self.seq = 0
        self.got: list[Frame] = []
        self.text = b""

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), 200):
            os.write(self._descriptor, data[at : at + 200])
            time.sleep(0.01)

    def send(self, kind: int, channel: int = 0, payload: bytes = b"") -> None:
        self.write(frames.encode(self.session, kind, channel, self.seq, 0, payload))
        self.seq = (self.seq + 1) & 0xFF

    def hello(self, session: bytes) -> None:
        self.session, self.seq = session, 0
        self.write(frames.encode(frames.NO_SESSION, frames.HELLO, 0, 0, 0, b"\x01" + session))

    def look(self) -> None:
        try:
            for part in self._splitter.feed(os.read(self._descriptor, 65536)):
                if isinstance(part, Frame):
                    self.got.append(part)
                else:
                    self.text += part
        except BlockingIOError:
            pass

    def expect(self, kind: int, seconds: float = 10.0) -> Frame:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while self.got:
                frame = self.got.pop(0)
                if frame.kind == kind:
                    return frame
            self.look()
            time.sleep(0.01)
        raise AssertionError(f"no frame of kind {kind}; printed: {self.text[-300:]!r}")

    def close(self) -> None:
        os.close(self._descriptor)


def test_a_board_bears_a_hostile_bridge(board: PtyBoard) -> None:
    rng = random.Random(11)
    bridge = FakeBridge(board)
    try:
        for round_ in range(6):
            bridge.hello(bytes((9, 9, 9, round_)))
            channel = bridge.expect(frames.OPEN).body[1]
            bridge.send(frames.OPEN, channel)
            if round_ == 0:  # more than it has given credit for
                for _ in range(4):
                    bridge.send(frames.DATA, channel, b"\x30" * 150)
            elif round_ == 1:  # channels that it never opened, and kinds that there are not
                for number in range(20):
                    bridge.send(rng.randrange(128), 100 + number, rng.randbytes(20))
                bridge.send(50, channel)
            elif round_ == 2:  # credit without end, and then an end
                for _ in range(10):
                    bridge.send(frames.CREDIT, channel, b"\xff\xff")
                bridge.send(frames.CLOSE, channel, b"")
            elif round_ == 3:  # lines that never end
                bridge.write(b"~" + b"A" * 5000)
            elif round_ == 4:
                bridge.write(bytes(byte for byte in rng.randbytes(3000) if byte != 3))
            else:  # what is no MQTT
                bridge.send(frames.CREDIT, channel, b"\x0f\xff")
                bridge.expect(frames.DATA)
                bridge.send(frames.DATA, channel, rng.randbytes(100))
        # It is all there still, and asks for its connection.
        bridge.hello(b"last")
        channel = bridge.expect(frames.OPEN).body[1]
        bridge.send(frames.OPEN, channel)
        bridge.send(frames.CREDIT, channel, b"\x0f\xff")
        assert bridge.expect(frames.DATA).payload[:1] == b"\x10", "an MQTT CONNECT"
        assert b"Traceback" not in bridge.text and b"MemoryError" not in bridge.text
    finally:
        bridge.close()


def test_half_a_frame_does_not_stop_a_board(board: PtyBoard) -> None:
    """It waits for no byte: what it does beside goes on."""
    bridge = FakeBridge(board)
    try:
        bridge.hello(b"half")
        channel = bridge.expect(frames.OPEN).body[1]
        frame = frames.encode(bridge.session, frames.OPEN, channel, 0, 0)
        bridge.write(frame[:9])
        until(lambda: bridge.look() or b"not connected" in bridge.text, 12)
        assert b"not connected" in bridge.text, "its own time-out"
    finally:
        bridge.close()


# The command


def test_the_command_ends_cleanly(board: PtyBoard, broker: Broker) -> None:
    (board.flash / "main.py").write_text("print('\\x1b[31mred')\n" + (board.flash / "main.py").read_text())
    command = [MICROSEAL, "bridge", str(board.port), "--broker", f"{broker.host}:{broker.port}"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    shown: list[str] = []
    reader = threading.Thread(target=lambda: shown.extend(process.stdout or ()))
    reader.start()
    assert until(lambda: any(line.startswith("heard") for line in shown))
    board.reset()
    assert until(lambda: any("red" in line for line in shown))
    process.terminate()  # as a service is ended; Ctrl-C does the same
    assert process.wait(10) == INTERRUPTED
    reader.join()
    assert process.stderr is not None
    said = process.stderr.read()
    assert "is connected, and reaches" in said and "Traceback" not in said
    assert not any("\x1b" in line for line in shown) and "\\x1b[31mred\n" in shown
    process.stdout.close()
    process.stderr.close()


def test_the_boards_password_at_the_broker_is_not_the_bridges(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("MICROSEAL_BROKER_PASSWORD", "for the board")
    desk.run("bridge", "/dev/ttyNONE", "--broker", "b", code=NOT_READY)
    assert "no port" in desk.said
    monkeypatch.delenv("MICROSEAL_BROKER_PASSWORD")
    (desk.folder / "ca.pem").touch()
    assert options.address(None, "b", ca_file=desk.folder / "ca.pem").port == 8883, "with TLS, as --tls says it"


def test_the_command_ends_when_nobody_reads_what_it_shows(board: PtyBoard, broker: Broker) -> None:
    """`microseal bridge … | head -1`: that is no board that was unplugged."""
    command = [MICROSEAL, "bridge", str(board.port), "--broker", f"{broker.host}:{broker.port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    try:
        process.wait(20)
    finally:
        process.kill()
    said = process.stderr.read()
    process.stderr.close()
    assert "is gone" not in said and "Traceback" not in said


# The whole of it


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_sealed_messages_of_a_real_board_program(tmp_path: Path, broker: Broker, mode: int) -> None:
    """firmware/main.py, provisioned over the cable, speaks and hears through it; mode 3 on a connection of its own."""
    house = House(tmp_path / "house", Address(broker.host, broker.port))
    gid = f"br{mode}"
    with house.database.write() as connection:
        policy = Policy(mode, 120, 1000, [(0, f"{gid}/t/#".encode()), (1, f"{gid}/q/#".encode())])
        registry.create_group(connection, gid, policy, 86400)
    board = PtyBoard(tmp_path / "cable", heap="1M")
    try:
        with Link(str(board.port)) as link:
            wanted = Wanted(f"pump{mode}", publish=[gid], network={"link": "serial"})
            provision(link, house.database, house.vault, wanted)
            link.put((ROOT / "firmware/main.py").read_bytes(), "main.py")
            link.put((SKETCH % {"gid": gid}).encode(), "app.py")
            link.leave()
        desk = house.device("desk")
        house.join(gid, "desk", "s")
        heard: list[Message] = []
        with (
            running(house),
            connected(house, desk, on_message=heard.append) as client,
            RunningBridge(str(board.port), house.address) as bridge,
        ):

            def step() -> None:
                client.step(0.02)

            assert eventually(lambda: epoch_of(desk, gid) > 0, step=step, seconds=30)
            assert eventually(lambda: client.listening, step=step)
            assert eventually(lambda: len(heard) >= 5, step=step, seconds=40), (bridge.shown[-8:], bridge.said)
            assert {(m.sender, m.mode) for m in heard} == {(f"pump{mode}".encode(), mode)}
            # A board takes nothing dated before its start was over: in mode 3, where times are rounded, for half a minute.
            if mode < 3:
                assert eventually(desk.can_seal, step=step)
                for _ in range(20):
                    assert client.publish(f"{gid}/q/x".encode(), b"what?")
                    if eventually(lambda: any(m.payload == b"what?" for m in heard), step=step, seconds=1):
                        break
                else:
                    raise AssertionError(bridge.shown)
            assert bridge.bridge.count == (2 if mode == 3 else 1)
            assert not any("~" in line for line in bridge.shown)
    finally:
        board.close()
