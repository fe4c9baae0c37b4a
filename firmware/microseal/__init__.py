"""microseal: identity, signed and sealed MQTT messages and group keys for MicroPython and CPython.

On a device `from microseal import MQTTClient` is the client. On a host, which has MQTT libraries of its own and no umqtt.simple,
it is `from microseal.client import MQTTClient` for those who want it.
"""

import sys

__version__ = "0.1.0"

if sys.implementation.name == "micropython":
    from .client import MQTTClient as MQTTClient
