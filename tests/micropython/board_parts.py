"""Stand-ins for what a chip has and MicroPython's Unix port has not: `machine` and `network`. They record, and fail as they are told.

Used by tests on either interpreter (sys.modules has them before anybody imports them), and by whole runs of main.py (board_start.py).
"""

import sys

import board_chip

RP2040 = 0x40058000  # the watchdog's registers
ENABLE = 1 << 30


class Exit(Exception):
    """What a board does not come back from: reset or deep sleep."""


class Machine:
    """`machine` of a chip ("rp2" or "esp32"). calls: (name, arguments…) in their order. registers and rtc outlive a reset()."""

    WDT_RESET = 3
    PWRON_RESET = 1

    def __init__(self, chip):
        self.chip = chip
        self.calls = []
        self.registers = {}
        self.rtc = b""
        self.cause = self.PWRON_RESET
        self.timers = []
        self.pins = {}
        calls, registers = self.calls, self.registers
        parts = self

        class WDT:
            def __init__(self, id=0, timeout=5000):
                if chip == "rp2":
                    if timeout > 8388:
                        raise ValueError("timeout exceeds 8388")
                    registers[RP2040] = ENABLE | registers.get(RP2040, 0)
                calls.append(("WDT", timeout))

            def feed(self):
                calls.append(("feed",))

        class Timer:
            PERIODIC = 1

            def __init__(self, id):
                if id != -1:
                    raise ValueError("Timer doesn't exist")
                parts.timers.append(self)
                self.callback = None

            def init(self, period, mode, callback):
                self.callback = callback

            def deinit(self):
                parts.timers.remove(self)

        class Pin:
            OUT = 1

            def __init__(self, name, mode):
                if name not in ("LED", 8):
                    raise ValueError("unknown named pin")
                self.changes = parts.pins.setdefault(name, [])

            def value(self, value):
                self.changes.append(value)

        class RTC:
            def memory(self, *data):
                if not data:
                    return parts.rtc
                parts.rtc = bytes(data[0])
                return None

        class Memory:
            def __getitem__(self, address):
                return registers.get(address, 0)

            def __setitem__(self, address, value):
                if not 0 <= value < 1 << 32:
                    raise OverflowError
                registers[address] = value

        class ADC:
            CORE_TEMP = 4

            def __init__(self, channel):
                self.channel = channel

            def read_u16(self):
                return 14000 if self.channel == 4 else 0

        self.WDT, self.Timer, self.Pin, self.RTC, self.mem32, self.ADC = WDT, Timer, Pin, RTC, Memory(), ADC

    def reset_cause(self):
        return self.cause

    def reset(self):
        self.calls.append(("reset",))
        raise Exit("reset")

    def deepsleep(self, ms):
        self.calls.append(("deepsleep", ms))
        raise Exit("deepsleep")

    def tick(self):
        """The timers' time has come."""
        for timer in list(self.timers):
            timer.callback(timer)


class Network:
    """`network`: one station. air: what becomes of attempts: "up", or the name of a STAT_; "busy": the driver raises OSError."""

    STAT_IDLE = 0
    STAT_CONNECTING = 1
    STAT_GOT_IP = 3
    STAT_NO_AP_FOUND = -2
    STAT_WRONG_PASSWORD = -3
    STAT_CONNECT_FAIL = -1

    def __init__(self):
        self.air = "up"
        self.calls = []
        network = self

        class WLAN:
            IF_STA = 0
            PM_NONE = 16
            PM_POWERSAVE = 17

            def __init__(self, interface):
                self.on = self.tried = False

            def active(self, on):
                network.calls.append(("active", on))
                self.on = on
                self.tried = self.tried and on

            def config(self, **options):
                if "reconnects" in options:
                    raise ValueError("unknown config param")  # as on RP2
                network.calls.append(("config", options))

            def connect(self, ssid, password):
                if network.air == "busy":
                    raise OSError("Wifi Internal State Error")
                network.calls.append(("connect", ssid, password))
                self.tried = self.on

            def isconnected(self):
                return self.tried and network.air == "up"

            def status(self, what=None):
                if what == "rssi":
                    return -61
                if not self.tried:
                    return network.STAT_IDLE
                return network.STAT_GOT_IP if network.air == "up" else getattr(network, network.air)

        self.WLAN = WLAN

    def country(self, code):
        self.calls.append(("country", code))

    def hostname(self, name):
        self.calls.append(("hostname", name))

    def count(self, name):
        return len([call for call in self.calls if call[0] == name])


def make_chip(chip):
    """The stand-ins of a chip, in place: (Machine, Network). restore() takes them away."""
    machine, network = Machine(chip), Network()
    sys.modules["machine"], sys.modules["network"] = machine, network
    board_chip.NAME = chip
    board_chip.IS_COMPUTER = False
    board_chip.watchdog_registers = lambda: RP2040 if chip == "rp2" else None
    return machine, network


_before = board_chip.NAME, board_chip.IS_COMPUTER, board_chip.watchdog_registers


def restore():
    for name in ("machine", "network"):
        sys.modules.pop(name, None)
    board_chip.NAME, board_chip.IS_COMPUTER, board_chip.watchdog_registers = _before


class Ticks:
    """A time that is told, wrapping as MicroPython's does; in place of those of `modules` within a `with`."""

    PERIOD = 1 << 30

    def __init__(self, *modules, start=(1 << 30) - 5000):
        self.now = start  # so that it wraps within each test
        self._modules = modules
        self._before = []

    def __enter__(self):
        names = ("ticks_ms", "ticks_diff", "ticks_add", "sleep_ms")
        for module in self._modules:
            self._before.append([(name, getattr(module, name)) for name in names if hasattr(module, name)])
            for name, _ in self._before[-1]:
                setattr(module, name, getattr(self, name))
        return self

    def __exit__(self, *_):
        for module, names in zip(self._modules, self._before):  # noqa: B905  # MicroPython has no strict
            for name, value in names:
                setattr(module, name, value)

    def ticks_ms(self):
        return self.now % self.PERIOD

    def ticks_diff(self, a, b):
        return (a - b + self.PERIOD // 2) % self.PERIOD - self.PERIOD // 2

    def ticks_add(self, a, ms):
        return (a + ms) % self.PERIOD

    def sleep_ms(self, ms):
        self.now += ms
