#!/usr/bin/env python3
"""What microseal costs in bytes on the wire: setting up a device's keys, and each message.

A real authority, a real mosquitto and two real clients; every packet between the clients and the broker is captured on its way. What
is counted is the payload of each PUBLISH, and beside it the whole MQTT packet with its topic. Example:

    .venv/bin/python scripts/measure_wire.py --suite 1

Exits with 1 if request, reply, box and key packet together have --below bytes or more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from microseal import crypto
from microseal.clock import SystemClock
from microseal.group import PUBLISHER
from microseal.member import Member
from microseal.policy import Policy
from microseal.provisioning import install
from microseal.store import Store
from microseal_host.authority import claims, founding, registry
from microseal_host.authority.database import Database
from microseal_host.authority.service import Service
from microseal_host.authority.vault import Vault, open_vault
from microseal_host.backends import libcrypto
from microseal_host.member.client import MemberClient
from microseal_host.mqtt import Address
from microseal_host.sim.broker import Broker, start_broker
from microseal_host.sim.children import Children
from microseal_host.sim.tap import Captured, Tap, client_id

SENDER, RECEIVER, GID = "pump-1", "desk-1", "plant"  # ids of 6 bytes
TOPIC = b"plant/level"
PUBLISHED = 366  # bytes that the published scheme takes for what our four messages do
CLAIM = 32  # the last bytes of a first request
MESSAGE = b"21.5 C, 47 %, 1013 hPa, ok"
_PASSPHRASE = "of no secret"
_PATIENCE = 60.0  # s


@dataclass(frozen=True)
class Line:
    """payload, packet: bytes; counts: whether the published figure covers it."""

    what: str
    payload: int
    packet: int
    counts: bool


@dataclass(frozen=True)
class Wire:
    """setup: what the sender's keys take; messages: mode -> (bytes of the message, of the envelope)."""

    suite: int
    setup: list[Line]
    messages: dict[int, tuple[int, int]]

    @property
    def four(self) -> int:
        return sum(line.payload for line in self.setup if line.counts)


@contextmanager
def _authority(folder: Path, suite: int, broker: Broker, port: int) -> Iterator[tuple[Database, Vault]]:
    """The service, in a thread. port: where devices are told that the broker is."""
    settings = founding.Settings(suite, {"host": broker.host, "port": port}, cost=2**10)
    database, _ = founding.found(str(folder / "microseal.db"), settings, _PASSPHRASE)
    with database.read() as connection:
        vault = open_vault(connection, _PASSPHRASE)
    service = Service(database, vault, Address(broker.host, broker.port))
    thread = threading.Thread(target=service.run, daemon=True)
    thread.start()
    try:
        yield database, vault
    finally:
        service.stop.set()
        thread.join()
        database.close()


def _device(database: Database, vault: Vault, folder: Path, name: str) -> Member:
    with database.write() as connection:
        registry.add_device(connection, name, again=False)
        text = claims.make_claim(connection, vault.keyring, name)
    flash = folder / name
    flash.mkdir()
    install(Store(str(flash)), text)
    return Member(Store(str(flash)), SystemClock())


