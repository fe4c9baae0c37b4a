"""A stream with a scripted other side, and a Transport on it; the same file runs on CPython and MicroPython.

What the other side sends is given beforehand: a client asks before it reads. Every write is kept as it came.
"""

import select
import sys

if sys.implementation.name == "cpython":
    import transport_cpython  # noqa: F401

from umqtt.simple import MQTTClient, MQTTException

from microseal import mqtt
from microseal.connection import sleep_ms, ticks_diff, ticks_ms
from microseal.transport import BACKLOG, Transport

# The cases have these from here, where the order of the imports is right on CPython too.
__all__ = ["BACKLOG", "MQTTClient", "MQTTException", "Transport", "mqtt", "sleep_ms", "ticks_diff", "ticks_ms"]

CONNACK = b"\x20\x02\0\0"


class Stream:
    """inbound: what there is to read. step: bytes that one read gives, with a "not now" before each; 0 = all there is.

    room: bytes that one write takes, with a "not now" before each; 0 = all. ends: whether the end of the stream follows, or
    silence. trickle: ms that each byte takes to come, 0 = all are there.
    """

    def __init__(self, inbound=b"", step=0, room=0, ends=False, trickle=0):
        self.inbound = bytearray(inbound)
        self.step = step
        self.room = room
        self.ends = ends
        self.trickle = trickle
        self.writes = []
        self.closed = False
        self.stuck = False  # takes nothing any more
        self._pause = False
        self._since = ticks_ms()

    @property
    def sent(self):
        return b"".join(self.writes)

    def readinto(self, buffer):
        assert not self.closed
        self._pause = not self._pause
        if self.step and self._pause and self.inbound:
            return None
        if self.trickle:
            if ticks_diff(ticks_ms(), self._since) < self.trickle:
                return None
            self._since = ticks_ms()
        if not self.inbound:
            return 0 if self.ends else None
        n = min(len(buffer), self.step or len(self.inbound), len(self.inbound))
        buffer[:n] = self.inbound[:n]
        self.inbound = self.inbound[n:]
        return n

    def write(self, data):
        assert not self.closed
        self._pause = not self._pause
        if self.stuck or self.room and self._pause:
            return None
        n = min(len(data), self.room or len(data))
        self.writes.append(bytes(data[:n]))
        return n

    def wait(self, event, ms):
        if self.stuck if event == select.POLLOUT else not self.inbound or self.trickle:
            sleep_ms(max(1, min(ms, 5)))

    def close(self):
        self.closed = True


class Client(Transport):
    """streams: one for each connection, OSErrors for those that fail. log: what was received, as (topic, payload, retain)."""

    def __init__(self, *streams, **settings):
        settings.setdefault("timeout", 20)  # a busy machine is no failure
        super().__init__(settings.pop("client_id", b"c"), "broker", **settings)
        self.streams = list(streams)
        self.opened = []
        self.pauses = []
        self.log = []
        self.then = None  # called for each message

    def _open(self, ms):
        stream = self.streams.pop(0)
        if isinstance(stream, OSError):
            raise stream
        self.opened.append(stream)
        return stream

    def pause(self, ms):
        self.pauses.append(ms)

    def received(self, topic, payload, retain):
        self.log.append((topic, bytes(payload) if isinstance(payload, bytearray) else payload, retain))
        if self.then:
            self.then(*self.log[-1])


def connected(inbound=b"", step=0, room=0, ends=False, more=(), clean_session=True, **settings):
    """A connected client and its stream, from which CONNECT and CONNACK are gone."""
    stream = Stream(CONNACK)
    client = Client(stream, *more, **settings)
    client.connect(clean_session)
    stream.writes.clear()
    stream.inbound = bytearray(inbound)
    stream.step = step
    stream.room = room
    stream.ends = ends
    return client, stream


def raises(kind, function, *args, **settings):
    """The exception of exactly this kind (or a subclass) that the call raises."""
    try:
        function(*args, **settings)
    except kind as e:
        return e
    raise AssertionError("nothing was raised")


def errno_of(error):
    return error.args[0]


def message(topic, payload, qos=0, pid=0, retain=0, dup=0):
    """A PUBLISH as a broker sends it, put together without the code under test."""
    body = len(topic).to_bytes(2, "big") + topic + (pid.to_bytes(2, "big") if qos else b"") + payload
    return bytes([0x30 | dup << 3 | qos << 1 | retain]) + length(len(body)) + body


def length(n):
    """The remaining length of MQTT 3.1.1 section 2.2.3, by its pseudo-code."""
    out = bytearray()
    while True:
        n, byte = n // 128, n % 128
        out.append(byte | (128 if n else 0))
        if not n:
            return bytes(out)


def puback(pid):
    return b"\x40\x02" + pid.to_bytes(2, "big")


def suback(pid, code):
    return b"\x90\x03" + pid.to_bytes(2, "big") + bytes([code])
