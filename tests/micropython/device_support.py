"""What the device-side tests share. Like them it runs on MicroPython and CPython alike: no typing, no pytest.

The scenario is that of the vector files: members 0 to 3 (0, 1 and 2 publish, 2 and 3 subscribe), 4 is the signer, 5 the gate.
"""

import json
import os

from microseal import crypto
from microseal.epoch import Epoch
from microseal.errors import Refused
from microseal.group import PUBLISHER, SUBSCRIBER, Info, open_key_packet
from microseal.identity import Anchor, Certificate, Identity, Signer
from microseal.kids import contains
from microseal.member import Member
from microseal.store import Store, pack
from microseal.wire import hexkid, u8, u32
from microseal_host import issuing

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
_ROSTERS = {PUBLISHER: b"p", SUBSCRIBER: b"s"}

base = "."  # where fresh_directory() makes its directories; whoever runs the tests sets it
suites = (1, 2)  # that the core in use has; whoever runs the tests may leave fewer
_made = [0]
_scenarios = {}


def refused(reason, call, *arguments):
    """Fails unless the call raises Refused for exactly this reason."""
    found = reason_of(call, *arguments)
    assert found == reason, f"refused for {found}, not for {reason}" if found else f"not refused; {reason} was expected"


def reason_of(call, *arguments):
    """The reason for which the call raises Refused; None if it does not."""
    try:
        call(*arguments)
    except Refused as refusal:
        return refusal.reason
    return None


def raises(kind, call, *arguments):
    """The exception of exactly this class that the call raises."""
    try:
        call(*arguments)
    except Exception as error:
        if type(error) is not kind:
            raise
        return error
    raise AssertionError("no " + kind.__name__)


def flipped(raw, at):
    """`raw` with one bit of byte `at` altered."""
    raw = bytearray(raw)
    raw[at] ^= 1
    return bytes(raw)


def fresh_directory():
    """A new directory (str)."""
    _made[0] += 1
    path = f"{base}/{_made[0]}"
    os.mkdir(path)
    return path


def files_of(directory):
    """{name: content} of a directory of plain files."""
    found = {}
    for name in os.listdir(directory):
        with open(directory + "/" + name, "rb") as file:
            found[name] = file.read()
    return found


class Clock:
    """A clock that stands still until it is told to move. signed: whether the member asks the authority for the time."""

    slack = 0

    def __init__(self, now=None, signed=False):
        self.seconds = now
        self.signed = signed
        self.ticks = 0

    def now(self):
        return self.seconds

    def ticks_ms(self):
        return self.ticks

    def set(self, t):
        if self.seconds is None or t > self.seconds:
            self.seconds = t

    def pass_time(self, seconds):
        self.ticks += 1000 * seconds
        if self.seconds is not None:
            self.seconds += seconds


class Counting:
    """A random source that is as weak as can be: it counts, so that nothing but the seed hides what comes of it."""

    def __init__(self):
        self.calls = 0

    def __call__(self, n):
        self.calls += 1
        return self.calls.to_bytes(n, "big")


class Scenario:
    """A vector file of one suite, parsed."""

    def __init__(self, suite):
        with open(f"{_HERE}/../vectors/suite{suite}.json") as file:
            self.file = json.load(file)
        self.suite = suite
        self.anchor = Anchor(suite, bytes.fromhex(self.file["ca"]["public"]))
        self.authority = bytes.fromhex(self.file["ca"]["private"])
        self.signer_raw = self.certificate(self.file["ca"]["signer"])
        self.signer = Signer(self.anchor, self.signer_raw)
        self.group = group = self.file["groups"][0]
        self.gid = group["gid"].encode()
        self.info_raw = bytes.fromhex(group["info"])
        self.rosters = {PUBLISHER: bytes.fromhex(group["roster_p"]), SUBSCRIBER: bytes.fromhex(group["roster_s"])}
        self.now = group["issued"] + 5

    def case(self, index):
        return self.file["ecqv"][index]

    def certificate(self, index):
        return bytes.fromhex(self.case(index)["certificate"])

    def identity(self, index):
        case = self.case(index)
        return Identity(
            self.anchor,
            Certificate(self.certificate(index)),
            bytes.fromhex(case["private"]),
            bytes.fromhex(case["public"]),
        )

    def info(self):
        return Info(self.suite, self.info_raw, self.signer)

    def packets(self, index):
        """{role: key packet} of a member."""
        return {
            case["role"]: bytes.fromhex(case["packet"]) for case in self.group["key_packets"] if case["member"] == index
        }

    def kids(self, role):
        """The roster as a member keeps it."""
        roster = self.rosters[role]
        return b"".join([roster[at : at + 8] for at in range(0, len(roster), 32)])

    def epoch(self, index, limit=64):
        """The Epoch as the member `index` holds it."""
        info, me = self.info(), self.identity(index)
        keys = {role: open_key_packet(me, info, raw, role) for role, raw in self.packets(index).items()}
        return Epoch(info, keys, {role: self.kids(role) for role in (PUBLISHER, SUBSCRIBER)}, limit)

    def envelopes(self, mode=None, direction=None):
        """[(topic, envelope, case)] of the vectors, all by member 2."""
        return [
            (case["topic"].encode(), bytes.fromhex(case["envelope"]), case)
            for case in self.file["envelopes"]
            if mode in (None, case["mode"]) and direction in (None, case["direction"])
        ]


