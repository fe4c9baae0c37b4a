"""A device: a real Member on a real Store, driven as a client drives it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from microseal import errors
from microseal.clock import SystemClock, TickClock
from microseal.epoch import Epoch
from microseal.errors import NotReady, Refused
from microseal.identity import Identity
from microseal.inbox import Message
from microseal.member import Member
from microseal.store import Store
from microseal.topics import OWN

from .broker import Packet

if TYPE_CHECKING:
    from .world import World

_CHUNK = 50  # bytes in which a roster arrives: no multiple of its entries


class Clock:
    """ahead: s by which it is ahead of the world's. signed: a device without a clock, until the authority's time has come."""

    slack = 0  # all clocks of the world tick as one

    def __init__(self, world: World, ahead: int, signed: bool) -> None:
        self.signed = signed
        self.slack = TickClock.slack if signed else SystemClock.slack
        self.ahead: float | None = None if signed else ahead
        self._world = world

    def now(self) -> int | None:
        return None if self.ahead is None else int(self._world.time + self.ahead)

    def ticks_ms(self) -> int:
        return int(self._world.uptime * 1000)

    def set(self, t: int) -> None:
        now = self.now()
        if self.signed and (now is None or t > now):
            self.ahead = t - int(self._world.time)


class Device:
    """messages: what passed every check, refused: (topic, reason) of what did not, both in order of arrival."""

    def __init__(
        self,
        world: World,
        id: str,
        directory: Path,
        ahead: int,
        signed: bool,
        source: Callable[[int], bytes],
        limits: dict[str, int],
    ) -> None:
        self.id = id
        self.source = source
        self.messages: list[Message] = []
        self.refused: list[tuple[bytes, str]] = []
        self._world = world
        self._directory = directory
        self._clock = ahead, signed
        self._limits = limits
        self._wanted: set[bytes] = set()
        self.restart()

    def restart(self) -> None:
        """Power off and on: what is not on flash is gone, the clock of a device without one too."""
        self.clock = Clock(self._world, *self._clock)
        self.member = Member(Store(str(self._directory)), self.clock, source=self.source, **self._limits)
        self.connection = self._world.broker.connect(self.id)
        for pattern in self._wanted:
            self._world.broker.subscribe(self.connection, pattern)

    # What attackers look for on a device that they have corrupted

    @property
    def me(self) -> Identity:
        return self.member.me

    def epoch(self, gid: str) -> Epoch:
        """The epoch that this member holds as the current one."""
        return self.member.groups.by_gid[gid.encode()].current

    def in_group(self, gid: str) -> bool:
        group = self.member.groups.by_gid.get(gid.encode())
        return group is not None and group.current is not None

    # What a sketch does

    def subscribe(self, pattern: str) -> None:
        self._wanted.add(pattern.encode())
        self._world.broker.subscribe(self.connection, pattern.encode())

    def seal(self, topic: str, message: bytes, retain: bool = False, mode: int | None = None) -> bytes:
        """The envelope, not sent. In the second of a start nothing is sealed: time goes on until it is over."""
        while not self.member.can_seal():
            self._world.advance(1)
        return bytes(self.member.seal(topic.encode(), message, retain, mode))

    def publish(self, topic: str, message: bytes, retain: bool = False, mode: int | None = None) -> bytes:
        raw = self.seal(topic, message, retain, mode)
        self._world.broker.publish(Packet(topic.encode(), raw, retain, self.id))
        return raw

    def open(self, topic: str, raw: bytes) -> Message | None:
        """What the member says to an envelope that arrives now: a Message, None while it waits for a certificate, or Refused."""
        return self.member.open(topic.encode(), raw)

    # What a client does

    def pump(self) -> bool:
        """Does what is due and takes one packet; whether there was anything to do."""
        busy = self._serve()
        if self.connection.queue:
            self._take(self.connection.queue.popleft())
            busy = True
        return busy

    def _serve(self) -> bool:
        member, broker = self.member, self._world.broker
        member.tick()
        wanted = set(member.filters()) | self._wanted
        new = wanted - self.connection.filters
        self.connection.filters &= wanted
        refetch, outgoing = member.take_refetch(), None
        for pattern in sorted(new) + refetch:
            broker.subscribe(self.connection, pattern)
        outgoing = member.take_outgoing()
        for topic, payload in outgoing:
            broker.publish(Packet(topic, payload, sender=self.id))
        self.messages += member.take_arrived()
        return bool(new or refetch or outgoing)

    def _take(self, packet: Packet) -> None:
        member, topic, payload = self.member, packet.topic, packet.payload
        try:
            reader = member.reader(topic) if topic.startswith(OWN) else None
            if reader is not None:
                for at in range(0, len(payload), _CHUNK):
                    reader.write(payload[at : at + _CHUNK])
                reader.close()
            elif topic.startswith(OWN):
                member.control(topic, payload)
            else:
                message = member.open(topic, payload)
                if message is not None:
                    self.messages.append(message)
        except Refused as refusal:
            self.refused.append((topic, refusal.reason))
        except NotReady:
            self.refused.append((topic, errors.TIME))
