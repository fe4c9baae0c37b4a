"""What a broker sees: a relay in front of one that passes everything on as it is and writes down every packet."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from microseal_host.sim.mqtt_stream import CONNECT, PacketStream, StreamError


@dataclass(frozen=True)
class Captured:
    """A packet. connection: counts from 0; up: from the client; topic, payload: of a PUBLISH, otherwise empty."""

    connection: int
    up: bool
    packet: bytes
    topic: bytes
    payload: bytes

    @property
    def kind(self) -> int:
        """The packet type of MQTT."""
        return self.packet[0] >> 4


def client_id(packet: bytes) -> bytes:
    """The client id in a CONNECT of MQTT 3.1.1, whose remaining length fits a byte or two."""
    at = 2 if packet[1] < 0x80 else 3
    at += 2 + int.from_bytes(packet[at : at + 2], "big")  # the protocol's name
    at += 4  # level, flags, keep alive
    return packet[at + 2 : at + 2 + int.from_bytes(packet[at : at + 2], "big")]


def is_clean(packet: bytes) -> bool:
    """Whether a CONNECT of MQTT 3.1.1 asks for a session that ends with the connection."""
    at = 2 if packet[1] < 0x80 else 3
    at += 2 + int.from_bytes(packet[at : at + 2], "big")
    return bool(packet[at + 1] & 2)


class Tap:
    """Accepts on a free loopback port and relays to the broker. Context manager; two threads a connection.

    packets: what has passed, in order of arrival here.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.packets: list[Captured] = []
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _hang_up(self._listener)  # wakes accept(), which closing alone does not
        self._threads[0].join()
        for sock in self._sockets:
            _hang_up(sock)
        for thread in self._threads[1:]:
            thread.join()
        for sock in [self._listener, *self._sockets]:
            sock.close()

    def connections(self) -> dict[int, bytes]:
        """connection -> its CONNECT packet."""
        return {each.connection: each.packet for each in list(self.packets) if each.up and each.kind == CONNECT}

    def _spawn(self, run, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, name="tap", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            self._sockets += [client, broker]
            self._spawn(self._pump, number, True, client, broker)
            self._spawn(self._pump, number, False, broker, client)
            number += 1

    def _pump(self, number: int, up: bool, source: socket.socket, sink: socket.socket) -> None:
        sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = PacketStream()
        with suppress(OSError, StreamError):
            while data := source.recv(65536):
                for packet in stream.feed(data):
                    found = stream.publish(packet)
                    topic, payload = (found.topic, bytes(packet[found.payload_at :])) if found else (b"", b"")
                    with self._lock:
                        self.packets.append(Captured(number, up, bytes(packet), topic, payload))
                    sink.sendall(packet)
        _hang_up(source)
        _hang_up(sink)


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
