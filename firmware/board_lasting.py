"""Three numbers that outlive a reset and deep sleep, but no loss of power, and cost no flash: in the RTC memory of ESP32, in scratch
registers 0 to 3 of the watchdog of RP2040 and RP2350, which MicroPython and the chip's ROM leave alone.

content = 3 × u32 ‖ the first 4 bytes of SHA-256 over "microseal" and these
"""

import hashlib

import board_chip as chip

RUNNING = 1  # marker: a watchdog was armed, and nothing has called it off
ASLEEP = 2  # the board went to sleep by itself
_NONE = (0, 0, 0)
_SIZE = 16
_SCRATCH = 12  # bytes from the watchdog's first register


class Registers:
    """Four registers of 32 bits from `base` on."""

    def __init__(self, base):
        from machine import mem32

        self._memory = mem32
        self._base = base

    def read(self):
        return b"".join([(self._memory[self._base + 4 * i] & 0xFFFFFFFF).to_bytes(4, "big") for i in range(4)])

    def write(self, raw):
        for i in range(4):
            self._memory[self._base + 4 * i] = int.from_bytes(raw[4 * i : 4 * i + 4], "big")


class Clockwork:
    """The RTC memory of ESP32."""

    def __init__(self):
        from machine import RTC

        self._rtc = RTC()

    def read(self):
        return bytes(self._rtc.memory())

    def write(self, raw):
        self._rtc.memory(raw)


class Memory:
    """place: Registers or Clockwork, None for a chip that has neither: then nothing is ever kept."""

    def __init__(self, place):
        self._place = place

    def load(self):
        """(marker, first, second); all 0 if what is there is not whole: never written, the power was gone, or somebody else's."""
        raw = self._place.read() if self._place else b""
        if len(raw) != _SIZE or _check(raw[:12]) != raw[12:]:
            return _NONE
        return tuple([int.from_bytes(raw[at : at + 4], "big") for at in (0, 4, 8)])

    def save(self, marker, first, second):
        """Whether it is kept now."""
        if self._place is None:
            return False
        raw = b"".join([number.to_bytes(4, "big") for number in (marker, first, second)])
        self._place.write(raw + _check(raw))
        return self.load() == (marker, first, second)

    def mark(self, marker):
        """Changes the marker alone."""
        _, first, second = self.load()
        return self.save(marker, first, second)


def _check(raw):
    return hashlib.sha256(b"microseal" + raw).digest()[:4]


def open_memory():
    """The Memory of this chip."""
    if chip.NAME == "esp32":
        return Memory(Clockwork())
    registers = chip.watchdog_registers()
    return Memory(registers and Registers(registers + _SCRATCH))
