"""A broker, an authority and devices as processes of either interpreter, for the tests of the client."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from authority_house import House, running
from microseal.policy import Policy
from microseal_host.authority import registry
from microseal_host.mqtt import Address
from microseal_host.sim.broker import LOOPBACK, find_mosquitto, free_port
from microseal_host.sim.children import Child, Children

ROOT = Path(__file__).resolve().parent.parent


def interpreters(group: str) -> list[Any]:
    """Parameters of a fixture: what runs on one interpreter shares its devices, and goes beside what runs on the other."""
    return [pytest.param(name, marks=pytest.mark.xdist_group(f"{group}_{name}")) for name in ("cpython", "micropython")]


def command_of(interpreter: str) -> list[str | Path]:
    if interpreter == "cpython":
        return [sys.executable, "-u", ROOT / "tests/client_device.py"]
    return [ROOT / ".venv/bin/micropython", "-X", "heapsize=2M", ROOT / "tests/client_device.py"]


class Mosquitto:
    """A broker that can be killed and started again on its port, with what it keeps, and whose log has every packet."""

    def __init__(self, children: Children, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self.address = Address(LOOPBACK, self.port)
        self._children = children
        self._config = folder / "mosquitto.conf"
        self.log = folder / "mosquitto.log"
        base = [f"listener {self.port} {LOOPBACK}", "allow_anonymous true", "log_dest stderr", "log_type all"]
        keep = ["persistence true", f"persistence_location {folder}/"]
        if os.geteuid() == 0:
            base.append("user root")
        self._config.write_text("\n".join([*base, *keep, "set_tcp_nodelay true", *lines]) + "\n")
        self.child: Child
        self.start()

    def start(self) -> None:
        self.child = self._children.start("mosquitto", [find_mosquitto(), "-c", self._config], self.log)
        while True:
            self.child.check()
            try:
                socket.create_connection((LOOPBACK, self.port), 5).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.01)

    def kill(self) -> None:
        self.child.process.kill()
        self.child.process.wait()

    def stop(self) -> None:
        """As kill, but it writes down what it has promised: mosquitto acknowledges before it writes."""
        self.child.process.terminate()
        self.child.process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self.child.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.child.process.send_signal(signal.SIGCONT)

    def lines(self, pattern: str) -> list[re.Match[str]]:
        return list(re.finditer(pattern, self.log.read_text(errors="replace"), re.MULTILINE))


class Remote(Exception):
    """What a line raised on the device: args are class and text."""


class Device:
    """One client_device.py. Lines run with `do`; what it tells beside its answers is in `told`."""

    def __init__(self, name: str, command: list[str | Path], env: dict[str, str], errors: Path) -> None:
        self.name = name
        self.told: list[dict[str, Any]] = []
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._errors = errors
        with errors.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if not line.startswith("{"):
                self.told.append({"printed": line})
                continue
            what = json.loads(line)
            if "result" in what or "error" in what:
                self._answers.put(what)
            else:
                self.told.append(what)
        self._answers.put({"error": ["EOF", "the device has ended"]})

    def begin(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self, seconds: float = 40) -> Any:
        try:
            what = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"{self.name} does not answer; it told {self.told[-5:]}") from None
        if "error" in what:
            raise Remote(*what["error"], *([self._errors.read_text()] if what["error"][0] == "EOF" else []))
        return what["result"]

    def do(self, line: str, seconds: float = 40) -> Any:
        self.begin(line)
        return self.answer(seconds)

    def sync(self) -> Device:
        """Whatever a test before has left: nothing is unanswered, nothing was told, and it looks in by itself."""
        token = os.urandom(8).hex()
        self.begin("client.set_callback(heard)")
        self.begin("idle = True")
        self.begin(repr(token))
        while True:
            with contextlib.suppress(Remote):
                if self.answer() == token:
                    self.told.clear()
                    return self

    def heard(self, topic: str | None = None) -> list[str]:
        """The payloads of the messages that reached the callback, on one topic or on all."""
        return [m["message"][1] for m in self.told if "message" in m and topic in (None, m["message"][0])]

    def messages(self, topic: str) -> list[dict[str, Any]]:
        return [m for m in self.told if "message" in m and m["message"][0] == topic]

    def refused(self, topic: str | None = None) -> list[str]:
        return [m["refused"][1] for m in self.told if "refused" in m and topic in (None, m["refused"][0])]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it had not read
                    pipe.close()


class Plant:
    """broker, house: its own; devices are processes of `interpreter`."""

    def __init__(self, interpreter: str, folder: Path, broker: Mosquitto, **settings: int) -> None:
        self.interpreter = interpreter
        self.folder = folder
        self.broker = broker
        self.house = House(folder / "house", broker.address, **settings)
        self.devices: list[Device] = []
        self._stack: list[AbstractContextManager[Any]] = []

    def start_authority(self) -> None:
        running_house = running(self.house)
        running_house.__enter__()
        self._stack.append(running_house)

    def stop_authority(self) -> None:
        self._stack.pop().__exit__(None, None, None)

    def start(self, name: str, directory: Path, claim: Path | None = None) -> Device:
        """Runs a device on what lies in `directory`."""
        path = ("firmware", "firmware/native/dist/x64_6.3", "build/lib")
        env = {**os.environ, "MICROPYPATH": ":".join([str(ROOT / part) for part in path] + [".frozen"])}
        command = [*command_of(self.interpreter), directory, *([claim] if claim else [])]
        device = Device(name, command, env, directory / "errors.log")
        self.devices.append(device)
        return device

    def add(self, name: str) -> Device:
        """A new device, which has taken in its claim."""
        directory = self.folder / name
        directory.mkdir()
        claim = self.folder / f"{name}.json"
        claim.write_text(self.house.claim(name))
        return self.start(name, directory, claim)

    def restart(self, device: Device) -> Device:
        device.end()
        return self.start(device.name, self.folder / device.name)

    def group(
        self,
        gid: str,
        mode: int,
        filters: list[tuple[int, str]],
        max_age: int = 600,
        max_size: int = 1000,
        lifetime: int = 86400,
        **roles: str,
    ) -> None:
        """A new group. filters: (kind, filter); roles: device="p", "s" or "ps"."""
        policy = Policy(mode, max_age, max_size, [(kind, pattern.encode()) for kind, pattern in filters])
        with self.house.database.write() as connection:
            registry.create_group(connection, gid, policy, lifetime)
            for device, what in roles.items():
                registry.add_member(connection, gid, device, "p" in what, "s" in what)

    def join(self, gid: str, device: str, roles: str) -> None:
        self.house.join(gid, device, roles)

    def leave(self, gid: str, device: str) -> None:
        with self.house.database.write() as connection:
            registry.remove_member(connection, gid, device)

    def close(self) -> None:
        for device in self.devices:
            device.end()
        while self._stack:
            self.stop_authority()


def until(done: Callable[[], Any], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
