"""Readings of the machine that this runs on: a board's chip, or the computer behind MicroPython's Unix port."""

import gc

from microseal.ticks import ticks_diff, ticks_ms


class Uptime:
    """Seconds since this was made; to be read at least every three days."""

    def __init__(self):
        self._last = ticks_ms()
        self._ms = 0

    def seconds(self):
        now = ticks_ms()
        self._ms += ticks_diff(now, self._last)
        self._last = now
        return self._ms // 1000


def read(uptime=None, rssi=None):
    """A dict of what there is: free memory in bytes, temperature in °C, load average; uptime (s) and rssi (dBm) as given."""
    found = {"free": _free_memory()}
    temperature = _temperature()
    if temperature is not None:
        found["temperature"] = round(temperature, 1)
    load = _first_number("/proc/loadavg")
    if load is not None:
        found["load"] = load
    if uptime is not None:
        found["uptime"] = uptime
    if rssi is not None:
        found["rssi"] = rssi
    return found


def _free_memory():
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return gc.mem_free()


def _temperature():
    """Of the chip (ESP32, RP2040, RP2350) or of the computer's first thermal zone; None where there is no sensor."""
    thousandths = _first_number("/sys/class/thermal/thermal_zone0/temp")
    if thousandths is not None:
        return thousandths / 1000
    try:
        import esp32

        if hasattr(esp32, "mcu_temperature"):
            return esp32.mcu_temperature()
        return (esp32.raw_temperature() - 32) / 1.8  # the first ESP32 alone, in °F
    except (ImportError, AttributeError):
        pass
    try:
        from machine import ADC

        volts = ADC(ADC.CORE_TEMP).read_u16() * 3.3 / 65535
        return 27 - (volts - 0.706) / 0.001721  # RP2040 datasheet, section 4.9.5
    except (ImportError, AttributeError):
        return None


def _first_number(path):
    try:
        with open(path) as file:
            return float(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return None
