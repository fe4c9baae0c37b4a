"""An authority in a folder of its own and devices that talk to it, for the tests of the authority and the command line."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from microseal import crypto, errors
from microseal.clock import SystemClock
from microseal.errors import Refused
from microseal.member import Member
from microseal.policy import Policy
from microseal.provisioning import install
from microseal.store import Store
from microseal.topics import matches
from microseal_host.authority import board, claims, epochs, founding, registry, requests, signing
from microseal_host.authority.service import Service
from microseal_host.authority.vault import Vault, open_vault
from microseal_host.backends import libcrypto
from microseal_host.member.client import MemberClient
from microseal_host.mqtt import Address

PASSPHRASE = "a passphrase for tests"
COST = 2**10  # scrypt's least: what it costs is not what is tested


# A URL such as postgresql+psycopg://postgres@127.0.0.1/postgres lets the tests of the authority run on that server instead
# of SQLite, each House in a database of its own there.
SERVER = os.environ.get("MICROSEAL_TEST_SERVER")


def _empty_database() -> str | None:
    if SERVER is None:
        return None
    name = f"microseal_{os.urandom(6).hex()}"
    engine = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    engine.dispose()
    return make_url(SERVER).set(database=name).render_as_string(hide_password=False)


class House:
    """A founded authority, opened."""

    def __init__(self, folder: Path, address: Address | None = None, suite: int = 1, **settings: int) -> None:
        crypto.use(libcrypto)
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.path = folder / "microseal.db"
        self.where = _empty_database() or str(self.path)
        self.address = address or Address("localhost")
        broker = {"host": self.address.host, "port": self.address.port}
        self.database, _ = founding.found(
            self.where, founding.Settings(suite, broker, cost=COST, **settings), PASSPHRASE
        )
        self.vault = self.open()

    def open(self) -> Vault:
        with self.database.read() as connection:
            return open_vault(connection, PASSPHRASE)

    def claim(self, device: str, again: bool = False) -> str:
        """The text of a claim file for a device."""
        with self.database.write() as connection:
            registry.add_device(connection, device, again)
            return claims.make_claim(connection, self.vault.keyring, device)

    def device(self, name: str, again: bool = False, clock: SystemClock | None = None) -> Member:
        """A device with the claim in its store, not enrolled yet."""
        folder = self.folder / f"{name}-{os.urandom(4).hex()}"
        folder.mkdir()
        store = Store(str(folder))
        install(store, self.claim(name, again))
        return Member(store, clock or SystemClock(), senders=4096, groups=16)

    def group(self, gid: str, **roles: str) -> None:
        """A group with the topics ‹gid›/#; roles: device="p", "s" or "ps", an underscore stands for a hyphen."""
        with self.database.write() as connection:
            policy = Policy(2, 120, 1000, [(0, f"{gid}/t/#".encode()), (1, f"{gid}/q/#".encode())])
            registry.create_group(connection, gid, policy, 86400)
        for device, what in roles.items():
            self.join(gid, device.replace("_", "-"), what)

    def join(self, gid: str, device: str, roles: str = "ps") -> None:
        with self.database.write() as connection:
            registry.add_member(connection, gid, device, "p" in roles, "s" in roles)

    # Without a broker: what the service does with one message, and with what is due.

    def answer(self, topic: bytes, payload: bytes) -> tuple[bytes, bytes] | None:
        """(topic, payload) of the answer; Refused as the functions raise it."""
        _, kind, subject = topic.split(b"/")
        now = int(time.time())
        with self.database.write() as connection:
            if kind == b"enroll":
                reply, _ = requests.enroll(connection, self.vault, subject, payload, now)
                return (b"microseal/reply/" + subject, reply) if reply is not None else None
            if kind == b"clock":
                return b"microseal/time/" + subject, requests.clock(connection, self.vault, subject, payload, now)
            if kind == b"ask":
                requests.ask(connection, self.vault, subject, payload, now)
            else:
                requests.share(connection, self.vault, subject, payload, now)
            return None

    def review(self, now: int | None = None) -> list[str]:
        """Makes every epoch that is due; the gids."""
        now = int(time.time()) if now is None else now
        with self.database.write() as connection:
            signer = signing.renew(connection, self.vault, now)
        if signer is not None:
            self.vault.signer = signer
        with self.database.write() as connection:
            epochs.update_revoked(connection, self.vault, now)
            due = epochs.find_due(connection, now)
            for each in due:
                epochs.make(connection, self.vault, each, now)
            epochs.clear_certificates(connection, now, 3600)
        return [each.gid for each in due]

    def enrol(self, member: Member) -> Member:
        """Enrols a device and takes its share."""
        for _ in range(3):
            self.exchange(member)
        return member

    def exchange(self, member: Member) -> None:
        """One round: what the device sends is answered, what is retained for it arrives."""
        member.tick()
        for topic, payload in member.take_outgoing():
            answer = self.answer(topic, payload)
            if answer is not None:
                member.control(*answer)

    def deliver(self, *members: Member) -> None:
        """Gives the devices what the broker would have retained for them."""
        with self.database.read() as connection:
            notices = board.dirty(connection, 100000)
        for member in members:
            for _ in range(3):
                for notice in notices:
                    topic = notice.topic.encode()
                    if notice.payload and any(matches(each, topic) for each in member.filters()):
                        _give(member, topic, notice.payload)

    def board(self) -> dict[str, bytes]:
        """What is to be retained, by topic."""
        with self.database.read() as connection:
            return {notice.topic: notice.payload for notice in board.dirty(connection, 100000)}


def _give(member: Member, topic: bytes, payload: bytes) -> None:
    reader = member.reader(topic)
    if reader is not None:
        reader.write(payload)
        reader.close()
        return
    try:
        member.control(topic, payload)
    except Refused as refusal:
        if refusal.reason != errors.EPOCH:  # who is out of a group takes the info that said so only once
            raise


@contextmanager
def running(house: House, ready: bool = True) -> Iterator[Service]:
    """The service in a thread of its own."""
    service = Service(house.database, house.open(), house.address)
    trouble: list[BaseException] = []

    def run() -> None:
        try:
            service.run()
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        if ready:
            assert service.ready.wait(20), "the service did not get ready"
        yield service
    finally:
        service.stop.set()
        thread.join(20)
    assert not thread.is_alive()
    if trouble:
        raise trouble[0]


@contextmanager
def connected(house: House, member: Member, **callbacks: object) -> Iterator[MemberClient]:
    with MemberClient(member, house.address, None, **callbacks) as client:  # type: ignore[arg-type]
        yield client


def epoch_of(member: Member, gid: str) -> int:
    """The epoch in force at a device, 0 for none."""
    if not member.enrolled:
        return 0
    group = member.groups.by_gid.get(gid.encode())
    return group.current.info.epoch if group and group.current else 0


def eventually(done: Callable[[], bool], seconds: float = 15.0, step: Callable[[], object] | None = None) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        if step is None:
            time.sleep(0.05)
        else:
            step()
    return True
