#!/usr/bin/env python3
"""That MQTTClient does not grow: its heap on MicroPython's Unix port after each step, and after many messages through mosquitto.

Heap is what gc.mem_alloc() says after gc.collect(), on this 64-bit port: objects are about half as large on a 32-bit board.
Example:

    .venv/bin/python scripts/measure_client.py --many 10000

Exits with 1 if the heap after the last messages is larger than after the first ones by more than --slack bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from microseal import crypto
from microseal_host.backends import libcrypto
from microseal_host.bench.rig import add_group, authority, run
from microseal_host.sim.broker import start_broker
from microseal_host.sim.children import Children

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


def measure(few: int, many: int) -> dict[str, Any]:
    """Bytes of heap after each step, and how many more there are after the last messages than after the first."""
    crypto.use(libcrypto)
    with tempfile.TemporaryDirectory() as name, Children() as children:
        folder = Path(name)
        with authority(folder, start_broker(children, folder)) as database:
            add_group(database, 1)
            imported, connected, first, last = (int(line) for line in run(folder, MEMORY, few, many))
    return {
        "heap": {
            "import": imported,
            "connected client with one group": connected,
            f"in all after {few:,} messages": first,
            f"in all after {many:,} messages": last,
        },
        "growth": last - first,
    }


def show(result: dict[str, Any]) -> None:
    heap = Table(title="Heap of the device, bytes (MicroPython's Unix port, 64 bits)")
    heap.add_column("what")
    heap.add_column("bytes", justify="right")
    for what, size in result["heap"].items():
        heap.add_row(what, f"{size:,}")
    Console().print(heap)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], epilog="Example: measure_client.py --many 10000"
    )
    parser.add_argument("--few", type=int, default=100, help="messages before the first look at the heap (default 100)")
    parser.add_argument("--many", type=int, default=1000, help="messages before the last look (default 1000)")
    parser.add_argument("--slack", type=int, default=256, help="bytes that the heap may grow in between (default 256)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()
    result = measure(arguments.few, arguments.many)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    return int(result["growth"] > arguments.slack)


if __name__ == "__main__":
    sys.exit(main())
