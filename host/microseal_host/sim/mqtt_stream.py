"""As much of MQTT (3.1.1 and 5) as someone on the line needs to find the PUBLISH packets in a stream of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CONNECT = 1
PUBLISH = 3

MAX_PACKET = 1 << 20  # bytes; more than any message here, and a bound on what is kept


class StreamError(Exception):
    """Not MQTT, or a packet over MAX_PACKET."""


@dataclass
class Publish:
    """Where the parts of a PUBLISH lie. `packet` is whole, payload = packet[payload_at:]."""

    packet: bytearray
    topic: bytes
    payload_at: int


class PacketStream:
    """Cuts one direction of a connection into packets. The client's side learns the protocol level from CONNECT."""

    def __init__(self) -> None:
        self.level = 4
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[bytearray]:
        """Yields each packet that data completes, byte for byte as it was sent."""
        self._pending += data
        while True:
            size = _packet_size(self._pending)
            if size is None or len(self._pending) < size:
                return
            packet = self._pending[:size]
            del self._pending[:size]
            if packet[0] >> 4 == CONNECT:
                self.level = _connect_level(packet)
            yield packet

    def publish(self, packet: bytearray) -> Publish | None:
        """The parts of packet, None if it is not a PUBLISH."""
        if packet[0] >> 4 != PUBLISH:
            return None
        at = _header_size(packet)
        topic_size = int.from_bytes(packet[at : at + 2], "big")
        topic = bytes(packet[at + 2 : at + 2 + topic_size])
        at += 2 + topic_size
        if packet[0] >> 1 & 3:
            at += 2  # packet identifier
        if self.level >= 5:
            size, used = _varint(packet, at) or (0, 0)
            at += used + size
        if at > len(packet):
            raise StreamError("a PUBLISH shorter than its own header")
        return Publish(packet, topic, at)


def _varint(data: bytearray, at: int) -> tuple[int, int] | None:
    """(value, bytes used), None if data ends before it does."""
    value = 0
    for used in range(4):
        if at + used >= len(data):
            return None
        byte = data[at + used]
        value |= (byte & 0x7F) << (7 * used)
        if not byte & 0x80:
            return value, used + 1
    raise StreamError("a length of more than four bytes")


def _packet_size(data: bytearray) -> int | None:
    length = _varint(data, 1) if data else None
    if length is None:
        return None
    size = 1 + length[1] + length[0]
    if size > MAX_PACKET:
        raise StreamError(f"a packet of {size} bytes")
    return size


def _header_size(packet: bytearray) -> int:
    length = _varint(packet, 1)
    if length is None:
        raise StreamError("a packet without a length")
    return 1 + length[1]


def _connect_level(packet: bytearray) -> int:
    at = _header_size(packet)
    at += 2 + int.from_bytes(packet[at : at + 2], "big")
    return packet[at] if at < len(packet) else 4
