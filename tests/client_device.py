"""A device with an MQTTClient that does what it is told, on both interpreters: client_device.py DIRECTORY [CLAIM FILE].

Reads lines of Python from its standard input and runs them one by one; between them it looks in. Each line is answered by one line
of JSON, {"result": …} or {"error": [class, text]}; messages and refusals are told when they come: {"message": …}, {"refused": …}.
The names that the lines may use are those of this module, and what lines before have set.
"""

import json
import select
import sys

if sys.implementation.name == "cpython":
    import transport_cpython  # noqa: F401
    from microseal import crypto
    from microseal_host.backends import libcrypto

    crypto.use(libcrypto)

from microseal.client import MQTTClient
from microseal.clock import TickClock
from microseal.provisioning import install
from microseal.store import Store
from microseal.wire import hexkid  # noqa: F401

DIRECTORY = sys.argv[1]
if len(sys.argv) > 2:
    with open(sys.argv[2]) as claim:
        install(Store(DIRECTORY), claim.read())


class QuickClock(TickClock):
    """For tests of anything but a restart: messages dated within five seconds of the start are taken."""

    slack = 0


def tell(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()


def heard(topic, payload):
    message = client.message
    tell(
        message=[topic.decode(), payload.decode()],
        sender=message.sender.decode(),
        mode=message.mode,
        stale=message.stale,
        direction=message.direction,
    )


def refused(topic, reason):
    tell(refused=[topic.decode(), reason])


def new_client(client_id, **settings):
    """A client that tells what it hears. As a rule it has no start to be careful about, and room for the groups of many tests."""
    made = MQTTClient(
        client_id, directory=DIRECTORY, clock=settings.pop("clock", None) or QuickClock(), groups=64, **settings
    )
    made.set_callback(heard)
    made.on_refused = refused
    return made


def epoch(gid):
    """The epoch in force, 0 for none."""
    group = client.member.groups.by_gid.get(gid) if client.member.enrolled else None
    return group.current.info.epoch if group is not None and group.current is not None else 0


def named(error):
    """[class, text]; CPython has subclasses of OSError that MicroPython has not."""
    return ["OSError" if isinstance(error, OSError) else type(error).__name__, str(error)]


def run(line):
    line = line.decode() if isinstance(line, bytes) else line
    try:
        try:
            result = eval(line, globals())
        except SyntaxError:
            exec(line, globals())
            result = None
        tell(result=result.decode() if isinstance(result, bytes) else result)
    except Exception as error:
        tell(error=named(error))


client = None
idle = True  # whether it looks in by itself
# Unbuffered, so that poll knows of every line that has not been read.
orders = sys.stdin if sys.implementation.name == "micropython" else open(0, "rb", buffering=0)  # noqa: SIM115
poller = select.poll()
poller.register(orders, select.POLLIN)
while True:
    if poller.poll(5):
        line = orders.readline()
        if not line:
            break
        run(line)
    elif idle and client is not None and client._main.wanted:
        try:
            client.check_msg()
        except Exception as error:
            tell(raised=named(error))
