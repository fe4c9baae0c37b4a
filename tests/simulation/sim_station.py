"""A device of the simulation: a real Member on a real Store, driven as a client drives it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from sim_network import Network
from sim_truth import Sent, Truth

from microseal.clock import SystemClock, TickClock
from microseal.epoch import Epoch, receiver_role
from microseal.errors import MicrosealError
from microseal.member import Member
from microseal.policy import QUERY
from microseal.provisioning import install
from microseal.revocation import Revoked
from microseal.store import Store
from microseal.topics import OWN

_CHUNK = 50  # bytes in which a roster arrives: no multiple of its entries


class Clock:
    """error: s by which it is off, None while it is not set; signed: it is one that the authority's signed time sets."""

    def __init__(self, network: Network, signed: bool) -> None:
        self.signed = signed
        self.slack = TickClock.slack if signed else SystemClock.slack
        self.error: float | None = None if signed else 0.0
        self._network = network

    def now(self) -> int | None:
        return None if self.error is None else int(self._network.time + self.error)

    def ticks_ms(self) -> int:
        return int(self._network.uptime * 1000)

    def set(self, t: int) -> None:
        now = self.now()
        if self.signed and (now is None or t > now):
            self.error = t - int(self._network.time)


class Station:
    """name: the device's id. source: the chip's random source. Messages are looked at by `truth` as they are delivered."""

    def __init__(
        self,
        name: str,
        network: Network,
        truth: Truth,
        folder: Path,
        send: Callable[[bytes, bytes], None],
        signed: bool,
        source: Callable[[int], bytes],
        room: int,
    ) -> None:
        self.name = name
        self.online = True
        self.refused: deque[tuple[str, str]] = deque(maxlen=6)  # (topic, reason), the last ones
        self.revoked: frozenset[bytes] = frozenset()  # the kids on the list that it has
        self._network, self._truth, self._folder, self._send = network, truth, folder, send
        self._source, self._room, self._signed = source, room, signed
        self._lives = 0
        self._filters: set[bytes] = set()
        self._inbox: deque[tuple[bytes, bytes]] = deque()
        self._latest = 0  # the latest time that its clock ever showed

    def provision(self, claim: str) -> None:
        """A claim file on an empty flash: a new life."""
        self._lives += 1
        (self._folder / f"{self.name}-{self._lives}").mkdir()
        install(self._store(), claim)
        self.revoked = frozenset()
        self.clock = Clock(self._network, self._signed)
        self.start()

    def _store(self) -> Store:
        return Store(str(self._folder / f"{self.name}-{self._lives}"))

    def start(self) -> None:
        """Power on: all that is known is on flash."""
        if self._signed:
            self.clock = Clock(self._network, True)
        self.member = Member(self._store(), self.clock, senders=self._room, groups=8, source=self._source)
        if not self.member.enrolled or self._store().load("revoked") is None:
            self.revoked = frozenset()
        self.connect()
        self._note()

    def can_restart(self) -> bool:
        """A host that is set back and restarted within that time cannot tell what it has seen: rule 5 is measured by its clock."""
        now = self.clock.now()
        return self._signed or now is not None and now + self.clock.slack >= self._latest

    def disconnect(self) -> None:
        self.online = False
        for pattern in self._filters:
            self._network.unsubscribe(self, pattern)
        self._filters.clear()
        self._inbox.clear()

    def connect(self) -> None:
        """A clean session."""
        self.disconnect()
        self.online = True

    def receive(self, topic: bytes, payload: bytes) -> None:
        """From the network, subscribed or not. What was in flight when the connection ended is gone with it."""
        if self.online:
            self._inbox.append((topic, payload))

    # What a client does

    def serve(self) -> bool:
        """Handles what has arrived and does what is due, after each packet; True if there was anything."""
        if not self.online:
            return False
        did = self._do_due()
        while self._inbox:
            self._take(*self._inbox.popleft())
            self._do_due()
            did = True
        return did

    def _do_due(self) -> bool:
        did = False
        member = self.member
        member.tick()
        wanted = set(member.filters()) | self._heard()
        for pattern in sorted(self._filters - wanted):
            self._network.unsubscribe(self, pattern)
        added = sorted(wanted - self._filters)
        self._filters = wanted
        for pattern in added + member.take_refetch():
            self._network.subscribe(self, pattern)
        for topic, payload in member.take_outgoing():
            self._send(topic, payload)
            did = True
        for message in member.take_arrived():
            self._truth.deliver(self.name, message, self.epochs(), self.revoked)
        now = self.clock.now()
        if now is not None:
            self._latest = max(self._latest, now)
        return did

    def _heard(self) -> set[bytes]:
        return {
            pattern
            for epoch in self.epochs().values()
            for kind, pattern in epoch.info.policy.filters
            if receiver_role(kind & QUERY) in epoch.keys
        }

    def _take(self, topic: bytes, payload: bytes) -> None:
        try:
            if not topic.startswith(OWN):
                message = self.member.open(topic, payload)
                if message is not None:
                    self._truth.deliver(self.name, message, self.epochs(), self.revoked)
                return
            reader = self.member.reader(topic)
            if reader is None:
                self.member.control(topic, payload)
            else:
                for at in range(0, len(payload), _CHUNK):
                    reader.write(payload[at : at + _CHUNK])
                reader.close()
        except MicrosealError as refusal:
            # It changes nothing; what should not have been refused shows when all are to be well again.
            self.refused.append((topic.decode(), str(refusal)))
        else:
            if topic == OWN + b"revoked":
                kids = Revoked(None, payload).kids
                self.revoked |= {kids[at : at + 8] for at in range(0, len(kids), 8)}
        finally:
            self._note()

    # What there is to see of it

    def epochs(self) -> dict[bytes, Epoch]:
        """gid -> the epoch in force."""
        if not self.member.enrolled:
            return {}
        return {gid: group.current for gid, group in self.member.groups.by_gid.items() if group.current is not None}

    def _note(self) -> None:
        if self.member.enrolled:
            groups = self.member.groups.by_gid.values()
            held = [epoch for group in groups for epoch in (group.current, group.previous)]
            self._truth.learn(self.name, self.member._identities, held)

    def publish(self, topic: bytes, payload: bytes, retain: bool, mode: int) -> bool:
        """Seals and publishes; False if the member may not or cannot now."""
        if not self.online or not self.member.can_seal():
            return False
        member = self.member
        try:
            group, kind = member.find(topic)
            mode = member.mode_of(topic, mode)
            raw = bytes(member.seal(topic, payload, retain, mode))
        except MicrosealError as refusal:
            self.refused.append((topic.decode(), str(refusal)))
            return False
        epoch = group.current
        now = member.now()
        sent = Sent(self.name, epoch.me.kid, group.gid, epoch.info.epoch, mode, kind & QUERY, topic, now, honest=True)
        self._truth.seal(sent, payload, raw)
        self._network.publish(topic, raw, retain)
        return True
