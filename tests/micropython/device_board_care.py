"""The board around the client: what one call of tend() looks after."""

from board_parts import Ticks, make_chip, restore
from device_support import raises

import board_care
import board_lamp
import board_settings
import board_watchdog
import board_wifi
import microseal.clock
from board_care import Board
from board_crashes import WELL
from board_lasting import open_memory
from microseal.clock import TickClock
from microseal.errors import StorageError


class Crashes:
    count = 2
    wells = 0

    def well(self):
        self.count = 0
        self.wells += 1


class Desk:
    """A Board on a chip whose Wi-Fi is as told."""

    def __init__(self, **settings):
        self.machine, self.network = make_chip("rp2")
        self.ticks = Ticks(board_care, board_wifi, board_lamp, board_watchdog)
        self.ticks.__enter__()
        self.crashes = Crashes()
        settings = dict(board_settings.DEFAULTS, **settings)
        self.board = Board(settings, "pump-3", open_memory(), self.crashes, lambda *words: None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ticks.__exit__()
        restore()


def test_the_lamp_says_what_the_network_is():
    with Desk(link="wifi", ssid="home", password="x") as desk:
        board = desk.board
        assert not board.online
        for air, state in (
            ("STAT_WRONG_PASSWORD", board_lamp.WIFI_PASSWORD),
            ("STAT_NO_AP_FOUND", board_lamp.NO_WIFI),
            ("up", board_lamp.WELL),
        ):
            desk.network.air = air
            board.rest(70000)
            assert board.lamp.state == state and board.online == (air == "up")
        board.state = board_lamp.NO_BROKER
        board.rest(100)
        assert board.lamp.state == board_lamp.NO_BROKER and board.rssi() == -61
        board.off()
        assert desk.network.calls[-1] == ("active", False)


def test_resting_is_progress():
    """However long a pause between two attempts is, the watchdog hears of it."""
    with Desk(link="socket") as desk:
        board = desk.board
        board.watchdog.arm()
        for _ in range(60):
            board.rest(10000)
            before = len(desk.machine.calls)
            desk.machine.tick()
            assert len(desk.machine.calls) == before + 1
        board.stop(board_lamp.STOPPED)
        assert not desk.machine.timers and desk.machine.pins["LED"][-1]


def test_a_clock_survives_an_outage_of_weeks():
    """Ticks wrap every twelve days; whoever counts on them is asked all the time, also where the client has nothing to do."""
    with Desk(link="wifi", ssid="home", password="x") as desk:
        desk.network.air = "STAT_NO_AP_FOUND"
        with Ticks(microseal.clock) as ticks:
            clock = TickClock()
            clock.set(1_800_000_000)
            desk.board.keep_time = clock.ticks_ms
            for _ in range(30):
                ticks.now += 86400 * 1000
                desk.board.tend()
            assert clock.ticks_ms() == 30 * 86400 * 1000
            assert clock.now() == 1_800_000_000 + 30 * 86400


def test_old_crashes_are_forgotten_once():
    with Desk(link="socket") as desk:
        desk.board.rest(WELL - 1000)
        assert desk.crashes.wells == 0
        desk.board.rest(100000)
        assert desk.crashes.wells == 1


def test_a_board_without_wi_fi():
    with Desk(link="socket") as desk:
        assert desk.board.online and desk.board.rssi() is None
    settings = dict(board_settings.DEFAULTS, link="wifi", ssid="home", password="x")
    error = raises(StorageError, Board, settings, "pump-3", open_memory(), Crashes(), print)
    assert "this board has none" in str(error)
