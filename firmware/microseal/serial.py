"""The way to the broker through the cable, for a board without a network: `microseal bridge` is at the other end.

    from microseal.client import MQTTClient
    from microseal.serial import SerialChannel
    class Client(MQTTClient):
        channel = SerialChannel

Console and REPL stay usable: what is printed reaches the bridge as text, and Ctrl-C interrupts. serial_frames.py has the frames.

Flow. The bridge has at most WINDOW bytes of frames on their way that this board has not acknowledged, since an input buffer behind a
UART drops what does not fit; and on each channel at most as many bytes as there is credit for, so that a channel that nobody reads
does not keep the others from being read. Everything from the bridge is bounded: lines, channels, bytes.
"""

import select
import sys
from errno import ECONNREFUSED, ECONNRESET, ENOBUFS, ETIMEDOUT

from micropython import RingIO

from . import serial_frames as frames
from .channel import Channel
from .ticks import ticks_add, ticks_diff, ticks_ms
from .wire import u8

WINDOW = 240  # bytes; the smallest input buffer of a supported port (ESP32) has 260
CHANNELS = 3
RECEIVE = 512  # bytes that a channel holds until they are read
SILENCE = 20000  # ms without a frame after which the bridge is gone; it sends one every few seconds
_UP = 192  # bytes of payload in a frame to the bridge
_ASK = 1000  # ms between two attempts to reach the bridge
_TURN = 1024  # bytes that one look takes


class Cable:
    """The one console of the board, shared by its channels."""

    def __init__(self, source=None, sink=None):
        self._source = source or sys.stdin.buffer
        self._sink = sink or sys.stdout.buffer
        self._poller = select.poll()
        self._poller.register(source or sys.stdin, select.POLLIN)
        self._byte = bytearray(1)
        self._line = bytearray(WINDOW)
        self._length = -1  # of the line so far; -1 outside of a frame
        self._streams = {}  # channel -> Stream
        self._last = 0  # the channel opened last
        self._session = None
        self._seq = self._expected = 0
        self._owed = False  # an ack
        self._heard = ticks_ms()

    def open(self, ms):
        """A Stream to the broker, within ms; OSError(ETIMEDOUT) where no bridge answers, ECONNREFUSED where the broker does not."""
        end = ticks_add(ticks_ms(), ms)
        asked = None
        self.pump()
        while self._session is None:
            now = ticks_ms()
            if ticks_diff(end, now) <= 0:
                raise OSError(ETIMEDOUT)
            if asked is None or ticks_diff(now, asked) >= _ASK:
                asked = now
                hello = u8(frames.VERSION) + frames.NO_SESSION
                self._write(frames.encode(frames.NO_SESSION, frames.TO_BRIDGE | frames.HELLO, 0, 0, 0, hello))
            self.wait(min(_ASK, ticks_diff(end, now)))
            self.pump()
        if len(self._streams) >= CHANNELS:
            raise OSError(ENOBUFS)
        # Not one that was in use just now.
        while True:
            self._last = self._last % 255 + 1
            if self._last not in self._streams:
                break
        stream = self._streams[self._last] = Stream(self, self._last)
        try:
            self.send(frames.OPEN, self._last)
            while not stream.opened:
                left = ticks_diff(end, ticks_ms())
                if stream.closed:
                    raise OSError(ECONNREFUSED if stream.reason == frames.REFUSED else ECONNRESET)
                if left <= 0:
                    raise OSError(ETIMEDOUT)
                self.wait(left)
                self.pump()
        except BaseException:
            stream.close()
            raise
        return stream

    def wait(self, ms):
        """Until there may be something to read, ms at most."""
        for _ in self._poller.ipoll(ms):
            pass

    def pump(self):
        """Takes in what has arrived."""
        one, line, source, poller = self._byte, self._line, self._source, self._poller
        for _ in range(_TURN):
            # One byte at a time: to read more of them blocks on most ports until that many are there.
            ready = False
            for _ in poller.ipoll(0):
                ready = True
            if not ready or not source.readinto(one):
                break
            byte = one[0]
            if byte == frames.START:
                self._length = 0
            elif self._length >= 0:
                if byte == frames.END:
                    length, self._length = self._length, -1
                    self._take(memoryview(line)[:length])
                elif self._length == len(line):
                    self._length = -1
                else:
                    line[self._length] = byte
                    self._length += 1
        now = ticks_ms()
        if self._session is not None and ticks_diff(now, self._heard) > SILENCE:
            self._lose()
        if self._owed:
            self.send(frames.BEAT, 0)

    def send(self, kind, channel, payload=b""):
        """A frame of this session; of none, nothing."""
        if self._session is not None:
            seq = self._seq
            self._seq = (seq + 1) & 0xFF
            self._owed = False
            self._write(frames.encode(self._session, frames.TO_BRIDGE | kind, channel, seq, self._expected, payload))

    def drop(self, channel):
        """Forgets a closed channel."""
        self._streams.pop(channel, None)

    def _write(self, frame):
        self._sink.write(frame)

    def _take(self, text):
        decoded = frames.decode(text)
        if decoded is None:
            return
        body, check = decoded
        if body[0] == frames.TO_BOARD | frames.HELLO:
            if frames.is_of(frames.NO_SESSION, body, check) and len(body) == 9 and body[4] == frames.VERSION:
                self._begin(body[5:9])
            return
        if self._session is None or not frames.is_of(self._session, body, check):
            return  # of an earlier session, or broken: then the next one shows the gap
        if body[2] != self._expected:
            self._lose()
            return
        self._expected = (self._expected + 1) & 0xFF
        self._owed = True
        self._heard = ticks_ms()
        if body[0] == frames.BYE:
            self._lose()
            return
        stream = self._streams.get(body[1])
        if stream is not None:
            stream.take(body[0], memoryview(body)[4:])

    def _begin(self, session):
        """A new session; the same one again if the bridge has not seen the answer."""
        if session != self._session:
            self._lose()
            self._session = session
            self._seq = self._expected = 0
            self._heard = ticks_ms()
        answer = u8(frames.VERSION) + session + WINDOW.to_bytes(2, "big")
        self._write(frames.encode(frames.NO_SESSION, frames.TO_BRIDGE | frames.HELLO, 0, 0, 0, answer))

    def _lose(self):
        """The session is over, and with it every connection."""
        self._session = None
        self._owed = False
        for stream in self._streams.values():
            stream.closed = True
        self._streams.clear()


