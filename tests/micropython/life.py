"""A device whose life is told by another process, and whose power goes at one given operation on its files.

Runs on MicroPython and on CPython alike. One line a command, with any number of events in answer, the last of them `done`:

    claim                      what main.py does first: takes in the claim file
    start MS                   makes the Member
    serve MS                   does what is due: events sub, refetch, out
    put MS TOPIC PAYLOAD       a message arrives: event msg or refused
    seal MS TOPIC MESSAGE      event sealed, or notready
    state                      events enrolled, group
    off                        the end; event ops says how many operations there were

MS is the time on the device's ticks. Before a random value is derived there is an event fresh.
"""

import os
import sys

import microseal

if not hasattr(microseal, "MQTTClient"):
    microseal.MQTTClient = None  # main.py imports it; here it only takes in the claim file

import main
from microseal import store as store_module
from microseal.entropy import Entropy
from microseal.errors import NotReady, Refused
from microseal.member import Member
from microseal.store import Store

careful = {"fresh": Entropy.fresh, "write": Store._write, "save": Store.save}


class Power:
    """Counts operations on files; at the one with the number `last` the process is killed, as by pulling the plug."""

    def __init__(self, last):
        self.last = last
        self.count = 0

    def tick(self):
        self.count += 1
        if self.count == self.last:
            if hasattr(os, "kill"):
                os.kill(os.getpid(), 9)
            else:
                os.system("kill -9 $PPID")  # noqa: S605  # MicroPython has no other way
            while True:
                pass

    def open(self, path, mode):
        if mode == "rb":
            return open(path, mode)
        self.tick()
        return File(self, path, mode)

    def mkdir(self, path):
        self.tick()
        os.mkdir(path)
        self.tick()

    def stat(self, path):
        return os.stat(path)

    def remove(self, path):
        self.tick()
        os.remove(path)
        self.tick()


class File:
    """A file that is written: it may end truncated, with half of the bytes, with all of them, or closed."""

    def __init__(self, power, path, mode):
        self._power = power
        self._file = open(path, mode)  # noqa: SIM115
        power.tick()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._power.tick()
        self._file.close()
        self._power.tick()

    def write(self, data):
        half = len(data) // 2
        self._file.write(data[:half])
        self._file.flush()
        self._power.tick()
        self._file.write(data[half:])

    def flush(self):
        self._file.flush()

    def fileno(self):
        return self._file.fileno()


class Clock:
    """A device's: unset until the authority's signed time comes. The ticks are told."""

    signed = True
    slack = 5

    def __init__(self):
        self.ticks = 0
        self._base = None

    def ticks_ms(self):
        return self.ticks

    def now(self):
        return None if self._base is None else self._base + self.ticks // 1000

    def set(self, t):
        now = self.now()
        if now is None or t > now:
            self._base = t - self.ticks // 1000


class Life:
    def __init__(self, send, power):
        self._send = send
        self._power = power
        self._clock = Clock()
        self._member = None

    def claim(self):
        main.take_claim()

    def start(self, ms):
        self._clock.ticks = ms
        # The chip's source is stuck: what is never to repeat must not rest on it.
        self._member = Member(Store(main.STATE), self._clock, source=bytes)

    def serve(self, ms):
        self._clock.ticks = ms
        member = self._member
        member.tick()
        for pattern in member.filters():
            self._send("sub " + pattern.hex())
        for pattern in member.take_refetch():
            self._send("refetch " + pattern.hex())
        for topic, payload in member.take_outgoing():
            self._send("out " + topic.hex() + " " + payload.hex())

    def put(self, ms, topic, payload):
        self._clock.ticks = ms
        member = self._member
        try:
            reader = member.reader(topic) if topic.startswith(b"microseal/") else None
            if reader is not None:
                reader.write(payload[:50])
                reader.write(payload[50:])
                reader.close()
            elif topic.startswith(b"microseal/"):
                member.control(topic, payload)
            else:
                message = member.open(topic, payload)
                if message is not None:
                    self._send("msg " + message.payload.hex())
        except Refused as refusal:
            self._send("refused " + refusal.reason)
        except NotReady:
            self._send("refused not ready")

    def seal(self, ms, topic, message):
        self._clock.ticks = ms
        if not self._member.can_seal():
            self._send("notready")
            return
        self._send("sealed " + self._member.seal(topic, message).hex())

    def state(self):
        member = self._member
        if member.enrolled:
            self._send("enrolled " + member.me.kid.hex())
            for gid, group in member.groups.by_gid.items():
                if group.current is not None:
                    self._send("group " + gid.hex() + " " + str(group.current.info.epoch))


def serve(receive, send, directory, last, carelessness=""):
    """receive() gives the next command, send(event) tells; directory holds the state; last: the operation at which power goes."""
    os.chdir(directory)
    power = Power(last)
    store_module.open = power.open
    main.open = power.open
    main.os = power
    Entropy.fresh, Store._write, Store.save = careful["fresh"], careful["write"], careful["save"]
    if carelessness:
        CARELESS[carelessness]()
    derive = Entropy.fresh

    def fresh(self, n):
        send("fresh " + self._boot.hex() + " " + str(self._count))
        return derive(self, n)

    Entropy.fresh = fresh
    life = Life(send, power)
    while True:
        words = receive().split()
        if words[0] == "off":
            send("ops " + str(power.count))
            send("done")
            return
        arguments = [int(word) for word in words[1:2]] + [bytes.fromhex(word) for word in words[2:]]
        getattr(life, words[0])(*arguments)
        send("done")


# What a careless device would do, to see that the walk finds it.


def _write_in_place():
    """One slot, overwritten."""

    def write(self, name, slot, sequence, content):
        careful["write"](self, name, "a", sequence, content)

    Store._write = write


def _save_later(skipped):
    """A record that is never written again once it is there."""

    def save(self, name, content):
        if name != skipped or self.load(name) is None:
            careful["save"](self, name, content)

    Store.save = save


CARELESS = {
    "in place": _write_in_place,
    "boots not counted": lambda: _save_later("boot"),
    "request not kept": lambda: _save_later("enrol"),
}


def receive_line():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return line


def arguments():
    """Those of the command line: DIRECTORY OPERATION CARELESSNESS."""
    return sys.argv[-3], int(sys.argv[-2]), sys.argv[-1]
