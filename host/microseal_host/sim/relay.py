"""The attacker of the demonstration: a relay between devices and broker that alters messages on their way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from microseal_host.sim.mqtt_stream import PacketStream, StreamError

_FIXED = 27  # bytes before the message in modes 1 and 2: header, epoch, kid, time, boot value and counter
_ANONYMOUS = 40  # the same in mode 3: header, epoch, time, Z
_SIGNATURE = 64


def alter(envelope: bytearray, start: int = 0) -> None:
    """Changes one bit of the message in envelope[start:], in place: a digit where it can be read (21 to 20).

    What is too short to be an envelope has its last byte changed; an empty one is left as it is.
    """
    if len(envelope) <= start:
        return
    first = start + (_ANONYMOUS if envelope[start] & 7 == 3 else _FIXED)
    last = len(envelope) - _SIGNATURE
    if first >= last:
        envelope[-1] ^= 1
        return
    digits = [i for i in range(first, last) if envelope[i] in b"0123456789"]
    signed_only = envelope[start] & 7 == 1
    envelope[digits[-1] if digits and signed_only else first] ^= 1


class Relay:
    """Accepts on a free loopback port and passes everything on to the broker, both ways. Of the application's PUBLISH
    packets of the clients (topics outside `microseal/`) every `every`-th is altered; 0 alters none.

    Context manager; one thread, and two more a connection.
    """

    def __init__(self, host: str, port: int, *, every: int) -> None:
        self.target = (host, port)
        self.every = every
        self.seen = 0
        self.altered = 0
        self._lock = threading.Lock()  # of the two counts, the sockets and the threads
        self._sockets: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._stopping = False
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._stopping = True
            threads = list(self._threads)
            for sock in self._sockets:
                _hang_up(sock)
        # Wakes accept(), which closing alone does not.
        _hang_up(self._listener)
        for thread in threads:
            thread.join()
        self._listener.close()

    def _spawn(self, run: Callable[[], None]) -> None:
        """A thread that leaves the list when it is done; none any more once the relay is stopping."""

        def main() -> None:
            try:
                run()
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        with self._lock:
            if not self._stopping:
                thread = threading.Thread(target=main, name="relay", daemon=True)
                self._threads.add(thread)
                thread.start()

    def _accept(self) -> None:
        while True:
            try:
                device, _ = self._listener.accept()
            except OSError:
                return
            self._spawn(lambda device=device: self._connection(device))

    def _connection(self, device: socket.socket) -> None:
        with device:
            try:
                broker = socket.create_connection(self.target)
            except OSError:
                return
            with broker:
                with self._lock:
                    if self._stopping:
                        return
                    self._sockets |= {device, broker}
                try:
                    down = threading.Thread(target=_pump, args=(broker, device, lambda data: (data,)), daemon=True)
                    down.start()
                    _pump(device, broker, self._upward())
                    down.join()
                finally:
                    with self._lock:
                        self._sockets -= {device, broker}

    def _upward(self) -> Callable[[bytes], Iterable[bytes | bytearray]]:
        stream = PacketStream()

        def packets(data: bytes) -> Iterable[bytearray]:
            for packet in stream.feed(data):
                found = stream.publish(packet)
                if found is not None and not found.topic.startswith(b"microseal/") and self._chosen():
                    alter(packet, found.payload_at)
                yield packet

        return packets

    def _chosen(self) -> bool:
        with self._lock:
            self.seen += 1
            chosen = self.every > 0 and self.seen % self.every == 0
            self.altered += chosen
            return chosen


def _pump(source: socket.socket, sink: socket.socket, change: Callable[[bytes], Iterable[bytes | bytearray]]) -> None:
    """Passes on what comes until one side is gone, which then is the end for both."""
    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError, StreamError):
        while data := source.recv(65536):
            for part in change(data):
                sink.sendall(part)
    _hang_up(source)
    _hang_up(sink)


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