class Stream:
    """One connection, as link.py has streams. opened, closed: what the bridge has said; reason: of the closing."""

    def __init__(self, cable, channel):
        self.opened = self.closed = False
        self.reason = frames.ENDED
        self._cable = cable
        self._channel = channel
        self._received = RingIO(RECEIVE)
        self._credit = 0  # bytes that the bridge takes
        self._granted = 0  # bytes that the bridge may still send
        self._read = 0  # bytes read since the last credit was given

    def take(self, kind, payload):
        """A frame for this channel."""
        if kind == frames.OPEN and not self.opened:
            self.opened = True
            self._granted = RECEIVE
            self._cable.send(frames.CREDIT, self._channel, RECEIVE.to_bytes(2, "big"))
        elif kind == frames.DATA and len(payload) <= self._granted:
            self._granted -= len(payload)
            self._received.write(payload)
        elif kind == frames.CREDIT and len(payload) == 2:
            self._credit = min(self._credit + (payload[0] << 8 | payload[1]), 0xFFFF)
        else:
            self.reason = payload[0] if kind == frames.CLOSE and payload else frames.WRONG
            self.closed = True
            self._cable.drop(self._channel)
            if kind != frames.CLOSE:
                self._cable.send(frames.CLOSE, self._channel, u8(frames.WRONG))

    def readinto(self, buffer):
        if not self._received.any():
            self._cable.pump()
            if not self._received.any():
                return 0 if self.closed else None
        count = self._received.readinto(buffer)
        self._read += count
        if self._read >= RECEIVE // 2 and not self.closed:
            self._granted += self._read
            self._cable.send(frames.CREDIT, self._channel, self._read.to_bytes(2, "big"))
            self._read = 0
        return count

    def write(self, data):
        if not self._credit:
            self._cable.pump()
        if self.closed:
            raise OSError(ECONNRESET)
        count = min(len(data), self._credit, _UP)
        if not count:
            return None
        self._credit -= count
        self._cable.send(frames.DATA, self._channel, data if count == len(data) else memoryview(data)[:count])
        return count

    def wait(self, event, ms):
        if self.closed or event == select.POLLIN and self._received.any() or event == select.POLLOUT and self._credit:
            return
        self._cable.wait(ms)
        self._cable.pump()

    def close(self):
        if not self.closed:
            self.closed = True
            self._cable.send(frames.CLOSE, self._channel, u8(frames.ENDED))
            self._cable.drop(self._channel)


_cable = None


def cable():
    """The Cable of this board."""
    global _cable
    if _cable is None:
        _cable = Cable()
    return _cable


class SerialChannel(Channel):
    """A client's connection through the cable; the broker's place is the bridge's to know."""

    def _open(self, ms):
        return cable().open(ms)
