"""What the board's LED says: a number of flashes and a pause, never waited for. docs/device.md has the table."""

from microseal.ticks import ticks_diff, ticks_ms

# Flashes in a row.
NO_WIFI = 1
WIFI_PASSWORD = 2
NO_BROKER = 3
BROKER_REFUSES = 4
NOT_READY = 5  # connected, and waits for the authority: enrolment, time, or a group
WELL = 0  # a single short flash every few seconds
STOPPED = -1  # steady: main.py has ended

_ON = 150  # ms
_OFF = 250
_GAP = 1500
_WELL_ON = 30
_WELL_OFF = 3000


class Lamp:
    """pin: name or number, None for no LED; one that this board does not have is none either."""

    def __init__(self, pin, inverted=False):
        self.state = WELL
        self._inverted = inverted
        self._pin = None
        self._lit = None
        self._left = 0  # flashes still to come before the gap
        self._changed = ticks_ms()
        self._wait = 0  # ms
        if pin is not None:
            try:
                from machine import Pin

                self._pin = Pin(pin, Pin.OUT)
            except (ImportError, ValueError, TypeError):
                pass

    def show(self, state):
        """From now on; at once if it is steady, for then nothing may call step() any more."""
        if state != self.state:
            self.state = state
            self._left = 0
            self._wait = 0
        if state == STOPPED:
            self._light(True)

    def off(self):
        self._light(False)

    def step(self):
        """Does what is due; to be called often."""
        now = ticks_ms()
        if self._pin is None or self.state == STOPPED or 0 <= ticks_diff(now, self._changed) < self._wait:
            return
        self._changed = now
        if self._lit:
            self._light(False)
            self._left -= 1
            self._wait = _WELL_OFF if self.state == WELL else _OFF if self._left > 0 else _GAP
        else:
            if self._left <= 0:
                self._left = max(self.state, 1)
            self._light(True)
            self._wait = _WELL_ON if self.state == WELL else _ON

    def _light(self, lit):
        if self._pin is not None and lit != self._lit:
            self._lit = lit
            self._pin.value(lit != self._inverted)
