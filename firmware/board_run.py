"""One run of a board: from its start until its sketch ends, it crashes, or it goes to sleep."""

import json

import board_lamp as lamp
import board_trouble as trouble
import readings
from board_care import Board
from board_client import make_client
from board_sleep import Sleep, SleepingStore
from microseal.enrolment import stored_id
from microseal.errors import NotReady, Refused, StorageError
from microseal.store import Store
from microseal.ticks import ticks_diff, ticks_ms

PATIENCE = 5  # s for connecting, after which it is said what is missing
PAUSE = 1000  # ms before the second attempt to connect, doubled up to ...
PAUSE_MAX = 60000
_LOOK = 50  # ms between two looks at what has arrived


class Run:
    """directory: of the state; settings: see board_settings.py; memory: lasting.Memory; crashes: Crashes; log: main.Log.

    StorageError: not provisioned, or the settings ask for what this board has not.
    """

    def __init__(self, directory, settings, memory, crashes, log):
        store = SleepingStore(directory, memory) if settings["sleep"] else Store(directory)
        client_id = stored_id(store)
        self._period = int(settings["period"] * 1000)
        self._crashes = crashes
        self._log = log
        self._uptime = readings.Uptime()
        self._sleep = Sleep(settings["sleep"], memory)
        if settings["sleep"] and not self._sleep.on:
            log("this board cannot wake by itself: it stays awake")
        self.board = Board(settings, client_id.decode(), memory, crashes, log)
        self.client = make_client(self.board, settings, store, client_id)
        self.client.on_refused = log.refused

    def go(self):
        """Connects, and publishes readings or runs the sketch. Returns when that does; a board that sleeps then never returns."""
        board, client = self.board, self.client
        pause = PAUSE
        board.watchdog.arm()
        try:
            while self._connect():
                self._log("connected as", client.member.id.decode())
                app = find_app()
                try:
                    if app is None:
                        self._publish_readings()
                    else:
                        app.run(client)
                    self._finish()
                    return
                except NotReady as error:
                    self._log("not ready:", error)
                except StorageError as error:  # no room on the flash is no crash of a sketch either, and may pass
                    self._log(error)
                except trouble.CONNECTION as error:
                    self._log("not connected:", trouble.explain(error))  # a broker that is away is no crash of a sketch
                    board.state = trouble.light(error)
                if self._sleep.is_due(False):
                    break
                board.rest(pause)
                pause = min(2 * pause, PAUSE_MAX)
            self._finish()
        finally:
            board.watchdog.release()
            client.disconnect()

    # Connecting

    def _connect(self):
        """Waits until there is a connection and the device has all that it needs; pauses grow from 1 s to 60 s.

        False: a board that sleeps has been awake for long enough.
        """
        client, board = self.client, self.board
        pause = PAUSE
        while True:
            while not board.online:
                if self._sleep.is_due(False):
                    return False
                board.rest(_LOOK)
            try:
                client.connect(timeout=PATIENCE)
                break
            except NotReady as error:
                self._log("not ready:", error)
                board.state = lamp.NOT_READY
                break
            except StorageError as error:
                self._log(error)  # with what it has it may be able to go on; and so far it is connected
                break
            except trouble.CONNECTION as error:
                self._log("not connected:", trouble.explain(error))
                board.state = trouble.light(error)
            if self._sleep.is_due(False):
                return False
            board.rest(pause)
            pause = min(2 * pause, PAUSE_MAX)
        while True:
            missing = client.missing()
            if missing is None:
                board.state = lamp.WELL
                return True
            if self._sleep.is_due(False):
                return False
            self._log("not ready:", missing)
            self._look_in(1000, lamp.NOT_READY)

    def _look_in(self, ms, state):
        """Takes what arrives, for ms, and lets the client mend what is broken. state: of the lamp while there is a connection."""
        client, board = self.client, self.board
        begun = ticks_ms()
        while True:
            try:
                client.check_msg()
            except trouble.CONNECTION as error:
                self._log("not connected:", trouble.explain(error))
                board.state = trouble.light(error)
                board.rest(1000)
            except StorageError as error:
                # The flash is full, or worn out. What it has is enough for now, and what was not stored comes again.
                self._log(error)
                board.rest(1000)
            if client.sock is not None:
                board.state = state
            elif board.online:
                self._log("no connection to the broker, trying again")
                board.state = lamp.NO_BROKER
            left = ms - ticks_diff(ticks_ms(), begun)
            if left <= 0:
                return
            if not self._sleep.on:  # a board that sleeps would forget what was made ahead
                client.idle()
            board.rest(min(left, _LOOK))

    # Publishing

    def _publish_readings(self):
        """On every topic that this device may publish on, again and again, or until it is time to sleep."""
        while True:
            done = False
            if self.client.sock is not None:  # otherwise publish would wait for it
                try:
                    done, told = self._publish_once()
                except StorageError as error:  # of something that came meanwhile; see _look_in
                    told = error
                self._log(told)
            if self._sleep.is_due(done):
                return
            self._look_in(self._period, lamp.WELL)

    def _publish_once(self):
        """Whether it is all done, and what came of it in words."""
        client = self.client
        topics = client.topics()
        if not topics:
            return True, "in no group that this device publishes in"
        done, told = True, "publishing"
        qos = 1 if self._sleep.on else 0  # it is to arrive before the board sleeps
        reading = json.dumps(readings.read(self._uptime.seconds(), self.board.rssi()))
        for topic in topics:
            try:
                client.publish(topic, reading, qos=qos)
            except trouble.CONNECTION as error:
                done, told = False, "not published: " + trouble.explain(error)
            except (Refused, NotReady) as error:
                done, told = False, f"not published on {topic.decode()}: {error}"
        return done, told

    def _finish(self):
        """Sleeps, if this board is to, when it has been awake for long enough."""
        if not self._sleep.on:
            return
        while not self._sleep.is_due(True):
            self._look_in(1000, lamp.WELL)
        self._log("sleeping")
        self._crashes.well()
        self.client.disconnect()
        self.board.stop()
        self.board.off()
        self._sleep.begin()


def find_app():
    """The module `app`, or None where there is none. An error inside it is its own."""
    try:
        import app
    except ImportError as error:
        if "'app'" not in str(error):
            raise
        return None
    return app
