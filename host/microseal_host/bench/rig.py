"""A device on MicroPython's Unix port with a broker and an authority of its own, for measurements."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from microseal.policy import Policy
from microseal.provisioning import install
from microseal.store import Store

from ..authority import claims, founding, keyring, registry
from ..authority.database import Database
from ..authority.service import Service
from ..authority.vault import open_vault
from ..mqtt import Address
from ..sim.broker import Broker

ROOT = Path(__file__).resolve().parents[3]
DEVICE = "bench"


class OutOfMemory(Exception):
    """The device's heap was too small."""


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


def run(
    folder: Path,
    script: str,
    *arguments: object,
    heap: str = "2M",
    package: Path = ROOT / "firmware",
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """The lines that the device printed; OutOfMemory if this heap is too small. package: the folder that has it."""
    path = f"{package}:{ROOT}/firmware/native/dist/x64_6.3:{ROOT}/build/lib"
    (folder / "device.py").write_text(script)
    done = subprocess.run(
        [ROOT / ".venv/bin/micropython", "-X", f"heapsize={heap}", "device.py", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **(environment or {}), "MICROPYPATH": path + ":.frozen"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        said = done.stdout + done.stderr
        raise (
            OutOfMemory(heap)
            if "MemoryError" in said or "out of memory" in said
            else RuntimeError(f"the device failed:\n{said}")
        )
    return done.stdout.splitlines()
