"""A broker in memory: retained messages, subscriptions, and an attacker on every link."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from microseal.topics import matches


@dataclass(frozen=True)
class Packet:
    """A PUBLISH. sender: the name of the connection that it came in on, which MQTT does not pass on."""

    topic: bytes
    payload: bytes
    retain: bool = False
    sender: str = ""


@dataclass
class Connection:
    """One client's: what it subscribed to, and what it has not read yet."""

    name: str
    filters: set[bytes] = field(default_factory=set)
    queue: deque[Packet] = field(default_factory=deque)


class Broker:
    """`on_way` is the attacker: it is given each packet and the name of who is to get it, and says what arrives instead.

    To drop is to return nothing; to delay or reorder is to keep a packet and to `deliver` it later. `log` has all that was ever
    published, in order: what a broker can record.
    """

    def __init__(self) -> None:
        self.retained: dict[bytes, bytes] = {}
        self.log: list[Packet] = []
        self.on_way: Callable[[Packet, str], Iterable[Packet]] = _honest
        self._connections: dict[str, Connection] = {}

    def connect(self, name: str) -> Connection:
        """A clean session: what this name subscribed to before, and what it did not read, is gone."""
        self._connections[name] = connection = Connection(name)
        return connection

    def subscribe(self, connection: Connection, pattern: bytes) -> None:
        """What is retained under the filter comes at once, as often as it is subscribed."""
        connection.filters.add(pattern)
        for topic, payload in sorted(self.retained.items()):
            if matches(pattern, topic):
                self._send(Packet(topic, payload, True), connection)

    def publish(self, packet: Packet) -> None:
        self.log.append(packet)
        if packet.retain:
            if packet.payload:
                self.retained[packet.topic] = packet.payload
            else:
                self.retained.pop(packet.topic, None)
        for connection in self._connections.values():
            if any(matches(pattern, packet.topic) for pattern in connection.filters):
                self._send(packet, connection)

    def _send(self, packet: Packet, connection: Connection) -> None:
        connection.queue.extend(self.on_way(packet, connection.name))

    def deliver(self, packet: Packet, name: str) -> None:
        """Past the attacker, subscribed or not: what a broker can put into any connection."""
        self._connections[name].queue.append(packet)


def _honest(packet: Packet, _receiver: str) -> Iterable[Packet]:
    return (packet,)
