"""What a board is told about its surroundings. Nothing of it is ever printed: there are passwords in it.

`microseal-state/network.json` is written when the board is provisioned: ssid, password, broker, link. `settings.json` beside main.py
is the user's own, no tool writes it, and what it says goes before. Both are JSON objects and both may be missing. docs/device.md has
the keys.
"""

import json

from microseal.errors import StorageError

NETWORK = "network.json"  # in the directory of the state
OWN = "settings.json"
LINKS = ("wifi", "socket", "serial")
DEFAULTS = {
    "ssid": None,
    "password": None,
    "country": None,  # two letters
    "power_save": None,  # True, False, or None for what the chip does by itself
    "link": None,  # None: Wi-Fi where there is an ssid, else a network that is there already
    "broker": None,  # {"host": …, "port": …, "user": …, "password": …, "tls": …}; None: as in the claim
    "period": 2,  # s between two readings
    "sleep": 0,  # s of deep sleep between two readings; 0: stays awake
    "watchdog": 120,  # s without a sign of progress until the board is reset; 0: never
    "led": "LED",  # name or number of its pin; None: none
    "led_inverted": False,
}
_NUMBERS = {"period": (0.1, 86400), "sleep": (0, 86400), "watchdog": (0, 3600)}


def load(directory):
    """The settings, a dict with all keys of DEFAULTS. StorageError names the file and the key that make no sense."""
    found = dict(DEFAULTS)
    for path in (directory + "/" + NETWORK, OWN):
        document = _read(path)
        for name in document:
            if name not in DEFAULTS:
                raise StorageError(path + ": unknown key " + repr(name))
            found[name] = document[name]
        _check(path, document)
    if found["link"] is None:
        found["link"] = "wifi" if found["ssid"] else "socket"
    if found["link"] == "wifi" and not found["ssid"]:
        raise StorageError("the link is Wi-Fi, and no ssid is set")
    if 0 < found["watchdog"] < 60:
        raise StorageError("watchdog: at least 60 s, since connecting may take that long; or 0")
    return found


def _read(path):
    try:
        with open(path) as file:
            document = json.load(file)
    except OSError:
        return {}
    except (ValueError, RuntimeError):  # the last: nested too deep
        document = None
    if not isinstance(document, dict):
        raise StorageError(path + " is not a JSON object; write it again")
    return document


def _check(path, document):
    """StorageError unless each value is of its kind. The text has no value in it."""
    for name, value in document.items():
        if name in _NUMBERS:
            least, most = _NUMBERS[name]
            good = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
        elif name == "link":
            good = value in LINKS
        elif name == "broker":
            good = value is None or _is_broker(value)
        elif name in ("power_save", "led_inverted"):
            good = value is None or isinstance(value, bool)
        elif name == "led":
            good = value is None or isinstance(value, (str, int))
        else:
            good = value is None or isinstance(value, str)
        if not good:
            raise StorageError(path + ": no good value for " + name)


def _is_broker(value):
    if not isinstance(value, dict) or not isinstance(value.get("host"), str):
        return False
    for name in ("user", "password", "anonymous_user", "anonymous_password"):
        if not (value.get(name) is None or isinstance(value[name], str)):
            return False
    port = value.get("port", 1883)
    return isinstance(port, int) and 0 < port < 65536