def scenario(suite):
    """The Scenario of a suite, read once."""
    if suite not in _scenarios:
        _scenarios[suite] = Scenario(suite)
    return _scenarios[suite]


def provision(store, world, index):
    """Writes the records of an enrolled member into a Store."""
    case = world.case(index)
    store.save("boot", bytes(range(32)) + u32(0))
    store.save("authority", pack((u8(world.suite), world.anchor.public, world.signer_raw)))
    store.save(
        "identity",
        pack([bytes.fromhex(case[name]) for name in ("certificate", "private", "public", "share_box")]),
    )


def control(name):
    return b"microseal/" + name


def key_topic(world, kid, role):
    return b"microseal/key/" + world.gid + b"/" + hexkid(kid) + b"/" + str(role).encode()


def start(world, index, directory=None, clock=None, store=Store, **limits):
    """An enrolled Member in no group yet, at the scenario's time. directory: of one that was started before; store: its class."""
    if directory is None:
        directory = fresh_directory()
        provision(Store(directory), world, index)
    member = Member(store(directory), clock or Clock(world.now), source=Counting(), **limits)
    member.directory = directory
    return member


def give_roster(member, world, role, chunk=32):
    topic = control(b"group/" + world.gid + b"/" + _ROSTERS[role])
    reader = member.reader(topic)
    roster = world.rosters[role]
    for at in range(0, len(roster), chunk):
        reader.write(roster[at : at + chunk])
    reader.close()


def give_certificates(member, world, indices=(0, 1, 2, 3)):
    """Gives the certificates of those whom the member hears, as if it had asked for them."""
    for index in indices:
        raw = world.certificate(index)
        kid = Certificate(raw).kid
        if any(
            contains(kids, kid) for group in member.groups.by_gid.values() for kids in group.current.senders.values()
        ):
            member._fetching.want(kid, member.ticks_ms())
            member.control(control(b"cert/" + hexkid(kid)), raw)


def join(member, world, index):
    """Joins the scenario's group: key packets, info, rosters."""
    for role, packet in world.packets(index).items():
        member.control(key_topic(world, member.me.kid, role), packet)
    member.control(control(b"group/" + world.gid + b"/info"), world.info_raw)
    for role in _ROSTERS:
        give_roster(member, world, role)


def joined(world, index, now=None, before=10, certificates=True, **options):
    """A Member of the scenario's group, started `before` seconds before `now` (the scenario's time), with its senders' certificates."""
    clock = Clock((now or world.now) - before)
    member = start(world, index, clock=clock, **options)
    member.can_seal()
    clock.pass_time(before)
    join(member, world, index)
    if certificates:
        give_certificates(member, world)
    return member


class NextEpoch:
    """A later epoch of the scenario's group, made by the authority; of the same members, unless others are given (indices)."""

    def __init__(self, world, step=1, publishers=None, subscribers=None, policy=None, not_after=None, blind=7):
        suite, group, old = world.suite, world.group, world.info()
        members = {
            PUBLISHER: group["publishers"] if publishers is None else publishers,
            SUBSCRIBER: group["subscribers"] if subscribers is None else subscribers,
        }
        shares = [[_share(world, index) for index in members[role]] for role in (PUBLISHER, SUBSCRIBER)]
        scalars = [crypto.core.scalar_reduce(suite, bytes((blind + at,)) * 48) for at in (0, 1)]
        self._world = world
        self.keys = issuing.make_keys(suite, shares[0], shares[1], scalars[0], scalars[1]).private
        self.rosters = {
            role: issuing.make_roster([Certificate(world.certificate(index)).hash for index in members[role]])
            for role in members
        }
        self.raw = issuing.make_info(
            world.identity(4),
            world.gid,
            old.epoch + step,
            old.issued + 1,
            old.not_after if not_after is None else not_after,
            (policy or old.policy).encode(),
            issuing.make_keys(suite, shares[0], shares[1], scalars[0], scalars[1]),
            self.rosters[PUBLISHER],
            self.rosters[SUBSCRIBER],
            bytes((blind,)) * 32,
        )
        self.info = Info(suite, self.raw, world.signer)

    def packet(self, index, role):
        """The key packet of a member."""
        world, info, to = self._world, self.info, self._world.identity(index)
        u = crypto.core.scalar_reduce(world.suite, bytes((40 + role,)) * 48)
        return issuing.make_key_packet(world.suite, to.kid, to.public, role, info.epoch, info.hash, self.keys[role], u)

    def broadcast(self, role, old):
        """The rekey broadcast for holders of `old`."""
        world, info = self._world, self.info
        return issuing.make_rekey(world.suite, world.gid, role, info.epoch, info.hash, old, self.keys[role])

    def announce(self, member):
        """Gives a member the info and both rosters."""
        member.control(control(b"group/" + self._world.gid + b"/info"), self.raw)
        for role, roster in self.rosters.items():
            reader = member.reader(control(b"group/" + self._world.gid + b"/" + _ROSTERS[role]))
            if reader is not None:
                reader.write(roster)
                reader.close()

    def give(self, member, index, roles=(PUBLISHER, SUBSCRIBER)):
        """Key packets, info and rosters."""
        for role in roles:
            member.control(key_topic(self._world, member.me.kid, role), self.packet(index, role))
        self.announce(member)


def _share(world, index):
    cert = Certificate(world.certificate(index))
    return issuing.open_share(world.anchor, world.authority, cert, bytes.fromhex(world.case(index)["share_box"]))
