"""What went wrong with the connection to the broker, in words and as the LED says it. Nothing secret is ever in either."""

import errno

from umqtt.simple import MQTTException

import board_lamp as lamp

CONNECTION = (OSError, MQTTException)  # what a connection fails of

_REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not take this client id",
    3: "it is not available",
    4: "wrong user name or password",
    5: "not authorized",
}
_NAMES = {
    "ECONNREFUSED": "nothing listens on its port",
    "ETIMEDOUT": "it does not answer",
    "ECONNRESET": "it hung up",
    "ECONNABORTED": "it hung up",
    "EHOSTUNREACH": "no way to it",
    "ENOTCONN": "none yet",
}
_ERRNOS = {getattr(errno, name): words for name, words in _NAMES.items() if hasattr(errno, name)}


def explain(error):
    """An error of the connection in words."""
    code = error.args[0] if error.args else None
    if isinstance(error, MQTTException):
        return f"the broker refuses this client ({_REFUSALS.get(code, error)})"
    if (
        isinstance(code, int) and code < 0 or "addrinfo" in str(code)
    ):  # getaddrinfo's own numbers; text on the Unix port
        return "no connection to the broker (its name is not known here)"
    return f"no connection to the broker ({_ERRNOS.get(code, error)})"


def light(error):
    """The lamp's state for it."""
    return lamp.BROKER_REFUSES if isinstance(error, MQTTException) else lamp.NO_BROKER
