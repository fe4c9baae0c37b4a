"""The broker of the simulation: real, on loopback, gone afterwards."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from microseal_host.sim import broker as broker_module
from microseal_host.sim.broker import BrokerError, find_mosquitto, free_port, start_broker
from microseal_host.sim.children import ChildFailed, Children


def test_two_brokers_listen_on_loopback_only_and_end(tmp_path: Path) -> None:
    ports = []
    with Children() as children:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            ports.append(start_broker(children, tmp_path / name).port)
        for port in ports:
            socket.create_connection(("127.0.0.1", port), 5).close()
        listening = Path("/proc/net/tcp").read_text().splitlines()
        for port in ports:
            mine = [
                line.split()[1]
                for line in listening
                if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
            ]
            assert mine == [f"0100007F:{port:04X}"]
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)


def test_a_port_that_was_taken_in_between_is_left_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, Children() as children:
        ports = [taken.getsockname()[1], free_port()]
        monkeypatch.setattr(broker_module, "free_port", lambda: ports.pop(0))
        broker = start_broker(children, tmp_path)
        assert not ports
        assert broker.port != taken.getsockname()[1]


def test_a_broker_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "_config", lambda port: "no_such_setting 1\n")
    with Children() as children, pytest.raises(ChildFailed, match="no_such_setting"):
        start_broker(children, tmp_path)


def test_a_missing_mosquitto_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module.shutil, "which", lambda name, path: None)
    with pytest.raises(BrokerError, match="setup.sh"):
        find_mosquitto()
