"""Which port of MicroPython this is: what main.py does beside the protocol differs by chip."""

import sys

NAME = sys.platform  # "rp2", "esp32", …; "linux" and "darwin" are the Unix port
IS_COMPUTER = NAME in ("linux", "darwin")  # a process that ends with an exit code, not a board that is reset
_WATCHDOGS = (("RP2040", 0x40058000), ("RP2350", 0x400D8000))  # their datasheets, "List of registers" of the watchdog


def watchdog_registers():
    """Address of CTRL of the watchdog of RP2040 or RP2350, None on any other chip. SCRATCH0 to 3 are 12 bytes behind it."""
    for chip, address in _WATCHDOGS if NAME == "rp2" else ():
        if chip in getattr(sys.implementation, "_machine", ""):
            return address
    return None
