"""Runs main.py on MicroPython's Unix port as on a chip, with the stand-ins of board_parts.py. The working directory is its flash.

    micropython board_start.py CHIP MAIN OUTLIVES

CHIP: rp2 or esp32. OUTLIVES: a file for what outlives a reset. A file `air` in the working directory says what becomes of Wi-Fi;
while one named `full` is there, there is no room on the flash. Ends with 78 where the board would sleep, with 79 where it would
reset; what is printed about it begins with `board:`.
"""

import json
import os
import sys

import board_parts

import board_sleep
from microseal.errors import StorageError
from microseal.store import Store

SLEPT = 78
RESET = 79


class Gone(BaseException):
    """The chip does not come back from this."""


class Air(board_parts.Network):
    """Wi-Fi as the file says it."""

    @property
    def air(self):
        try:
            with open("air") as file:
                return file.read()
        except OSError:
            return "up"

    @air.setter
    def air(self, value):
        pass


def main(chip, path, outlives):
    board_parts.Network = Air
    machine, _ = board_parts.make_chip(chip)
    try:
        with open(outlives) as file:
            cause, registers, rtc = json.load(file)
        machine.cause = cause
        machine.registers.update({int(at): value for at, value in registers.items()})
        machine.rtc = bytes.fromhex(rtc)
    except OSError:
        pass

    def leave(code):
        def gone(*_):
            raise Gone(code)

        return gone

    board_sleep.STAY, board_sleep.AWAKE = 3000, 15000
    machine.reset, machine.deepsleep = leave(RESET), leave(SLEPT)
    write = Store._write

    def told_write(self, name, slot, *rest):
        print("board: writes", name)
        if "full" in os.listdir("."):
            raise StorageError("cannot write " + name + ": no room")
        write(self, name, slot, *rest)

    Store._write = told_write
    code = 0
    with open(path) as file:
        source = file.read().replace("AFTER_CRASH = 10000", "AFTER_CRASH = 100")
    try:
        exec(source, {"__name__": "__main__"})
    except Gone as gone:
        code = gone.args[0]
        if chip == "rp2":
            machine.cause = machine.WDT_RESET  # which does every reset there
    on = machine.registers.get(board_parts.RP2040, 0) & board_parts.ENABLE
    print("board: the watchdog is", "on" if on else "off", "and the LED", machine.pins.get("LED", [None])[-1])
    with open(outlives, "w") as file:
        registers = {str(at): value for at, value in machine.registers.items()}
        json.dump([machine.cause, registers, machine.rtc.hex()], file)
    sys.exit(code)


main(*sys.argv[1:])
