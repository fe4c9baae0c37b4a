"""Messages a second that a device on MicroPython's Unix port sends through mosquitto, and where their time goes.

Mode 0 is the frames of a broker session (section 7) over the plain transport; modes 1 to 3 are MQTTClient. A message of QoS 1 waits for
its acknowledgement; those of QoS 0 follow one another, so that "network" there is the kernel taking them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from microseal import crypto
from microseal_host.backends import libcrypto

from ..sim.broker import start_broker
from ..sim.children import Children
from .rig import add_group, authority, run
from .rows import RATE, Row

WHERE = "device, Unix port"
SIZE = 100  # bytes of a message

# The simulated device. It prints, as JSON, [mode, QoS, with pairs, messages, µs, {part: µs}] for each kind of message.
SCRIPT = """
import gc, json, sys, time
from time import ticks_diff, ticks_us
from microseal import MQTTClient, crypto
from microseal.link import Link
from microseal.session import Session
from microseal.transport import Transport

us, size, host, port = int(float(sys.argv[1]) * 1e6), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
PARTS = {
    "sign": "signing", "sign_pair": "signing",
    "base_mul": "key agreement", "ecdh": "key agreement", "mul_add": "key agreement",
    "gcm_seal": "sealing", "cmac": "sealing",
    "hash": "hashing", "hkdf": "hashing", "hmac": "hashing",
}
spent = {}

def timed(call, part):
    def run(*arguments):
        start = ticks_us()
        try:
            return call(*arguments)
        finally:
            spent[part] = spent.get(part, 0) + ticks_diff(ticks_us(), start)
    return run

class Watched:
    pass

plain_core, plain_link = crypto.core, (Link.write, Link.fill)
watched = Watched()
for name in dir(plain_core):
    call = getattr(plain_core, name)
    setattr(watched, name, timed(call, PARTS[name]) if name in PARTS else call)

def watch(on):
    spent.clear()
    crypto.use(watched if on else plain_core)
    Link.write = timed(plain_link[0], "network") if on else plain_link[0]
    Link.fill = timed(plain_link[1], "network") if on else plain_link[1]

def repeat(send, qos, us):
    sent = 0
    start = now = ticks_us()
    while ticks_diff(now, start) < us:
        send(qos)
        sent += 1
        now = ticks_us()
    return sent, ticks_diff(now, start)

def measure(mode, send):
    for qos in (0, 1):
        send(1)
        gc.collect()
        sent, took = repeat(send, qos, us)
        send(1)
        watch(True)
        _, watched_us = repeat(send, qos, us // 4)
        parts = {part: time / watched_us for part, time in spent.items()}
        watch(False)
        send(1)
        print(json.dumps([mode, qos, sent, took, parts]))

payload = bytes(size)
plain = Transport("bench-0", host, port)
plain.connect()
# The keys of a handshake that this does not measure: it is made once a connection.
session = Session(1, b"bench-0", bytes(16), bytes(16), bytes(32))
measure(0, lambda qos: plain.publish(b"bench/0", session.frame(b"bench/0", payload), qos=qos))
plain.disconnect()

client = MQTTClient("bench", keepalive=0)
client.connect()
while len(client.topics()) < 3:
    client.check_msg()
    time.sleep_ms(10)
for mode in (1, 2, 3):
    measure(mode, lambda qos: client.publish("bench/%d" % mode, payload, qos=qos))
client.disconnect()
"""


def measure(seconds: float) -> Iterator[Row]:
    """seconds: for each mode and QoS, and a quarter of it more for where the time goes."""
    crypto.use(libcrypto)
    with tempfile.TemporaryDirectory() as name, Children() as children:
        folder = Path(name)
        broker = start_broker(children, folder)
        with authority(folder, broker) as database:
            for mode in (1, 2, 3):
                add_group(database, mode)
            lines = run(folder, SCRIPT, seconds, SIZE, broker.host, broker.port)
    for line in lines:
        mode, qos, sent, took, parts = json.loads(line)
        label = f"messages of {SIZE} bytes sent, mode {mode}, QoS {qos}"
        yield Row(
            WHERE, label, sent * 1e6 / took, RATE, spent={**parts, "interpreter": max(0.0, 1 - sum(parts.values()))}
        )
