"""What a provisioned board runs: it enrols, joins its groups, and publishes the readings of its own chip.

The state lies in `microseal-state/` beside this file's working directory. A claim file `claim.json`, as `microseal device add` wrote
it, is taken in at the first start and removed. A sketch of your own in `app.py` runs in place of the readings: its function
`run(client)` is called with the connected client.
"""

import json
import os
import sys
import time

import readings
from microseal import MQTTClient, crypto
from microseal.errors import NotReady, Refused
from microseal.provisioning import install, provisioned
from microseal.store import Store

STATE = "microseal-state"
CLAIM = "claim.json"
PERIOD = 2  # s between two readings


def log(*text):
    """To the console; never anything secret."""
    print("microseal:", *text)


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
        install(store, raw.decode())
    with open(CLAIM, "r+b") as file:
        file.write(b" " * len(raw))
    os.remove(CLAIM)
    log("claim file taken in")


def own_id():
    """The device's id before there is a client: from the enrolment or the certificate on flash."""
    from microseal.enrolment import stored_id

    return stored_id(Store(STATE))


def connect(client):
    """Connects until it works: pauses grow from 1 s to 60 s."""
    pause = 1
    while True:
        try:
            client.connect()
            return
        except (OSError, NotReady) as error:
            log("not connected:", error)
        time.sleep(pause)
        pause = min(2 * pause, 60)


def publish_readings(client):
    """Publishes the readings on every topic that this device may publish on, one every PERIOD seconds."""
    last = time.ticks_ms()
    while True:
        client.check_msg()
        for topic in client.topics():
            try:
                client.publish(topic, json.dumps(readings.read()))
            except (Refused, NotReady) as error:
                log("not published:", error)
        while time.ticks_diff(time.ticks_ms(), last) < PERIOD * 1000:
            client.check_msg()
            time.sleep_ms(50)
        last = time.ticks_ms()


def main():
    crypto.require()
    take_claim()
    client = MQTTClient(own_id(), directory=STATE)
    client.on_refused = lambda topic, reason: log("refused on", topic.decode(), "-", reason)
    connect(client)
    log("connected as", own_id().decode())
    try:
        import app
    except ImportError:
        publish_readings(client)
    else:
        app.run(client)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