def capture(suite: int, folder: Path) -> Wire:
    """Sets two devices up and lets one send a message in each mode; folder: empty, for all that is written."""
    crypto.use(libcrypto)
    got: list[int] = []
    sent: dict[int, bytes] = {}
    with ExitStack() as ends:
        broker = start_broker(ends.enter_context(Children()), folder)
        tap = ends.enter_context(Tap(broker.host, broker.port))
        database, vault = ends.enter_context(_authority(folder, suite, broker, tap.port))
        sender, receiver = (_device(database, vault, folder, name) for name in (SENDER, RECEIVER))
        with database.write() as connection:
            registry.create_group(connection, GID, Policy(1, 120, 1000, [(0, b"plant/#")]), 86400)
        address = Address(broker.host, tap.port)
        out = ends.enter_context(MemberClient(sender, address, None))
        listener = MemberClient(receiver, address, None, lambda message: got.append(message.mode))
        ends.enter_context(listener)

        def eventually(what: str, done: Callable[[], bool]) -> None:
            def both() -> bool:
                listener.step(0.0)
                return done()

            if not out.wait_for(both, _PATIENCE):
                raise SystemExit(f"within {_PATIENCE:.0f} s: no {what}")

        def active() -> bool:
            with database.read() as connection:
                return all(device.state == registry.ACTIVE for device in registry.list_devices(connection, 0))

        eventually("enrolment", active)
        with database.write() as connection:  # in one epoch
            registry.add_member(connection, GID, SENDER, True, False)
            registry.add_member(connection, GID, RECEIVER, False, True)
        eventually("place in the group", lambda: sender.can_seal() and sender.switches > 0 and receiver.switches > 0)
        # A receiver takes no message dated before its start and the slack of its clock, and mode 3 rounds down to 30 s.
        start = time.time() + SystemClock.slack
        eventually("time", lambda: time.time() // 30 * 30 > start + 1)
        for mode in (1, 2, 3):
            at = len(tap.packets)
            out.publish(TOPIC, MESSAGE, mode=mode)
            eventually(f"message of mode {mode}", lambda mode=mode: mode in got)
            sent[mode] = next(each.payload for each in tap.packets[at:] if each.up and each.topic == TOPIC)
        names = {number: client_id(packet).decode() for number, packet in tap.connections().items()}
        packets = list(tap.packets)
    setup = _setup(packets, names, sender.me.kid.hex())
    return Wire(suite, setup, {mode: (len(MESSAGE), len(raw)) for mode, raw in sent.items()})


def _setup(packets: list[Captured], names: dict[int, str], kid: str) -> list[Line]:
    """The lines of the sender; its certificate is the one that the receiver fetched."""

    def find(what: str, client: str, up: bool, topic: str, counts: bool = False) -> Line:
        found = [
            each
            for each in packets
            if names[each.connection] == client and each.up == up and each.topic.decode() == topic
        ]
        if not found:
            raise SystemExit(f"nothing passed on {topic}")
        return Line(what, len(found[0].payload), len(found[0].packet), counts)

    request = find("request", SENDER, True, f"microseal/enroll/{SENDER}")
    return [
        Line("request", request.payload - CLAIM, request.packet - CLAIM, True),
        find("reply", SENDER, False, f"microseal/reply/{SENDER}", True),
        find("box", SENDER, True, f"microseal/share/{kid}", True),
        find("key packet", SENDER, False, f"microseal/key/{GID}/{kid}/{PUBLISHER}", True),
        Line("claim, behind the request", CLAIM, CLAIM, False),
        find("info", SENDER, False, f"microseal/group/{GID}/info", False),
        find("roster of the 1 publisher", SENDER, False, f"microseal/group/{GID}/p", False),
        find("roster of the 1 subscriber", SENDER, False, f"microseal/group/{GID}/s", False),
        find("certificate of the signer", SENDER, False, "microseal/signer", False),
        find("list of the revoked, empty", SENDER, False, "microseal/revoked", False),
        find("certificate, to a receiver", RECEIVER, False, f"microseal/cert/{kid}", False),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--suite", type=int, default=1)
    parser.add_argument("--below", type=int, default=290, help="what the four are to stay below (default: 290)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wire = capture(args.suite, Path(folder))
    if args.json:
        print(json.dumps(asdict(wire) | {"four": wire.four, "published": PUBLISHED}))
    else:
        _show(wire)
    if wire.four >= args.below:
        print(f"{wire.four} bytes, not below {args.below}", file=sys.stderr)
        return 1
    return 0


def _show(wire: Wire) -> None:
    title = f"keys of a device with the id {SENDER}, group {GID}, suite {wire.suite}"
    table = Table(title, "payload", "MQTT packet", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    whole = sum(line.packet for line in wire.setup if line.counts)
    counted = [line for line in wire.setup if line.counts]
    beside = [line for line in wire.setup if not line.counts]
    for line in counted:
        table.add_row(line.what, str(line.payload), str(line.packet))
    table.add_row(f"these four (published scheme: {PUBLISHED})", str(wire.four), str(whole), end_section=True)
    for line in beside:
        table.add_row(line.what, str(line.payload), str(line.packet))
    console = Console()
    console.print(table)
    console.print()
    table = Table("message", "mode", "bytes", "envelope", "overhead", box=None, pad_edge=False)
    for mode, (size, envelope) in wire.messages.items():
        table.add_row(MESSAGE.decode(), str(mode), str(size), str(envelope), str(envelope - size))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
