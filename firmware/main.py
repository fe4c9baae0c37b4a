"""What a provisioned board runs: it enrols, joins its groups, and publishes the readings of its own chip.

The state lies in `microseal-state/` in the working directory. A claim file `claim.json`, as `microseal device add` wrote it, is
taken in at the first start and removed. A sketch of your own in `app.py` runs in place of the readings: its function `run(client)`
is called with the client, which is connected and in a group then.

Ends with 130 after Ctrl-C, with 1 when something is missing that no waiting will bring.
"""

import json
import os
import sys

from umqtt.simple import MQTTException

import readings
from microseal import MQTTClient, crypto
from microseal.enrolment import stored_id
from microseal.errors import NotReady, Refused, StorageError
from microseal.provisioning import install, provisioned
from microseal.store import Store
from microseal.ticks import sleep_ms, ticks_add, ticks_diff, ticks_ms
from microseal.topics import OWN

STATE = "microseal-state"
CLAIM = "claim.json"
PERIOD = 2000  # ms between two readings
PATIENCE = 5  # s for connecting, after which it is said what is missing
PAUSE = 1000  # ms before the second attempt to connect, doubled up to ...
PAUSE_MAX = 60000
_LOOK = 50  # ms between two looks at what has arrived


class Log:
    """To the console; never anything secret, and nothing twice in a row."""

    def __init__(self):
        self._last = None

    def __call__(self, *text):
        if text != self._last:
            self._last = text
            print("microseal:", *text)

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


def connect(client):
    """Connects until it works, and waits until the device has all that it needs; pauses grow from 1 s to 60 s."""
    pause = PAUSE
    while True:
        try:
            client.connect(timeout=PATIENCE)
            return
        except NotReady as error:
            log("not ready:", error)
            break
        except (OSError, MQTTException) as error:
            log("not connected:", explain(error))
        sleep_ms(pause)
        pause = min(2 * pause, PAUSE_MAX)
    while True:
        missing = client.missing()
        if missing is None:
            return
        log("not ready:", missing)
        look_in(client, 1000)


def explain(error):
    """An error of the connection in words."""
    if isinstance(error, MQTTException):
        return f"the broker refuses this client ({error})"
    return f"no connection to the broker ({error})"


def look_in(client, ms):
    """Takes what arrives, for ms, and lets the client mend what is broken."""
    end = ticks_add(ticks_ms(), ms)
    while True:
        try:
            client.check_msg()
        except (OSError, MQTTException) as error:
            log("not connected:", explain(error))
            sleep_ms(1000)
        if client.sock is None:
            log("no connection to the broker, trying again")
        left = ticks_diff(end, ticks_ms())
        if left <= 0:
            return
        sleep_ms(min(left, _LOOK))


def publish_readings(client):
    """Publishes the readings on every topic that this device may publish on, again and again."""
    while True:
        if client.sock is not None:  # otherwise publish would wait for it
            log(publish_once(client))
        look_in(client, PERIOD)


def publish_once(client):
    """What came of it, in words."""
    told = "publishing"
    topics = client.topics()
    for topic in topics:
        try:
            client.publish(topic, json.dumps(readings.read()))
        except (OSError, MQTTException) as error:
            told = "not published: " + explain(error)
        except (Refused, NotReady) as error:
            told = f"not published on {topic.decode()}: {error}"
    return told if topics else "in no group that this device publishes in"


def find_app():
    """The module `app`, or None where there is none. An error inside it is its own."""
    try:
        import app
    except ImportError as error:
        if "'app'" not in str(error):
            raise
        return None
    return app


def set_up():
    """The client of this device."""
    try:
        crypto.require()
    except ImportError as error:
        raise StorageError(str(error))
    take_claim()
    client = MQTTClient(stored_id(Store(STATE)), directory=STATE)
    client.on_refused = log.refused
    return client


def main():
    client = set_up()
    try:
        connect(client)
        log("connected as", client.member.id.decode())
        app = find_app()
        if app is None:
            publish_readings(client)
        else:
            app.run(client)
    finally:
        client.disconnect()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except StorageError as error:
        log(error)
        sys.exit(1)
