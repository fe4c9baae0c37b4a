"""Deep sleep between two messages, and what it costs the flash.

Every wake-up is a start, and every start needs a boot count that was never used (protocol, section 2, "Random values of a device").
Here the count on flash is the end of a block of 64, and the place in it is in memory that outlives deep sleep: one write in 64
wake-ups. A chip without such memory writes at every start, as does a board that never sleeps.
"""

import hashlib

import board_chip as chip
import board_lasting as lasting
from microseal.store import Store
from microseal.ticks import ticks_diff, ticks_ms

BLOCK = 64
STAY = 30000  # ms that a board stays awake after any other start, for whoever wants its REPL
AWAKE = 60000  # ms after which a board that got nothing done goes to sleep all the same
_BOOT = "boot"  # record: seed (32) ‖ u32(boot)


class SleepingStore(Store):
    """A Store whose boot count is on flash in blocks. memory: lasting.Memory."""

    def __init__(self, directory, memory):
        super().__init__(directory)
        self._memory = memory

    def load(self, name):
        content = super().load(name)
        if name == _BOOT and content is not None:
            _, last, mark = self._memory.load()
            seed, end = content[:32], int.from_bytes(content[32:], "big")
            if last < end and mark == _mark(seed, end):
                return seed + last.to_bytes(4, "big")
        return content

    def save(self, name, content):
        if name == _BOOT and int.from_bytes(content[32:], "big"):  # 0: provisioning
            content = self._count(content)
        if content is not None:
            super().save(name, content)

    def _count(self, content):
        """What is to be written for a boot count, None for nothing. The memory comes first: a count may be lost, never used twice."""
        seed, boot = content[:32], int.from_bytes(content[32:], "big")
        marker, _, mark = self._memory.load()
        stored = super().load(_BOOT)
        end = int.from_bytes(stored[32:], "big")
        if boot <= end and mark == _mark(seed, end) and self._memory.save(marker, boot, mark):
            return None
        end = min(boot + BLOCK - 1, 0xFFFFFFFF)
        if self._memory.save(marker, boot, _mark(seed, end)):
            return seed + end.to_bytes(4, "big")
        return content


def _mark(seed, end):
    """Says of which block, and of which provisioning, a count in memory is: after any other start it is worth nothing."""
    return int.from_bytes(hashlib.sha256(b"microseal" + seed).digest()[:4], "big") ^ end


class Sleep:
    """When this board goes to sleep. seconds: how long, 0 for never; memory: lasting.Memory.

    on: whether it does so at all; woke: whether this start is the end of such a sleep.
    """

    def __init__(self, seconds, memory):
        self.on = bool(seconds) and _can_sleep()
        self.woke = self.on and memory.load()[0] == lasting.ASLEEP
        if self.woke:
            memory.mark(0)
        self._seconds = seconds
        self._memory = memory
        self._begun = ticks_ms()

    def is_due(self, done):
        """done: whether this start has done its work."""
        passed = ticks_diff(ticks_ms(), self._begun)
        return self.on and (done and (self.woke or passed >= STAY) or passed >= AWAKE)

    def begin(self):
        """Does not return on a board, which starts anew when it wakes."""
        from machine import deepsleep

        self._memory.mark(lasting.ASLEEP)
        deepsleep(int(self._seconds * 1000))


def _can_sleep():
    """Whether this chip wakes by itself."""
    if chip.NAME not in ("rp2", "esp32"):
        return False
    try:
        from machine import deepsleep  # noqa: F401
    except ImportError:
        return False
    return True
