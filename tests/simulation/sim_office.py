"""The authority of the simulation: its own database, request handlers and epoch making, driven as its service drives them."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from sim_network import Network
from sim_truth import Made, Truth, Violation
from sqlalchemy import select

from microseal.errors import Refused
from microseal.group import Info
from microseal_host.authority import (
    board,
    claims,
    database,
    epochs,
    founding,
    registry,
    requests,
    schema,
    signing,
    vault,
)
from microseal_host.failure import Failure

_PASSPHRASE = "of no secret"
_KEEP = 86400  # s for which a replaced certificate can still be fetched


class Office:
    """running: whether it answers. What devices send while it does not waits at the broker, in its session."""

    def __init__(
        self, folder: Path, network: Network, truth: Truth, lifetimes: tuple[int, int], approval: bool
    ) -> None:
        """lifetimes: of the devices' certificates and of the signer's, s; approval: whether an operator looks at enrolments."""
        self._network, self._truth = network, truth
        self._path = str(folder / "authority.db")
        broker = {"host": "simulated", "port": 1883}
        settings = founding.Settings(truth.suite, broker, *lifetimes, approval=approval, cost=2**10)
        self._database, _ = founding.found(self._path, settings, _PASSPHRASE)
        self.name = "authority"
        self.running = True
        self._queue: deque[tuple[bytes, bytes]] = deque()
        self._revision = -1
        self.signers = 1
        self._open_vault()

    def _open_vault(self) -> None:
        with self._database.read() as connection:
            self._vault = vault.open_vault(connection, _PASSPHRASE)

    @property
    def now(self) -> int:
        return int(self._network.time)

    def close(self) -> None:
        self._database.close()

    def stop(self, during: bool) -> None:
        """The process ends; with `during` after its transactions, before the broker has any of what belongs to them."""
        if during:
            self._answer(answering=False)
            self.review()
        self.running = False
        self._database.close()

    def start(self) -> None:
        self._database.close()  # of the commands that came in between
        self._database = database.open_existing(self._path)
        self._open_vault()
        self.running = True
        with self._database.write() as connection:
            board.forget_published(connection)

    # As the service

    def receive(self, topic: bytes, payload: bytes) -> None:
        self._queue.append((topic, payload))

    def serve(self) -> bool:
        """Answers, makes what is due and publishes; True if there was anything."""
        if not self.running:
            return False
        did = self._answer()
        with self._database.read() as connection:
            revision = registry.revision(connection)
        if revision != self._revision:
            self._revision = revision
            self.review()
            did = True
        return self._publish() or did

    def _answer(self, answering: bool = True) -> bool:
        """One transaction for all that waits. Without `answering` it is the end: the broker keeps what it got no answer for."""
        waiting = list(self._queue)
        if not waiting:
            return False
        answers = []
        with self._database.write() as connection:
            for topic, payload in waiting:
                try:
                    with connection.begin_nested():
                        answers.append(self._handle(connection, topic.split(b"/"), payload))
                except (Refused, Failure):
                    pass
        if answering:
            self._queue.clear()
            for answer in answers:
                if answer is not None:
                    self._network.publish(*answer)
        return True

    def _handle(self, connection, levels: list[bytes], payload: bytes) -> tuple[bytes, bytes] | None:
        _, kind, subject = levels
        if kind == b"enroll":
            reply, _ = requests.enroll(connection, self._vault, subject, payload, self.now)
            return None if reply is None else (b"microseal/reply/" + subject, reply)
        if kind == b"clock":
            return b"microseal/time/" + subject, requests.clock(connection, self._vault, subject, payload, self.now)
        if kind == b"ask":
            requests.ask(connection, self._vault, subject, payload, self.now)
        elif requests.share(connection, self._vault, subject, payload, self.now):
            kid = subject.decode()
            known = schema.certificates.c
            sealed = connection.execute(select(known.share).where(known.kid == kid)).scalar_one()
            self._truth.shares[bytes.fromhex(kid)] = self._vault.keyring.open(sealed, "certificates", kid, "share")
        return None

    def review(self) -> None:
        """Makes the signer, the revoked list and the epochs what they should be, and answers what was approved."""
        with self._database.write() as connection:
            signer = signing.renew(connection, self._vault, self.now)
        if signer is not None:
            self._vault.signer = signer
            self.signers += 1
        with self._database.write() as connection:
            granted = requests.grant(connection, self._vault, self.now)
        for device, reply in granted:
            self._network.publish(f"microseal/reply/{device}".encode(), reply)
        with self._database.write() as connection:
            epochs.update_revoked(connection, self._vault, self.now)
            due = epochs.find_due(connection, self.now)
        for each in due:
            with self._database.write() as connection:
                epochs.make(connection, self._vault, each, self.now)
                self._tell_truth(connection, each.gid)
        with self._database.write() as connection:
            epochs.clear_certificates(connection, self.now, _KEEP)

    def _tell_truth(self, connection, gid: str) -> None:
        seats = frozenset((role, bytes.fromhex(kid)) for role, kid in registry.current_seats(connection, gid))
        self._check_entitled(connection, gid, seats)
        raw = board.payload(connection, board.group_topic(gid, "info"))
        packets, broadcasts = {}, {}
        rows = connection.execute(select(schema.retained.c.topic, schema.retained.c.payload)).all()
        for topic, payload in rows:
            levels = topic.split("/")
            if levels[:3] == ["microseal", "key", gid] and payload:
                packets[int(levels[4]), bytes.fromhex(levels[3])] = payload
            if levels[:3] == ["microseal", "group", gid] and levels[3] in ("1", "2") and payload:
                broadcasts[int(levels[3])] = payload
        assert raw is not None
        self._truth.make(gid.encode(), Made(Info(self._truth.suite, raw, None), seats, packets, broadcasts))

    def _check_entitled(self, connection, gid: str, seats: frozenset[tuple[int, bytes]]) -> None:
        """Only certificates in force, of devices that are wished to be there."""
        wished = connection.execute(select(schema.members).where(schema.members.c.gid == gid)).all()
        roles = {row.device: (row.publish, row.subscribe) for row in wished}
        for role, kid in seats:
            known = schema.certificates.c
            row = connection.execute(select(schema.certificates).where(known.kid == kid.hex())).one()
            if row.revoked is not None or row.not_after < self.now or not roles.get(row.device, (0, 0))[role - 1]:
                raise Violation(f"{row.device} is not entitled to role {role} in {gid}, but has a seat")

    def _publish(self) -> bool:
        did = False
        while True:
            with self._database.read() as connection:
                notices = board.dirty(connection, 500)
            if not notices:
                return did
            did = True
            for notice in notices:
                self._network.publish(notice.topic.encode(), notice.payload, retain=True)
            with self._database.write() as connection:
                board.published(connection, notices)

    # As the operator. Failure where that cannot be wished.

    def claim(self, device: str, again: bool = False) -> str:
        with self._wish() as connection:
            registry.add_device(connection, device, again)
            return claims.make_claim(connection, self._vault.keyring, device)

    def decide(self, approve: bool) -> bool:
        """Approves or rejects the request that has waited longest; False if none waits."""
        with self._wish() as connection:
            waiting = registry.pending(connection)
            if waiting:
                registry.decide(connection, waiting[0][0], approve)
        return bool(waiting)

    def rejected(self) -> set[str]:
        """The devices whose newest request was rejected."""
        waiting = schema.waiting.c
        with self._database.read() as connection:
            return set(connection.execute(select(waiting.device).where(waiting.rejected.is_not(None))).scalars())

    def create_group(self, gid: str, policy, lifetime: int) -> None:
        with self._wish() as connection:
            registry.create_group(connection, gid, policy, lifetime)

    def change_policy(self, gid: str, policy) -> None:
        with self._wish() as connection:
            connection.execute(schema.groups.update().where(schema.groups.c.gid == gid).values(policy=policy.encode()))
            registry.touch(connection)

    def join(self, gid: str, device: str, roles: int) -> None:
        with self._wish() as connection:
            registry.add_member(connection, gid, device, bool(roles & 1), bool(roles & 2))

    def leave(self, gid: str, device: str) -> None:
        with self._wish() as connection:
            registry.remove_member(connection, gid, device)

    def revoke(self, device: str) -> None:
        with self._wish() as connection:
            registry.revoke_device(connection, device)

    def _wish(self):
        """Commands work on the database; they need no service."""
        return self._database.write()

    # What there should be

    def seats(self) -> dict[bytes, tuple[int, frozenset[tuple[int, bytes]]]]:
        """gid -> (epoch, seats) of every group that has an epoch."""
        return {gid: (max(made), made[max(made)].seats) for gid, made in self._truth.made.items() if made}

    def devices(self) -> list[registry.Device]:
        with self._database.read() as connection:
            return registry.list_devices(connection, self.now)
