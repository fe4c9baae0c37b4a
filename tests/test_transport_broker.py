"""The transport against real brokers (mosquitto), on both interpreters, and umqtt.simple as it ships where it hangs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from microseal_host.sim.broker import Broker, find_mosquitto, free_port
from microseal_host.sim.children import Child, Children

INTERPRETERS = ("cpython", "micropython")


class Device:
    """One run of transport_broker_cases.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def expect(self, pattern: str) -> str:
        """Reads lines until one that matches; the run must not end before."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if re.fullmatch(pattern, line.rstrip("\n")):
                return line
        raise AssertionError("".join(lines)[-4000:])

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self) -> None:
        self.expect("done")
        assert self.process.wait(30) == 0


class Devices:
    """Starts cases in one interpreter; ends what is left of them."""

    def __init__(self, command: list[str | Path], env: dict[str, str]) -> None:
        self.command = command
        self.env = env
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, port: int, case: str, *arguments: str | Path) -> Device:
        process = subprocess.Popen(
            [*self.command, str(port), case, *arguments],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return Device(process)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture(params=INTERPRETERS)
def devices(
    request: pytest.FixtureRequest, root: Path, micropython: Path, micropython_env: dict[str, str]
) -> Iterator[Devices]:
    interpreter: list[str | Path] = [sys.executable, "-u"] if request.param == "cpython" else [micropython]
    devices = Devices([*interpreter, root / "tests/transport_broker_cases.py"], micropython_env)
    yield devices
    devices.stop()


class OwnBroker:
    """A mosquitto with a configuration of the test's own, which can be started again on its port."""

    def __init__(self, children: Children, folder: Path, *lines: str, listener: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self._children = children
        self._config = folder / "own.conf"
        self._log = folder / "own.log"
        base = [f"listener {self.port} 127.0.0.1", *listener, "persistence false", *lines]
        if os.geteuid() == 0:
            base.append("user root")
        self._config.write_text("\n".join(base) + "\n")
        self.child: Child
        self.start()

    def start(self) -> None:
        self.child = self._children.start("mosquitto", [find_mosquitto(), "-c", self._config], self._log)
        while True:
            self.child.check()
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except ConnectionRefusedError:
                continue

    def kill(self) -> None:
        self.child.process.kill()
        self.child.process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self.child.process.send_signal(signal.SIGSTOP)
        yield
        self.child.process.send_signal(signal.SIGCONT)


@pytest.fixture
def children() -> Iterator[Children]:
    with Children() as children:
        yield children


@pytest.mark.parametrize("case", ["topics", "large", "retained", "will", "session", "echo", "keep_alive"])
def test_with_a_broker(devices: Devices, broker: Broker, case: str) -> None:
    devices.start(broker.port, case).finish()


@contextmanager
def other_client(port: int) -> Iterator[paho.Client]:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def test_others_may_publish_with_qos_2(devices: Devices, broker: Broker) -> None:
    topic = f"qos2/{os.urandom(6).hex()}"
    device = devices.start(broker.port, "qos_2", topic)
    device.expect("ready")
    with other_client(broker.port) as other:
        other.publish(topic, "exactly once", qos=2).wait_for_publish(10)
        device.finish()


def test_the_broker_is_killed_and_started_again(devices: Devices, children: Children, tmp_path: Path) -> None:
    own = OwnBroker(children, tmp_path, "allow_anonymous true")
    device = devices.start(own.port, "restart")
    device.expect("sent 50")
    own.kill()
    own.start()
    device.finish()


def test_a_subscriber_that_waits_while_the_broker_is_started_again(
    devices: Devices, children: Children, tmp_path: Path
) -> None:
    own = OwnBroker(children, tmp_path, "allow_anonymous true")
    device = devices.start(own.port, "wait_through_restart", "a/topic")
    device.expect("ready")
    own.kill()
    own.start()
    with other_client(own.port) as other:
        while device.process.poll() is None:
            other.publish("a/topic", "after it")
            time.sleep(0.05)
    device.finish()


def test_a_frozen_broker_hangs_no_call(devices: Devices, children: Children, tmp_path: Path) -> None:
    own = OwnBroker(children, tmp_path, "allow_anonymous true")
    device = devices.start(own.port, "frozen")
    for _ in range(7):
        device.expect("connected")
        with own.frozen():
            device.say("frozen")
            device.expect("survived")
        device.say("thawed")
    device.finish()


@pytest.mark.parametrize(
    "call",
    [
        "client.connect()",
        "client.publish(b'a', b'm', qos=1)",
        "client.subscribe(b'a')",
        "client.ping(); client.wait_msg()",
    ],
)
def test_umqtt_simple_hangs_where_the_transport_does_not(
    children: Children, tmp_path: Path, micropython: Path, micropython_env: dict[str, str], call: str
) -> None:
    own = OwnBroker(children, tmp_path, "allow_anonymous true")
    script = f"""
import sys
from umqtt.simple import MQTTClient
client = MQTTClient("c", "127.0.0.1", {own.port})
client.set_callback(print)
client.connect()
print("connected")
sys.stdin.readline()
{call}
"""
    process = subprocess.Popen(
        [micropython, "-c", script], env=micropython_env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    device = Device(process)
    try:
        device.expect("connected")
        with own.frozen():
            device.say("go on")
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1.5)
    finally:
        process.kill()
        process.communicate()


def test_a_message_that_the_broker_hangs_up_on(devices: Devices, children: Children, tmp_path: Path) -> None:
    own = OwnBroker(children, tmp_path, "allow_anonymous true", "max_packet_size 2000")
    devices.start(own.port, "hangs_up").finish()


def test_a_broker_that_refuses(devices: Devices, children: Children, tmp_path: Path) -> None:
    own = OwnBroker(children, tmp_path, "allow_anonymous false")
    devices.start(own.port, "refused").finish()


def test_no_broker(devices: Devices) -> None:
    devices.start(free_port(), "nobody").finish()


def openssl(folder: Path, *arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with ca.der, other.der, and server.pem and server.key for `localhost`, issued by the first."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "other"):
        openssl(tmp_path, "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
        openssl(tmp_path, "x509", "-in", f"{name}.pem", "-outform", "der", "-out", f"{name}.der")
    openssl(tmp_path, "req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (tmp_path / "names").write_text("subjectAltName=DNS:localhost\n")
    sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-out", "server.pem")
    openssl(tmp_path, "x509", "-req", "-in", "server.csr", *sign)
    return tmp_path


@pytest.mark.parametrize("devices", ["micropython"], indirect=True)
def test_tls(devices: Devices, children: Children, tmp_path: Path, certificates: Path) -> None:
    listener = (f"certfile {certificates / 'server.pem'}", f"keyfile {certificates / 'server.key'}")
    own = OwnBroker(children, tmp_path, "allow_anonymous true", listener=listener)
    devices.start(own.port, "tls", certificates / "ca.der", certificates / "other.der").finish()


@pytest.mark.parametrize("devices", ["micropython"], indirect=True)
def test_tls_with_somebody_who_never_answers(devices: Devices) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        devices.start(server.getsockname()[1], "tls_that_never_answers").finish()


def test_the_benchmark_reaches_its_goal(root: Path) -> None:
    command = [sys.executable, root / "scripts/bench_transport.py", "--seconds", "1", "--sizes", "100", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    rate = {row["client"]: row["per_second"] for row in json.loads(result.stdout)}
    assert rate["microseal"] >= 2000 and rate["umqtt.simple"] < 100
