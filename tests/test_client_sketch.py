"""Sketches written for umqtt.simple: the same text runs on microseal when its import is changed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from authority_house import House, running
from client_plant import ROOT, Mosquitto
from microseal.policy import Policy
from microseal.provisioning import install
from microseal.store import Store
from microseal_host.authority import registry, service
from microseal_host.sim.children import Children

pytestmark = pytest.mark.xdist_group("client_sketch")

# Waits, polls, publishes with both QoS, has a will, keeps a state, pings; prints what it gets from each call.
SKETCH = """
import time
from umqtt.simple import MQTTClient

heard = []
client = MQTTClient("pump-3", "127.0.0.1", PORT, keepalive=30)
client.set_callback(lambda topic, message: heard.append((topic, message)))
client.set_last_will(b"plant/7/gone", b"pump-3", retain=True)
print(client.connect())
client.subscribe(b"plant/7/+")
print(client.check_msg())
time.sleep(REST)
print(client.publish(b"plant/7/pressure", b"4.2"))
client.wait_msg()
print(client.publish("plant/7/pressure", "4.3", False, 1))
while len(heard) < 2:
    client.check_msg()
    time.sleep(0.01)
print(client.publish(b"plant/7/state", b"on", retain=True))
while len(heard) < 3:
    client.wait_msg()
print(heard)
client.ping()
print(client.wait_msg())
print(client.disconnect())
client.connect()
client.publish(b"plant/7/pressure", b"4.4")
client.disconnect()
"""

PRINTED = """0
None
None
None
None
[(b'plant/7/pressure', b'4.2'), (b'plant/7/pressure', b'4.3'), (b'plant/7/state', b'on')]
None
None
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Children() as children:
        yield Mosquitto(children, tmp_path)


@pytest.fixture
def provisioned(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a device, pump-3, that has only its claim as yet, and is to be in a group; the authority runs."""
    monkeypatch.setattr(service, "POLL", 0.05)
    monkeypatch.setattr(service, "SETTLE", 0.05)
    house = House(tmp_path / "house", broker.address)
    state = tmp_path / "microseal-state"
    state.mkdir()
    install(Store(str(state)), house.claim("pump-3"))
    with house.database.write() as connection:
        policy = Policy(2, 600, 1000, [(0, b"plant/7/pressure"), (2, b"plant/7/state"), (2, b"plant/7/gone")])
        registry.create_group(connection, "plant-7", policy, 86400)
        registry.add_member(connection, "plant-7", "pump-3", True, True)
    with running(house):
        yield tmp_path


def run(sketch: str, folder: Path, micropython: Path, env: dict[str, str], rest: int = 0) -> str:
    """rest: s; a device takes no event that is dated within the first seconds of its start, not even its own."""
    sketch = sketch.replace("REST", str(rest))
    (folder / "sketch.py").write_text(sketch)
    done = subprocess.run([micropython, "sketch.py"], cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_as_it_was_written(
    broker: Mosquitto, tmp_path: Path, micropython: Path, micropython_env: dict[str, str]
) -> None:
    assert run(SKETCH.replace("PORT", str(broker.port)), tmp_path, micropython, micropython_env) == PRINTED


def test_with_its_import_changed(
    broker: Mosquitto, provisioned: Path, micropython: Path, micropython_env: dict[str, str]
) -> None:
    sketch = SKETCH.replace("PORT", str(broker.port)).replace("from umqtt.simple", "from microseal")
    assert run(sketch, provisioned, micropython, micropython_env, 7) == PRINTED
    log = broker.log.read_text()
    assert "4.2" not in log and "'plant/7/gone'" not in log  # nothing was sent in clear, and no will


def test_the_readme(broker: Mosquitto, provisioned: Path, micropython: Path, micropython_env: dict[str, str]) -> None:
    (sketch,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert "from microseal import MQTTClient" in sketch
    run(sketch, provisioned, micropython, micropython_env)
    assert re.search(
        r"Received PUBLISH from pump-3 \(d0, q0, r0, m0, 'plant/7/pressure', ... \(110 bytes\)\)",
        broker.log.read_text(),
    )
