"""The board around the client: its network, its LED and its watchdog, all looked after by tend(), which the one loop calls."""

import board_chip as chip
import board_lamp as lamp
import board_lasting as lasting
from board_crashes import WELL
from board_watchdog import Watchdog
from microseal.errors import StorageError
from microseal.ticks import sleep_ms, ticks_add, ticks_diff, ticks_ms

_LOOK = 50  # ms between two looks


class Board:
    """settings: see board_settings.py; name: str; memory: lasting.Memory; crashes: Crashes; log: takes what is to be told."""

    def __init__(self, settings, name, memory, crashes, log):
        self._crashes = crashes
        self._begun = ticks_ms()
        self.lamp = lamp.Lamp(settings["led"], settings["led_inverted"])
        self.watchdog = Watchdog(settings["watchdog"], memory)
        self.wifi = None
        self.state = lamp.WELL  # what the lamp is to say while the network is well
        self.keep_time = (
            ticks_ms  # to be replaced: what counts on ticks misses none of their rounds, however long an outage is
        )
        if settings["link"] == "wifi":
            try:
                from board_wifi import PASSWORD, WiFi

                self._wrong_password = PASSWORD
                self.wifi = WiFi(settings, name, log)
            except ImportError:
                raise StorageError("the link is Wi-Fi, and this board has none")
        self.online = self.wifi is None

    def tend(self):
        """Feeds the watchdog, looks after the network, lets the LED go on, and forgets old crashes. Takes milliseconds."""
        self.watchdog.feed()
        self.keep_time()
        state = self.state
        if self.wifi is not None:
            self.online = self.wifi.look()
            if not self.online:
                state = lamp.WIFI_PASSWORD if self.wifi.trouble == self._wrong_password else lamp.NO_WIFI
        self.lamp.show(state)
        self.lamp.step()
        if self._crashes.count and ticks_diff(ticks_ms(), self._begun) >= WELL:
            self._crashes.well()

    def rest(self, ms):
        """Tends the board for ms."""
        end = ticks_add(ticks_ms(), ms)
        while True:
            self.tend()
            left = ticks_diff(end, ticks_ms())
            if left <= 0:
                return
            sleep_ms(min(left, _LOOK))

    def rssi(self):
        """dBm, or None."""
        return self.wifi.rssi() if self.wifi is not None else None

    def off(self):
        """Switches the radio off."""
        if self.wifi is not None:
            self.wifi.off()

    def stop(self, state=None):
        """Leaves the board to the REPL: no watchdog, and an LED that is off, or steady in `state`."""
        self.watchdog.release()
        if state is None:
            self.lamp.off()
        else:
            self.lamp.show(state)


def open_memory(settings):
    """What outlives a reset. The RTC memory of ESP32 may be a sketch's: it is taken only where deep sleep needs it."""
    if chip.NAME == "esp32" and not settings["sleep"]:
        return lasting.Memory(None)
    return lasting.open_memory()
