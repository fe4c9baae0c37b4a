"""microseal: identity, signed and sealed MQTT messages and group keys for MicroPython and CPython (protocol version 1)."""

__version__ = "0.1.0"
