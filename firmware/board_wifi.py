"""A Wi-Fi connection that is made, and made again, without ever waiting for it: whoever has a loop calls look() in it."""

from microseal.ticks import ticks_add, ticks_diff, ticks_ms

ATTEMPT = 20000  # ms for one attempt, address included
PAUSE = 1000  # ms before the second attempt, doubled up to ...
PAUSE_MAX = 60000

# What an attempt may fail of.
NO_NETWORK = "no network of this name in reach"
PASSWORD = "wrong password"  # noqa: S105
REFUSED = "the access point refuses"
SILENCE = "no answer"

# The names under which the ports of MicroPython tell the reason; not every port has every one.
_REASONS = (
    ("STAT_NO_AP_FOUND", NO_NETWORK),
    ("STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD", NO_NETWORK),
    ("STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD", NO_NETWORK),
    ("STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY", NO_NETWORK),
    ("STAT_WRONG_PASSWORD", PASSWORD),
    ("STAT_HANDSHAKE_TIMEOUT", PASSWORD),  # what ESP32 sees of it
    ("STAT_CONNECT_FAIL", REFUSED),
    ("STAT_ASSOC_FAIL", REFUSED),
    ("STAT_BEACON_TIMEOUT", SILENCE),
)


class WiFi:
    """Station mode. settings: see board_settings.py; name: of this board in the network (str); log: takes what is to be told.

    trouble: why the last attempt failed, None while there was none or since one succeeded. ImportError: a chip without Wi-Fi.
    """

    def __init__(self, settings, name, log):
        import network

        self.trouble = None
        self._ssid = settings["ssid"]
        self._password = settings["password"]
        self._log = log
        self._reasons = {getattr(network, key): words for key, words in _REASONS if hasattr(network, key)}
        if settings["country"]:
            network.country(settings["country"])
        try:
            network.hostname(name[:32])
        except (AttributeError, ValueError):
            pass  # a name that this port does not take: the network does without
        self._wlan = network.WLAN(network.WLAN.IF_STA)
        self._options = {"reconnects": 0}  # ESP32 would try for ever and never tell the reason
        if settings["power_save"] is not None:
            self._options["pm"] = network.WLAN.PM_POWERSAVE if settings["power_save"] else network.WLAN.PM_NONE
        self._up = False
        self._since = None  # ticks, when the attempt began that is under way
        self._next = ticks_ms()  # when another one may begin
        self._pause = PAUSE

    def look(self):
        """Whether there is a connection; does what is due for one. Takes milliseconds."""
        try:
            return self._look(ticks_ms())
        except OSError as error:  # the driver's
            self._give_up(f"the radio fails ({error})")
            return False

    def rssi(self):
        """Strength of the signal in dBm, or None."""
        try:
            return self._wlan.status("rssi") if self._up else None
        except (OSError, ValueError, TypeError):
            return None

    def off(self):
        """Switches the radio off."""
        self._up = False
        self._since = None
        try:
            self._wlan.active(False)
        except OSError:
            pass  # it was off

    def _look(self, now):
        if self._wlan.isconnected():
            if not self._up:
                self._log("Wi-Fi: connected to", self._ssid)
            self._up = True
            self._since = self.trouble = None
            self._next = now
            self._pause = PAUSE
            return True
        if self._up:
            self._up = False
            self._log("Wi-Fi: connection to", self._ssid, "lost")
        if self._since is None:
            if ticks_diff(self._next, now) <= 0:
                self._begin(now)
        else:
            trouble = self._reasons.get(self._wlan.status())
            if trouble is None and ticks_diff(now, self._since) > ATTEMPT:
                trouble = SILENCE
            if trouble is not None:
                self._give_up(trouble)
        return False

    def _begin(self, now):
        self._since = now
        self._wlan.active(True)
        for name, value in self._options.items():
            try:
                self._wlan.config(**{name: value})
            except (ValueError, TypeError):
                pass  # not an option of this port
        self._wlan.connect(self._ssid, self._password or None)  # an open network has an empty one

    def _give_up(self, trouble):
        """Until the next attempt the radio is off: that saves power, and starts a driver anew that is stuck."""
        self.trouble = trouble
        self._log("Wi-Fi:", self._ssid + ":", trouble)
        self.off()
        self._next = ticks_add(ticks_ms(), self._pause)
        self._pause = min(2 * self._pause, PAUSE_MAX)
