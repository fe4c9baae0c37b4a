"""The clock of a device that has none: signed time from the authority (section 5), counted on by the chip's ticks."""

import time

from . import errors
from .errors import Refused
from .ticks import ticks_diff, ticks_ms
from .wire import Reader, u32

ANSWER_MS = 5000  # an answer is taken within this time of asking


class SystemClock:
    """The clock of a host, which is set already."""

    signed = False
    slack = 1  # s by which messages accepted before a restart may be dated after it

    def now(self):
        """Seconds since 1970."""
        return int(time.time())

    def ticks_ms(self):
        return int(time.monotonic() * 1000)

    def set(self, t):
        """The host's own clock is not microseal's to set."""


class TickClock:
    """Not set at first. now() must be called at least every 2²⁸ ms (three days), which an open connection does by far.

    A crystal that runs fast would take a device out of the 120 s that others grant it within weeks, and a clock is not set back. So
    it stands still until the time that it was told has caught up: like one that was just set, it is then late by as much as the answer
    took, 5 s at most.
    """

    signed = True  # it is set by the authority's signed time, again and again
    slack = 5  # s, as long as an answer to the question for the time may take

    def __init__(self):
        self._seconds = None
        self._last = ticks_ms()
        self._rest = 0  # ms not yet counted as a second; below 0 while the clock stands still
        self._uptime = 0  # ms

    def ticks_ms(self):
        """Milliseconds since the start; does not wrap."""
        tick = ticks_ms()
        passed = ticks_diff(tick, self._last)
        self._last = tick
        self._uptime += passed
        self._rest += passed
        if self._rest >= 1000:
            if self._seconds is not None:
                self._seconds += self._rest // 1000
            self._rest %= 1000
        return self._uptime

    def now(self):
        """Seconds since 1970, or None while the clock is not set."""
        self.ticks_ms()
        return self._seconds

    def set(self, t):
        """Sets the clock to t; where it is ahead of that it stands still for as long."""
        now = self.now()
        if now is None or t > now:
            self._seconds = t
            self._rest = 0
        elif t < now:
            self._rest = 1000 * (t - now)


class TimeRequest:
    """One question for the time: the challenge to publish and the check of the answer."""

    def __init__(self, challenge, ticks_ms):
        self.challenge = challenge  # 16 fresh bytes
        self.asked = ticks_ms

    def accept(self, signer, raw, ticks_ms):
        """The t of the answer `raw` (68 bytes): signed by the signer over this challenge, and in time."""
        read = Reader(raw)
        t = read.uint(4)
        signature = read.take(64)
        read.end()
        if ticks_ms - self.asked > ANSWER_MS:
            raise Refused(errors.TIME)
        signer.check(b"time", self.challenge, u32(t), signature)
        if t > signer.cert.not_after:
            raise Refused(errors.EXPIRED)
        return t
