"""Settings: what is taken, and that an error names file and key but no value."""

import os

from device_support import fresh_directory, raises

import board_settings
from microseal.errors import StorageError


class Files:
    """network.json and settings.json with the given text; None: none."""

    def __init__(self, network=None, own=None):
        self.directory = fresh_directory()
        self._own = board_settings.OWN
        board_settings.OWN = self.directory + "/settings.json"
        for path, text in ((self.directory + "/network.json", network), (board_settings.OWN, own)):
            if text is not None:
                with open(path, "w") as file:
                    file.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        board_settings.OWN = self._own

    def load(self):
        return board_settings.load(self.directory)


def test_nothing_is_told():
    with Files() as files:
        found = files.load()
        assert found == dict(board_settings.DEFAULTS, link="socket")
        assert os.listdir(files.directory) == []


def test_what_provisioning_writes_and_what_the_user_does():
    network = '{"ssid": "home", "password": "secret", "broker": {"host": "b", "port": 1884}, "link": "wifi"}'
    with Files(network, '{"period": 10, "led": 8, "sleep": 600.5}') as files:
        found = files.load()
        assert found["ssid"] == "home" and found["link"] == "wifi" and found["broker"]["port"] == 1884
        assert found["period"] == 10 and found["led"] == 8 and found["sleep"] == 600.5 and found["watchdog"] == 120
    with Files('{"ssid": "home", "password": "secret"}', '{"ssid": "other"}') as files:
        found = files.load()
        assert found["ssid"] == "other" and found["link"] == "wifi"
    with Files('{"link": "serial"}') as files:
        assert files.load()["link"] == "serial"


def test_what_makes_no_sense():
    for text in (
        "",
        "[]",
        "{",
        "null",
        '"SECRET"',
        '{"ssid": ["SECRET"]}',
        '{"password": 5}',
        '{"link": "wifi"}',
        '{"link": "SECRET"}',
        '{"broker": "SECRET"}',
        '{"broker": {"port": 1883}}',
        '{"broker": {"host": "SECRET", "port": 0}}',
        '{"broker": {"host": "b", "port": "SECRET"}}',
        '{"broker": {"host": "b", "user": 5}}',
        '{"period": 0}',
        '{"sleep": -1}',
        '{"sleep": 1e9}',
        '{"period": true}',
        '{"watchdog": 5}',
        '{"watchdog": "SECRET"}',
        '{"led": {}}',
        '{"power_save": "SECRET"}',
        '{"sleeep": 5}',
        "[" * 100000,
    ):
        for where in ("network.json", "settings.json"):
            with Files(*((text, None) if where == "network.json" else (None, text))) as files:
                error = str(raises(StorageError, files.load))
                assert "SECRET" not in error, error
