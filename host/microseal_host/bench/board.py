"""What operations take on a board, over its port: a real one, or the emulated Pico, whose clock counts cycles.

The operations run in the board's MicroPython with the package that it has, and are timed by its ticks_us. publish() is the whole of it:
policy, envelope, signature, packet; the broker is a stream on the board that takes and acknowledges everything, so that what is
timed is the board's own work. Its identity and group are made for this, lie in a folder of their own, and go when it is done.
"""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Iterator
from pathlib import Path

from microseal import crypto
from microseal.identity import Anchor, Request, accept_reply, make_request, make_share
from microseal_host import issuing

from ..backends import libcrypto
from ..board import emulated_flash, package
from ..board.emulated import EmulatedPico
from ..board.link import CodeError, Link
from ..failure import NOT_READY, Failure
from ..sim.broker import start_broker
from ..sim.children import Children
from .m0 import CONTEXT, LABEL, MESSAGE, checked, material
from .published import Figure
from .rig import DEVICE, add_group, authority, run
from .rows import CYCLES, MS, Row

SILENT = 300  # s without a byte: an emulated chip may compute for a minute, and import for as long on a busy machine
STATE = "bench-state"
EMULATED_HZ = 125_000_000
ENROL = f"from microseal import MQTTClient\nclient = MQTTClient({DEVICE!r})\nclient.connect()\nclient.disconnect()\n"
# ms on a real board; cycles, at 125 MHz, on the emulated one.
GOALS = {
    "accept the certificate and make the share": (None, 12_000_000),
    "sign, from a pair": (None, 150_000),
    "publish, mode 1, from a pair": (3, 3 * EMULATED_HZ // 1000),
}
PUBLISHED = {
    "accept the certificate and make the share": Figure(49, "the published scheme's key set-up, Raspberry Pi 3B"),
}

OPERATIONS = """
import gc, time
from microseal import crypto
from microseal.identity import Anchor, accept_reply, make_share
core = crypto.require()
def took(call, *arguments):
    gc.collect()
    start = time.ticks_us()
    found = call(*arguments)
    return time.ticks_diff(time.ticks_us(), start), found
"""
# A broker that takes everything, and a client whose clock is right at once.
CLIENT = """
from microseal.channel import Channel
from microseal.client import MQTTClient
class Taker:
    def __init__(self):
        self.answers = b""
        self.left = 0
    def write(self, data):
        if data[0] == 0x30 and not self.left:
            return len(data)  # a message that wants no answer, whole: this must not take time itself
        if self.left:
            self.left -= len(data)
            return len(data)
        at, shift, length = 1, 0, 0
        while True:
            length |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                break
        self.left = at + length - len(data)
        kind = data[0] & 0xF0
        if kind == 0x10:
            self.answers += b"\\x20\\x02\\0\\0"
        elif kind == 0x80:
            self.answers += b"\\x90\\x03" + bytes(data[at : at + 2]) + b"\\1"
        elif kind == 0xA0:
            self.answers += b"\\xb0\\x02" + bytes(data[at : at + 2])
        elif kind == 0xC0:
            self.answers += b"\\xd0\\0"
        elif kind == 0x30 and data[0] & 2:
            at += 2 + (data[at] << 8 | data[at + 1])
            self.answers += b"\\x40\\x02" + bytes(data[at : at + 2])
        return len(data)
    def readinto(self, view):
        if not self.answers:
            return None
        n = min(len(view), len(self.answers))
        view[:n] = self.answers[:n]
        self.answers = self.answers[n:]
        return n
    def wait(self, event, ms):
        pass
    def close(self):
        pass
class Direct(Channel):
    def _open(self, ms):
        return Taker()
class Client(MQTTClient):
    channel = Direct
class Clock:
    signed, slack = False, 1
    def __init__(self, now):
        self.base = now
    def now(self):
        return self.base + time.ticks_ms() // 1000
    def ticks_ms(self):
        return time.ticks_ms()
    def set(self, t):
        pass
clock = Clock({now})
client = Client("bench", "nowhere", directory={state!r}, clock=clock)
clock.base += 10  # the second of the start is over
client.connect()
def publish(count):
    times = []
    for _ in range(count):
        times.append(took(client.publish, "bench/1", {message!r})[0])
    return sorted(times)[len(times) // 2]
"""


def state() -> tuple[dict[str, bytes], int]:
    """The files of a device's state that has an identity and a group of mode 1, and the second after they were made."""
    import time

    crypto.use(libcrypto)
    with tempfile.TemporaryDirectory() as name, Children() as children:
        folder = Path(name)
        with authority(folder, start_broker(children, folder)) as database:
            add_group(database, 1)
            run(folder, ENROL)
        files = sorted((folder / "microseal-state").iterdir())
        return {f"{STATE}/{file.name}": file.read_bytes() for file in files if file.is_file()}, int(time.time()) + 1


def emulated() -> Iterator[Row]:
    """On the emulated Pico, in cycles."""
    emulated_flash.firmware()
    files, now = state()
    everything = package.collect("armv6m", "6.3")
    everything.pop(package.START)
    files = {**everything, **package.without_sockets(), **files}
    with (
        tempfile.TemporaryDirectory() as name,
        EmulatedPico.make(Path(name) / "flash", files=files) as pico,
        Link(pico.port, patience=SILENT) as link,
    ):
        link.enter(soft_reset=False, seconds=120)
        yield from _measure(link, "emulated Pico", now, EMULATED_HZ)


def on_port(port: str) -> Iterator[Row]:
    """On the board there, in ms by its clock. The package is on it already."""
    files, now = state()
    with Link(port) as link:
        link.enter()
        where = str(link.eval("__import__('sys').implementation._machine"))
        try:
            link.exec("from microseal import crypto\ncrypto.require()")
        except CodeError as error:
            raise Failure(f"{error}", "put microseal onto the board first: ./flash.sh", NOT_READY) from None
        link.mkdir(STATE)
        try:
            for path, content in files.items():
                link.put(content, path)
            yield from _measure(link, where, now, None)
        finally:
            for path, _, _ in link.list(STATE):
                link.remove(f"{STATE}/{path}")
            link.exec(f"import os\nos.rmdir({STATE!r})")


def _measure(link: Link, where: str, now: int, hertz: int | None) -> Iterator[Row]:
    def row(name: str, us: float) -> Row:
        goal_ms, goal_cycles = GOALS.get(name, (None, None))
        if hertz is not None:
            return Row(where, name, us * hertz // 1_000_000, CYCLES, goal=goal_cycles)
        return Row(where, name, us / 1000, MS, goal=goal_ms, published=PUBLISHED.get(name))

    link.exec(OPERATIONS)
    for name, (code, expected) in _operations().items():
        us, found = ast.literal_eval(link.exec(f"print(took({code}))", SILENT))
        if expected is not None:
            checked(found, expected)
        yield row(name, us)
    code, expected = _acceptance()
    link.exec(code)
    accepted, shared, found = ast.literal_eval(link.exec("print(accept())", SILENT))
    checked(found, expected)
    yield row("accept the certificate and make the share", accepted + shared)
    link.exec(CLIENT.format(now=now, state=STATE, message=MESSAGE), SILENT)
    yield row("publish, mode 1", float(link.exec("print(publish(3))", SILENT)))
    link.exec("while client.idle(): pass", SILENT)
    yield row("publish, mode 1, from a pair", float(link.exec("print(publish(3))", SILENT)))


def _operations() -> dict[str, tuple[str, object]]:
    """Name -> (function and arguments as they stand in the board's Python, result or None for one that is not told)."""
    k, rand, key, nonce = material("scalar"), material("random"), material("key", 16), material("nonce", 12)
    P, Q = libcrypto.base_mul(1, material("P")), libcrypto.base_mul(1, k)
    sig = libcrypto.sign(1, k, Q, LABEL, CONTEXT, MESSAGE, rand)
    pair = rand + libcrypto.base_mul(1, rand)
    said = f"{LABEL!r}, {CONTEXT!r}, {MESSAGE!r}"
    data = material("data", 100)
    return {
        "X(k*P)": (f"core.ecdh, 1, {k!r}, {P!r}", libcrypto.ecdh(1, k, P)),
        "k*G": (f"core.base_mul, 1, {k!r}", Q),
        "verify": (f"core.verify, 1, {Q!r}, {said}, {sig!r}", True),
        "sign": (f"core.sign, 1, {k!r}, {Q!r}, {said}, {rand!r}", sig),
        "sign, from a pair": (
            f"core.sign_pair, 1, {k!r}, {Q!r}, {said}, bytearray({pair!r})",
            libcrypto.sign_pair(1, k, Q, LABEL, CONTEXT, MESSAGE, bytearray(pair)),
        ),
        "seal 100 bytes": (f"core.gcm_seal, {key!r}, {nonce!r}, {data[:32]!r}, {data!r}, bytearray(116)", None),
        "hash 1,024 bytes": ("core.hash, 1, bytes(1024)", libcrypto.hash(1, bytes(1024))),
    }


def _acceptance() -> tuple[str, bytes]:
    """Code that defines accept(), which gives (µs, µs, box of the share), and the right box."""
    d_ca, r, g, k = (material(name) for name in ("d_ca", "r", "g", "k"))
    anchor = Anchor(1, libcrypto.base_mul(1, d_ca))
    request = Request(make_request(1, b"bench", r, g))
    _, reply = issuing.issue(anchor, d_ca, request, k, 0, 0xFFFFFFFF)
    code = (
        f"anchor = Anchor(1, {anchor.public!r})\n"
        "def accept():\n"
        f" first, me = took(accept_reply, anchor, {reply!r}, b'bench', {r!r}, {request.share_point!r})\n"
        f" second, box = took(make_share, me, {g!r})\n"
        " return first, second, box\n"
    )
    return code, make_share(accept_reply(anchor, reply, b"bench", r, request.share_point), g)
