#!/usr/bin/env python3
"""QoS 1 messages a second through mosquitto, from MicroPython's Unix port: microseal's transport beside umqtt.simple.

Plain messages, one after the other, each waiting for its acknowledgement. Example:

    .venv/bin/python scripts/bench_transport.py --seconds 5

Exits with 1 if the transport is below --least in any row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from microseal_host.sim.broker import Broker, start_broker
from microseal_host.sim.children import Children

ROOT = Path(__file__).resolve().parent.parent

CLIENTS = {
    "umqtt.simple": "from umqtt.simple import MQTTClient as Client",
    "microseal": "from microseal.transport import Transport as Client",
}

# What the simulated device runs: prints how many messages it sent, in how many µs, and the times of single ones, sorted.
DEVICE = """
import sys, time
port, size, us = (int(text) for text in sys.argv[1:4])
client = Client("bench", "127.0.0.1", port)
client.connect()
payload = bytes(size)
times = []
sent = 0
start = now = time.ticks_us()
while time.ticks_diff(now, start) < us:
    client.publish(b"bench/transport/topic", payload, qos=1)
    before, now = now, time.ticks_us()
    sent += 1
    if len(times) < 5000:
        times.append(time.ticks_diff(now, before))
client.disconnect()
times.sort()
print(sent, time.ticks_diff(now, start), times[len(times) // 2], times[len(times) * 99 // 100])
"""


def measure(broker: Broker, client: str, size: int, seconds: float) -> dict[str, Any]:
    """One row: messages/s and the times of single messages in ms, for payloads of `size` bytes."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "device.py"
        script.write_text(CLIENTS[client] + DEVICE)
        path = ":".join(str(ROOT / part) for part in ("firmware", "build/lib"))
        result = subprocess.run(
            [ROOT / ".venv/bin/micropython", script, str(broker.port), str(size), str(int(seconds * 1e6))],
            env={**os.environ, "MICROPYPATH": path + ":.frozen"},
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
    if result.returncode:
        raise SystemExit(f"{client} failed:\n{result.stdout}{result.stderr}")
    sent, us, median, late = (int(word) for word in result.stdout.split())
    return {
        "client": client,
        "bytes": size,
        "messages": sent,
        "per_second": round(sent * 1e6 / us, 1),
        "median_ms": median / 1000,
        "p99_ms": late / 1000,
    }


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(title="QoS 1 through mosquitto, MicroPython's Unix port")
    for name in ("client", "payload, bytes", "messages", "messages/s", "median, ms", "99 %, ms"):
        table.add_column(name, justify="left" if name == "client" else "right")
    for row in rows:
        table.add_row(
            row["client"],
            f"{row['bytes']:,}",
            f"{row['messages']:,}",
            f"{row['per_second']:,.0f}",
            f"{row['median_ms']:.2f}",
            f"{row['p99_ms']:.2f}",
        )
    Console().print(table)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], epilog="Example: bench_transport.py --seconds 5 --json"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each row (default 3)")
    parser.add_argument("--sizes", default="16,200,2000", help="payload sizes in bytes (default 16,200,2000)")
    parser.add_argument("--least", type=float, default=2000.0, help="messages/s that microseal must reach (2000)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    sizes = [int(text) for text in arguments.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder, Children() as children:
        broker = start_broker(children, Path(folder))
        rows = [measure(broker, client, size, arguments.seconds) for size in sizes for client in CLIENTS]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        show(rows)
    return int(any(row["per_second"] < arguments.least for row in rows if row["client"] == "microseal"))


if __name__ == "__main__":
    sys.exit(main())
