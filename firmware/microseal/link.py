"""Exact numbers of bytes over a stream that never blocks, each within a time: a dead broker hangs no client.

A stream has readinto(buffer) and write(buffer), which return the number of bytes moved, None for "not now", 0 for the
end; and close(). It can be polled, or brings wait(event, ms) of its own. MicroPython's sockets, with TLS too, and UARTs
are such streams.
"""

import select
from errno import ECONNRESET, ENOTCONN, ETIMEDOUT

from .ticks import ticks_add, ticks_diff, ticks_ms


class Link:
    """ms: the longest that a piece of up to `size` bytes may take, either way. tx: `size` bytes to build packets in.

    Errors are OSError: ETIMEDOUT, ECONNRESET at the end of the stream, ENOTCONN when there is none, or the stream's
    own. Whoever gets one closes the link: part of a packet may be gone.
    """

    def __init__(self, ms, size):
        self.ms = ms
        self.size = size
        self.stream = None
        self.tx = bytearray(size)
        self._rx = memoryview(bytearray(size))
        self._wait = None
        self._poller = None

    def open(self, stream):
        self.stream = stream
        self._wait = getattr(stream, "wait", None)
        if self._wait is None:
            self._poller = select.poll()
            self._poller.register(stream, select.POLLIN)
            self._wait = self._poll

    def close(self):
        """Closes the stream if there is one; returns whether there was."""
        stream = self.stream
        if stream is None:
            return False
        self.stream = self._wait = self._poller = None
        try:
            stream.close()
        except OSError:
            pass  # it was broken before
        return True

    def wait(self, ms):
        """Until there may be something to read, ms at most."""
        self._wait(select.POLLIN, ms)

    def _poll(self, event, ms):
        if event == select.POLLIN:
            self._poller.poll(ms)
        else:
            self._poller.modify(self.stream, event)
            self._poller.poll(ms)
            self._poller.modify(self.stream, select.POLLIN)

    def write(self, data):
        """All of data, in one write if the stream takes it so."""
        stream = self.stream
        if stream is None:
            raise OSError(ENOTCONN)
        limit = None
        moved = 0
        while len(data):
            n = stream.write(data)
            if n == len(data):
                return
            if n:
                data = memoryview(data)[n:]
                moved += n
                if moved >= self.size:
                    limit = None
                    moved = 0
                continue
            now = ticks_ms()
            if limit is None:
                limit = ticks_add(now, self.ms)
            left = ticks_diff(limit, now)
            if left <= 0:
                raise OSError(ETIMEDOUT)
            self._wait(select.POLLOUT, left)

    def fill(self, view, ms, optional=False):
        """Reads len(view) bytes, 1 or more, within ms.

        optional: returns False if not one came; once one has, the others have a time of their own.
        """
        stream = self.stream
        if stream is None:
            raise OSError(ENOTCONN)
        limit = None
        at = 0
        while True:
            n = stream.readinto(view[at:] if at else view)
            if n:
                at += n
                if at == len(view):
                    return True
                if optional:
                    optional = False
                    ms = self.ms
                    limit = None
                continue
            if n == 0:
                raise OSError(ECONNRESET)
            if optional and ms <= 0:
                return False
            now = ticks_ms()
            if limit is None:
                limit = ticks_add(now, ms)
            left = ticks_diff(limit, now)
            if left <= 0:
                if optional:
                    return False
                raise OSError(ETIMEDOUT)
            self._wait(select.POLLIN, left)

    def take(self, n):
        """The next n bytes, n <= size, as a memoryview that is valid until the next read."""
        view = self._rx[:n]
        if n:
            self.fill(view, self.ms)
        return view

    def load(self, buffer):
        """Fills buffer, of any length, piece by piece."""
        view = memoryview(buffer)
        for at in range(0, len(view), self.size):
            self.fill(view[at : at + self.size], self.ms)
