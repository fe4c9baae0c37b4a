"""Bounds on what anybody can make the authority do: requests per sender and in all, and lines in its log."""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable

Clock = Callable[[], float]


class Bucket:
    """Lets `burst` through at once and `rate` a second after that."""

    def __init__(self, rate: float, burst: float, clock: Clock = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._level, self._at = burst, clock()

    def take(self) -> bool:
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class Budget:
    """A bucket for each sender and one for all of them. At most `most` senders are remembered, those heard last."""

    def __init__(
        self, each: tuple[float, float], total: tuple[float, float], most: int = 4096, clock: Clock = time.monotonic
    ) -> None:
        self._each, self._most, self._clock = each, most, clock
        self._total = Bucket(*total, clock)
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def take(self, sender: Hashable) -> bool:
        """Whether one more request of this sender is to be looked at."""
        bucket = self._buckets.pop(sender, None)
        if bucket is None:
            bucket = Bucket(*self._each, self._clock)
            if len(self._buckets) >= self._most:
                self._buckets.popitem(last=False)
        self._buckets[sender] = bucket
        return bucket.take() and self._total.take()


class RefusalLog:
    """Logs refusals with their reason; in a flood a few lines a second, and how many there were beside them."""

    def __init__(
        self, logger: logging.Logger, rate: float = 2, burst: float = 20, clock: Clock = time.monotonic
    ) -> None:
        self._logger = logger
        self._bucket = Bucket(rate, burst, clock)
        self._quiet: Counter[tuple[str, str]] = Counter()
        self.counts: Counter[str] = Counter()

    def refuse(self, kind: str, subject: bytes, reason: str) -> None:
        """subject: a part of a topic as it came, any bytes."""
        self.counts[reason] += 1
        if self._bucket.take():
            self._logger.warning("refused: %s from %s: %s", kind, printable(subject), reason)
        else:
            self._quiet[kind, reason] += 1

    def summarize(self) -> None:
        """To be called every few seconds."""
        for (kind, reason), count in sorted(self._quiet.items()):
            self._logger.warning("refused: %d more of %s: %s", count, kind, reason)
        self._quiet.clear()


def printable(raw: bytes, most: int = 64) -> str:
    """Bytes of any origin for a log or a terminal: ASCII, without control characters, not longer than `most`."""
    text = "".join(chr(byte) if 0x21 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in raw[:most])
    return text + ("…" if len(raw) > most else "")
