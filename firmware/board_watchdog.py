"""A watchdog that resets the board when its loop makes no progress any more, and that can be called off for the REPL.

Only where it can be called off: RP2040 and RP2350, whose watchdog pauses while its ENABLE bit is clear, and ESP32, whose time can
be set anew (to a day, as it cannot be stopped). On every other chip there is none.

RP's hardware waits 8.3 s at most, which a connection may well take. So there a timer feeds it, as long as the loop itself has called
feed() within `limit`; it bites at once when not even the timer runs.
"""

import board_chip as chip
import board_lasting as lasting
from microseal.ticks import ticks_diff, ticks_ms

_HARDWARE = 8000  # ms, RP
_TICK = 2000  # ms between two feedings by the timer
_DAY = 86400000  # ms
_ENABLE = 1 << 30  # of CTRL


class Watchdog:
    """limit: s without feed(), 0 for no watchdog; memory: lasting.Memory."""

    def __init__(self, limit, memory):
        self._limit = int(limit * 1000)
        self._memory = memory
        self._wdt = self._timer = None
        self._fed = ticks_ms()

    def arm(self):
        """From now on feed() is to be called."""
        self._fed = ticks_ms()
        if not self._limit:
            return
        if chip.NAME == "esp32":
            from machine import WDT

            self._wdt = WDT(timeout=self._limit)
        if not chip.watchdog_registers():
            return
        from machine import WDT, Timer

        self._memory.mark(lasting.RUNNING)
        self._wdt = WDT(timeout=_HARDWARE)
        self._timer = Timer(-1)
        self._timer.init(period=_TICK, mode=Timer.PERIODIC, callback=self._tick)

    def feed(self):
        """The loop is well."""
        self._fed = ticks_ms()
        if self._wdt is not None and self._timer is None:
            self._wdt.feed()

    def release(self):
        """Calls it off: nothing is going to feed it."""
        if self._wdt is None:
            return
        self._wdt = None
        if self._timer is None:
            from machine import WDT

            WDT(timeout=_DAY).feed()
            return
        from machine import mem32

        self._timer.deinit()
        self._timer = None
        control = chip.watchdog_registers()
        mem32[control] = mem32[control] & ~_ENABLE & 0xFFFFFFFF
        self._memory.mark(0)

    def _tick(self, _):
        if 0 <= ticks_diff(ticks_ms(), self._fed) < self._limit:
            self._wdt.feed()


def expired(memory):
    """Whether the last run was ended by a watchdog; asked once a start.

    On RP every reset() is the watchdog's too, and only the marker tells them apart.
    """
    try:
        from machine import WDT_RESET, reset_cause
    except ImportError:
        return False
    if reset_cause() != WDT_RESET:
        return False
    if chip.NAME != "rp2":
        return True
    if memory.load()[0] != lasting.RUNNING:
        return False
    memory.mark(0)
    return True
