"""Wi-Fi: attempts, what they fail of, pauses between them, and a connection that goes and comes back."""

from board_parts import Ticks, make_chip, restore

import board_settings
import board_wifi

PASSWORD = "a secret of the house"


class Station:
    """A WiFi and its surroundings; said: what it told."""

    def __init__(self, air="up", **settings):
        _, self.network = make_chip("rp2")
        self.network.air = air
        self.said = []
        self.ticks = Ticks(board_wifi)
        self.ticks.__enter__()
        settings = dict(board_settings.DEFAULTS, ssid="home", password=PASSWORD, **settings)
        self.wifi = board_wifi.WiFi(settings, "pump-3", lambda *words: self.said.append(" ".join(words)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ticks.__exit__()
        restore()

    def run(self, ms):
        """Looks every 50 ms; the last answer."""
        for _ in range(ms // 50):
            found = self.wifi.look()
            self.ticks.now += 50
        return found

    def attempts(self, ms):
        """When attempts began within ms, in s from now, rounded down."""
        begun = []
        for at in range(0, ms, 50):
            before = self.network.count("connect")
            self.wifi.look()
            self.ticks.now += 50
            if self.network.count("connect") > before:
                begun.append(at // 1000)
        return begun


def test_connects_once_and_tells_it_once():
    with Station() as station:
        assert not station.wifi.look() and station.wifi.look()
        assert station.run(5000)
        assert station.said == ["Wi-Fi: connected to home"]
        assert station.network.count("connect") == 1
        assert ("connect", "home", PASSWORD) in station.network.calls
        assert ("hostname", "pump-3") in station.network.calls
        assert station.network.count("config") == 0 and station.network.count("country") == 0
        assert station.wifi.rssi() == -61 and station.wifi.trouble is None


def test_country_and_power_saving_before_the_first_connect():
    for wanted, mode in ((True, 17), (False, 16)):
        with Station(country="DE", power_save=wanted) as station:
            station.run(200)
            calls = station.network.calls
            assert calls[0] == ("country", "DE")
            assert calls.index(("config", {"pm": mode})) < calls.index(("connect", "home", PASSWORD))


def test_each_trouble_has_words_of_its_own():
    for air, words in (
        ("STAT_NO_AP_FOUND", board_wifi.NO_NETWORK),
        ("STAT_WRONG_PASSWORD", board_wifi.PASSWORD),
        ("STAT_CONNECT_FAIL", board_wifi.REFUSED),
        ("STAT_CONNECTING", board_wifi.SILENCE),
    ):
        with Station(air) as station:
            assert not station.run(21000)
            assert station.wifi.trouble == words
            assert station.said[0] == "Wi-Fi: home: " + words
            assert station.wifi.rssi() is None
            assert not any(PASSWORD in said for said in station.said)


def test_pauses_grow_to_a_minute_and_begin_anew_after_success():
    with Station("STAT_NO_AP_FOUND") as station:
        found = station.attempts(300000)
        assert found == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243], found
        assert station.network.calls[-1] == ("active", False), "the radio is off between attempts"
        station.network.air = "up"
        assert station.run(61000)
        station.network.air = "STAT_NO_AP_FOUND"
        assert station.attempts(8000) == [0, 1, 3, 7]
        assert "Wi-Fi: connection to home lost" in station.said


def test_a_driver_that_raises_is_started_anew():
    with Station("busy") as station:
        assert not station.run(2000)
        assert station.said[0].startswith("Wi-Fi: home: the radio fails (Wifi Internal State Error")
        station.network.air = "up"
        assert station.run(10000)


def test_a_connection_that_comes_and_goes_all_day():
    with Station() as station:
        for _ in range(20):
            station.network.air = "up"
            assert station.run(3000)
            station.network.air = "STAT_CONNECT_FAIL"
            assert not station.run(500)
        assert station.network.count("connect") <= 41
