"""A mosquitto of one's own, on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from pathlib import Path

from microseal_host.sim.children import Child, Children

LOOPBACK = "127.0.0.1"


class BrokerError(Exception):
    """mosquitto is not installed or does not start; the text says what to do."""


class Broker:
    """A running mosquitto. `host` and `port` are where it listens."""

    def __init__(self, host: str, port: int, child: Child) -> None:
        self.host = host
        self.port = port
        self.child = child


def find_mosquitto() -> str:
    """Path of the executable, which Debian keeps where ordinary users' PATH does not look."""
    path = os.environ.get("PATH", os.defpath) + os.pathsep + os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))
    found = shutil.which("mosquitto", path=path)
    if found is None:
        raise BrokerError("mosquitto is not installed: scripts/setup.sh installs it, or: apt-get install mosquitto")
    return found


def free_port() -> int:
    """A port that nothing listened on a moment ago. mosquitto cannot be told to take any."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def start_broker(children: Children, folder: Path, *, timeout: float = 10.0) -> Broker:
    """Starts mosquitto with its configuration and log in folder; returns when it accepts connections.

    Everything is forgotten when it ends: nothing is persisted.
    """
    executable = find_mosquitto()
    for _ in range(5):
        port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(_config(port))
        log = folder / "mosquitto.log"
        log.unlink(missing_ok=True)  # what an earlier try said is not about this one
        child = children.start("mosquitto", [executable, "-c", config], log)
        if _listens(child, port, timeout):
            return Broker(LOOPBACK, port, child)
        if "Address already in use" not in child.log_tail():
            break
    child.check()
    raise BrokerError(f"mosquitto did not start within {timeout:.0f} s; its log is {child.log}")


def _config(port: int) -> str:
    lines = [
        f"listener {port} {LOOPBACK}",
        "allow_anonymous true",
        "persistence false",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",  # "running" is of this kind
        # Small packets at once; Nagle's algorithm only delays a conversation of them.
        "set_tcp_nodelay true",
    ]
    if os.geteuid() == 0:
        # Else it would change to the user "mosquitto", who may not be able to enter the folder, and with the change of
        # user lose the signal that ends it when its parent dies.
        lines.append("user root")
    return "\n".join(lines) + "\n"


def _listens(child: Child, port: int, timeout: float) -> bool:
    """Whether this mosquitto listens, and not somebody who took the port in between: it says so once it does."""
    deadline = time.monotonic() + timeout
    while child.running and time.monotonic() < deadline:
        if " running" in child.log.read_text(errors="replace"):
            with contextlib.suppress(OSError):
                socket.create_connection((LOOPBACK, port), timeout=1.0).close()
                return True
        time.sleep(0.01)
    return False
