"""What a provisioned board runs: it enrols, joins its groups, and publishes the readings of its own chip.

The state lies in `microseal-state/` in the working directory. A claim file `claim.json`, as `microseal device add` wrote it, is
taken in at the first start and removed. A sketch of your own in `app.py` runs in place of the readings: its function `run(client)`
is called with the client, which is connected and in a group then. docs/device.md has settings, LED, safe mode and deep sleep.

Ctrl-C ends it, and leaves a board at its prompt. On a computer it ends with 130 then, and with 1 when something is missing that no
waiting will bring, or after a crash. A board starts again after a crash; after five in a row it stays at its prompt.
"""

import os
import sys

import board_chip as chip
import board_lamp as lamp
import board_settings
from board_care import open_memory
from board_crashes import Crashes, describe
from board_watchdog import expired
from microseal import crypto
from microseal.errors import Refused, StorageError
from microseal.provisioning import install, provisioned
from microseal.store import Store
from microseal.ticks import sleep_ms
from microseal.topics import OWN

STATE = "microseal-state"
CLAIM = "claim.json"
AFTER_CRASH = 10000  # ms in which Ctrl-C keeps a board from starting again


class Log:
    """To the console; never anything secret, and nothing twice in a row."""

    def __init__(self):
        self._last = None

    def __call__(self, *text):
        line = " ".join([str(part) for part in text])
        if line != self._last:
            self._last = line
            print("microseal:", line)

    def refused(self, topic, reason):
        """What microseal's own topics bring that is not for this device, or no longer, is nobody's concern."""
        if not topic.startswith(OWN):
            self("refused on", topic.decode(), "-", reason)


log = Log()


def take_claim():
    """Takes in the claim file, if there is one. It goes when all of it is stored, so a power cut here only means to begin again.

    What the file holds counts only until then: it may have been cut while it was overwritten.
    """
    try:
        with open(CLAIM, "rb") as file:
            raw = file.read()
    except OSError:
        return
    try:
        os.mkdir(STATE)
    except OSError:
        pass  # it is there
    store = Store(STATE)
    if not provisioned(store):
        try:
            install(store, raw.decode())
        except (Refused, UnicodeError):
            raise StorageError(CLAIM + " is not a claim file; `microseal device add ID --again` makes a new one")
    with open(CLAIM, "r+b") as file:
        file.write(b" " * len(raw))
    os.remove(CLAIM)
    log("claim file taken in")
    if chip.IS_COMPUTER and os.stat(STATE)[0] & 0o077:
        log("keys are in", STATE, "and other users can read it: chmod 700", STATE)


class Missing(Exception):
    """Something that no waiting will bring; the text says what."""


class Start:
    """What becomes of this start. board: once there is one."""

    def __init__(self):
        self.board = None
        self.crashes = Crashes(Store(STATE))

    def run(self):
        """Runs until the sketch ends or Ctrl-C comes; returns the exit code. A board that crashed is reset."""
        code = 1
        try:
            self._run()
            code = 0
            self._stop()
        except KeyboardInterrupt:
            code = 130
            self._stop()
        except SystemExit as end:  # of the sketch; a board would take it for the wish to start again
            self._stop()
            if chip.IS_COMPUTER:
                raise end
        except Missing as error:
            log(error)
            self._stop(lamp.STOPPED)
        except Exception as error:
            self._crashed(describe(error))
        return code

    def _run(self):
        try:
            try:
                crypto.require()
            except ImportError as error:
                raise StorageError(str(error))
            take_claim()
            settings = board_settings.load(STATE)
            memory = open_memory(settings)
            if expired(memory):
                self.crashes.note("the watchdog: no progress\n")
                if self.crashes.too_many:
                    self._give_up()
                    return
            from board_run import Run

            run = Run(STATE, settings, memory, self.crashes, log)
        except StorageError as error:
            raise Missing(str(error))
        self.board = run.board
        run.go()

    def _stop(self, state=None):
        """state: of the lamp, None for off."""
        if self.board is not None:
            self.board.stop(state)
        elif state is not None:
            lamp.Lamp("LED").show(state)

    def _crashed(self, text):
        self._stop(lamp.STOPPED)
        self.crashes.note(text)
        print(text)
        if self.crashes.too_many:
            self._give_up()
        elif not chip.IS_COMPUTER:
            from machine import reset

            log(f"crash {self.crashes.count} in a row; starts again in {AFTER_CRASH // 1000} s, Ctrl-C for the prompt")
            try:
                for _ in range(AFTER_CRASH // 50):
                    sleep_ms(50)
            except KeyboardInterrupt:
                return
            reset()

    def _give_up(self):
        """Safe mode: leaves the board at its prompt. The next start is another attempt, and one more crash leads here again."""
        self._stop(lamp.STOPPED)
        log(f"safe mode after {self.crashes.count} crashes in a row: main.py stops until the next start. The last one:")
        print(self.crashes.text)


if __name__ == "__main__":
    code = Start().run()
    if chip.IS_COMPUTER:
        sys.exit(code)
    # Not sys.exit on a board: that is a soft reset there, which would run this file again instead of giving the prompt.
