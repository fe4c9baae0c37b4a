"""Readings of the machine that this runs on: a board's chip, or the computer behind MicroPython's Unix port."""

import gc


def read():
    """A dict of what there is: free memory in bytes, temperature in °C, load average."""
    found = {"free": _free_memory()}
    temperature = _temperature()
    if temperature is not None:
        found["temperature"] = round(temperature, 1)
    load = _first_number("/proc/loadavg")
    if load is not None:
        found["load"] = load
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

        return esp32.mcu_temperature()
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
