#!/usr/bin/env python3
"""What MQTTClient costs on MicroPython's Unix port: heap after each step, and sealed messages a second through mosquitto.

Heap is what gc.mem_alloc() says after gc.collect(), on this 64-bit port: objects are about half as large on a 32-bit board.
Messages of QoS 1 wait for their acknowledgement; of QoS 0 they follow one another. Example:

    .venv/bin/python scripts/measure_client.py --seconds 5

Exits with 1 if the heap after the last messages is larger than after the first ones by more than --slack bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from microseal import crypto
from microseal.policy import Policy
from microseal.provisioning import install
from microseal.store import Store
from microseal_host.authority import claims, founding, keyring, registry
from microseal_host.authority.database import Database
from microseal_host.authority.service import Service
from microseal_host.authority.vault import open_vault
from microseal_host.backends import libcrypto
from microseal_host.mqtt import Address
from microseal_host.sim.broker import Broker, start_broker
from microseal_host.sim.children import Children

ROOT = Path(__file__).resolve().parent.parent
DEVICE = "bench"
MODES = (1, 2, 3)

# The simulated device. Each line that it prints is a number of bytes or a JSON list.
MEMORY = """
import gc, sys
def heap():
    gc.collect()
    return gc.mem_alloc()
few, many = (int(text) for text in sys.argv[1:3])
base = heap()
from microseal import MQTTClient
print(heap() - base)
after_import = heap()
client = MQTTClient("bench")
client.connect()
print(heap() - after_import)
payload = bytes(100)
client.publish("bench/1", payload, qos=1)
for number in (few, many - few):
    for _ in range(number):
        client.publish("bench/1", payload, qos=1)
        client.check_msg()
    print(heap() - base)
client.disconnect()
"""

RATES = """
import json, sys, time
from microseal import MQTTClient
us, size = int(float(sys.argv[1]) * 1e6), int(sys.argv[2])
client = MQTTClient("bench", keepalive=0)
client.connect()
while len(client.topics()) < 3:
    client.check_msg()
    time.sleep_ms(10)
payload = bytes(size)
for mode in (1, 2, 3):
    for qos in (0, 1):
        topic = "bench/%d" % mode
        client.publish(topic, payload, qos=1)
        sent = 0
        start = now = time.ticks_us()
        while time.ticks_diff(now, start) < us:
            client.publish(topic, payload, qos=qos)
            sent += 1
            now = time.ticks_us()
        print(json.dumps([mode, qos, sent, time.ticks_diff(now, start)]))
client.disconnect()
"""


@contextmanager
def authority(folder: Path, broker: Broker) -> Iterator[Database]:
    """Answers the device, which has taken in its claim and is in no group yet."""
    place: dict[str, object] = {"host": broker.host, "port": broker.port}
    database, _ = founding.found(
        str(folder / "authority.db"), founding.Settings(1, place, cost=keyring.LEAST_COST), "of no value"
    )
    with database.read() as connection:
        vault = open_vault(connection, "of no value")
    state = folder / "microseal-state"
    state.mkdir(mode=0o700)
    with database.write() as connection:
        registry.add_device(connection, DEVICE, again=False)
        install(Store(str(state)), claims.make_claim(connection, vault.keyring, DEVICE))
    service = Service(database, vault, Address(broker.host, broker.port))
    thread = threading.Thread(target=service.run, daemon=True)
    thread.start()
    try:
        yield database
    finally:
        service.stop.set()
        thread.join(20)
        database.close()


def add_group(database: Database, mode: int) -> None:
    """A group of this mode in which the device publishes."""
    with database.write() as connection:
        policy = Policy(mode, 600, 4096, [(0, f"bench/{mode}".encode())])
        registry.create_group(connection, f"bench-{mode}", policy, founding.DAY)
        registry.add_member(connection, f"bench-{mode}", DEVICE, True, False)


def run(folder: Path, script: str, *arguments: object) -> list[str]:
    """The lines that the device printed."""
    path = ":".join(str(ROOT / part) for part in ("firmware", "firmware/native/dist/x64_6.3", "build/lib"))
    (folder / "device.py").write_text(script)
    done = subprocess.run(
        [ROOT / ".venv/bin/micropython", "-X", "heapsize=2M", "device.py", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "MICROPYPATH": path + ":.frozen"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"the device failed:\n{done.stdout}{done.stderr}")
    return done.stdout.splitlines()


def measure(few: int, many: int, seconds: float, size: int) -> dict[str, Any]:
    """Both runs: heap in bytes, and one row of rates for each mode and QoS."""
    crypto.use(libcrypto)
    with tempfile.TemporaryDirectory() as name, Children() as children:
        folder = Path(name)
        broker = start_broker(children, folder)
        with authority(folder, broker) as database:
            add_group(database, 1)
            imported, connected, first, last = (int(line) for line in run(folder, MEMORY, few, many))
            for mode in MODES[1:]:
                add_group(database, mode)
            rates = [json.loads(line) for line in run(folder, RATES, seconds, size)]
    return {
        "heap": {
            "import": imported,
            "connected client with one group": connected,
            f"in all after {few:,} messages": first,
            f"in all after {many:,} messages": last,
        },
        "growth": last - first,
        "rates": [
            {"mode": mode, "qos": qos, "bytes": size, "messages": sent, "per_second": round(sent * 1e6 / us, 1)}
            for mode, qos, sent, us in rates
        ],
    }


def show(result: dict[str, Any]) -> None:
    heap = Table(title="Heap of the device, bytes (MicroPython's Unix port, 64 bits)")
    heap.add_column("what")
    heap.add_column("bytes", justify="right")
    for what, size in result["heap"].items():
        heap.add_row(what, f"{size:,}")
    rates = Table(title="Sealed messages through mosquitto")
    for name in ("mode", "QoS", "payload, bytes", "messages", "messages/s"):
        rates.add_column(name, justify="right")
    for row in result["rates"]:
        rates.add_row(
            str(row["mode"]), str(row["qos"]), f"{row['bytes']:,}", f"{row['messages']:,}", f"{row['per_second']:,.0f}"
        )
    console = Console()
    console.print(heap)
    console.print(rates)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], epilog="Example: measure_client.py --seconds 5 --json"
    )
    parser.add_argument("--few", type=int, default=100, help="messages before the first look at the heap (default 100)")
    parser.add_argument("--many", type=int, default=1000, help="messages before the last look (default 1000)")
    parser.add_argument("--slack", type=int, default=256, help="bytes that the heap may grow in between (default 256)")
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each mode and QoS (default 3)")
    parser.add_argument("--size", type=int, default=100, help="bytes of a message (default 100, at most 4096)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()
    result = measure(arguments.few, arguments.many, arguments.seconds, arguments.size)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    return int(result["growth"] > arguments.slack)


if __name__ == "__main__":
    sys.exit(main())
