"""Every kind of message, each with a receiver in the state in which it would take that message.

A target has `seeds`, valid messages that its receiver would take, and `feed(raw)`, which gives it one. What is refused must raise
Refused; what is neither refused nor changes anything was passed over, which control messages may be. Runs on both interpreters.
"""

import json

from device_support import (
    Clock,
    NextEpoch,
    control,
    fresh_directory,
    give_roster,
    joined,
    key_topic,
    provision,
    scenario,
    start,
)
from snapshots import snapshot

from microseal import crypto, errors
from microseal.entropy import Entropy
from microseal.envelope import seal
from microseal.errors import Refused, StorageError
from microseal.group import PUBLISHER, SUBSCRIBER
from microseal.identity import SIGNER, Certificate, Request, accept_reply, make_request
from microseal.member import Member
from microseal.provisioning import install, load_authority, load_broker
from microseal.session import Connect, Gate, Hello, Initiator
from microseal.store import Store, pack
from microseal.wire import hexkid, u32
from microseal_host import issuing

# What a refusal may change: when something was last asked for again, and what is to be asked for (section 6: at most once a
# minute). What is kept without being believed: the newest key packet of a role and the newest announced signer; finish() shows
# that they do no harm. Caches of what can be derived again, and counters.
HIDDEN = ("_asked", "_refetch", "_packets", "_announced", "_cache", "_agreed", "dropped", "trouble")


class Counted(Store):
    """A Store whose state shows that something was written."""

    def __init__(self, directory):
        super().__init__(directory)
        self.writes = 0

    def _write(self, name, slot, sequence, content):
        self.writes += 1
        super()._write(name, slot, sequence, content)


class Target:
    """receiver: whatever has the state; seeds: what it would take; pieces: fields of it that mutations may put elsewhere."""

    passes_over = False  # whether a message may be neither refused nor taken
    trusting = False  # whether another message may be taken; feed() then sees for itself that it is what it says

    def __init__(self, world, dice):
        self.world = world
        self.dice = dice
        self.pieces = [world.certificate(0)[-33:], world.anchor.public, bytes(32), b"\xff" * 32, u32(world.now)]
        self.prepare()

    def snapshot(self):
        return snapshot(self.receiver, HIDDEN)

    def taken(self, raw):
        """Whether this is a valid message that the receiver would take."""
        return raw in self.seeds

    def finish(self):
        """Whether the receiver is still as good as new: it takes a valid message now."""
        before = self.snapshot()
        return self.feed(self.seeds[0]) is not None or self.snapshot() != before


# Envelopes


class Envelopes(Target):
    """mode, direction: of the seeds; a member of the other side receives them on their topic, or on one of the others'."""

    def prepare(self):
        self.receiver = joined(self.world, 0 if self.direction else 3, store=Counted)
        found = self.world.envelopes(self.mode, self.direction)
        self._topics = {raw: topic for topic, raw, _ in found}
        self.seeds = [raw for _, raw, _ in found]
        self.pieces.extend(raw[:40] for raw in self.seeds)
        self._topic = found[0][0]

    def feed(self, raw):
        return self.receiver.open(self._topics.get(raw, self._topic), raw)


class Signed0(Envelopes):
    mode, direction = 1, 0


class Secret0(Envelopes):
    mode, direction = 2, 0


class Anonymous0(Envelopes):
    mode, direction = 3, 0


class Signed1(Envelopes):
    mode, direction = 1, 1


class Secret1(Envelopes):
    mode, direction = 2, 1


class Anonymous1(Envelopes):
    mode, direction = 3, 1


class States(Target):
    """Envelopes of all modes on a state topic, where old ones are taken too; some of them were taken already."""

    def prepare(self):
        world = self.world
        self.receiver = joined(world, 3, store=Counted)
        epoch, me = world.epoch(2), world.identity(2)
        entropy = Entropy(world.suite, bytes(32), 1, bytes)
        self.seeds = []
        for at in range(9):
            nonce = b"boot-000" + u32(at)
            t = world.now - (500 if at < 3 else 0) + at
            self.seeds.append(bytes(seal(epoch, me, 0, 1 + at % 3, b"state/a/x", t, b"on", nonce, entropy)))
        for raw in self.seeds[3:6]:
            self.receiver.open(b"state/a/x", raw)
        self.seeds = self.seeds[6:] + self.seeds[3:6]
        del self.seeds[5]  # of mode 3 and taken already: refused like any replay

    def feed(self, raw):
        return self.receiver.open(b"state/a/x", raw)


class Boxes2(Target):
    """What a member of the group, who can sign anything, puts into an envelope of mode 2 in the place of ciphertext and tag."""

    def prepare(self):
        world = self.world
        self.receiver = joined(world, 3, store=Counted)
        self._epoch, self._me = world.epoch(2), world.identity(2)
        self._heads = {}
        self.seeds = []
        for topic, raw, _ in world.envelopes(2, 0):
            self._topic = topic
            self._heads[raw[27:-64]] = raw[:27]
            self.seeds.append(raw[27:-64])

    def feed(self, raw):
        body = self._heads.get(raw, self._heads[self.seeds[0]]) + raw
        signature = self._me.sign(b"m2", self._epoch.context(self._topic), body, bytes(32))
        return self.receiver.open(self._topic, body + signature)


class Inners3(Target):
    """What a member who has the group's keys seals into an envelope of mode 3: kid, inner signature, message, padding."""

    def prepare(self):
        world = self.world
        self.receiver = joined(world, 3, store=Counted)
        self._epoch, self._me = world.epoch(2), world.identity(2)
        self._topic = world.envelopes(3, 0)[0][0]
        self._z = (7).to_bytes(32, "big")
        ephemeral = crypto.core.base_mul(world.suite, self._z)
        first = bytes((world.suite << 4 | 3,)) + (self._epoch.info.epoch & 0xFFFF).to_bytes(2, "big")
        self._head = first + u32(world.now - 3) + ephemeral
        context = self._epoch.context(self._topic)
        secret = crypto.core.ecdh(world.suite, self._z, self._epoch.info.public[SUBSCRIBER])
        self._key = self._epoch.anonymous_key(0, secret, ephemeral)
        self.seeds = []
        for message in (b"", b"0123456", b"x" * 22, b"x" * 23, bytes(60), b"\x80" + bytes(40)):
            inner = self._me.kid + self._me.sign(b"m3i", context, self._head + message, bytes(32)) + message + b"\x80"
            self.seeds.append(inner + bytes(-len(inner) % 32))
        self.pieces.extend((b"\x80", bytes(31), b"\x80" + bytes(15), world.identity(1).kid, world.identity(3).kid))

    def feed(self, raw):
        suite, context = self.world.suite, self._epoch.context(self._topic)
        box = bytearray(len(raw) + 16)
        crypto.core.gcm_seal(self._key, bytes(12), context + self._head, raw, box)
        private, public = self._epoch.signing_key(0)
        body = self._head + bytes(box)
        signature = crypto.core.sign(suite, private, public, b"m3g", context, body, bytes(32))
        return self.receiver.open(self._topic, body + signature)


class Topics(Target):
    """Valid envelopes on other topics: here the topic is what is altered."""

    def prepare(self):
        self.receiver = joined(self.world, 2, store=Counted)
        self._raw, self.seeds = {}, []
        for mode in (1, 2, 3):
            for direction in (0, 1):
                topic, raw, _ = self.world.envelopes(mode, direction)[1]
                if topic not in self._raw:
                    self.seeds.append(topic)
                self._raw[topic] = raw
        self.pieces = [
            b"site/",
            b"public-1",
            b"/",
            b"ask/",
            b"+",
            b"#",
            b"$",
            b"microseal/",
            b"state/x/x",
            b"\x00",
            b"\xc2",
        ]
        self._at = 0

    def feed(self, raw):
        self._at += 1
        return self.receiver.open(raw, self._raw.get(raw) or self._raw[self.seeds[self._at % len(self.seeds)]])


# What the authority tells members


class Certificates(Target):
    """The certificate of a sender that was asked for."""

    def prepare(self):
        world = self.world
        self.receiver = member = joined(world, 3, certificates=False, store=Counted)
        self.seeds = [world.certificate(index) for index in (0, 1, 2, 3, 4, 5)]
        for index in (0, 1, 2):
            member._fetching.want(world.identity(index).kid, 0)
        self._topic = control(b"cert/" + hexkid(world.identity(0).kid))

    def feed(self, raw):
        return self.receiver.control(self._topic, raw)

    def taken(self, raw):
        return raw == self.seeds[0]


class FirstInfo(Target):
    """The info of a group of which this device has heard."""

    passes_over = True

    def prepare(self):
        world = self.world
        self.receiver = start(world, 2, store=Counted)
        self.receiver.control(key_topic(world, self.receiver.me.kid, PUBLISHER), world.packets(2)[PUBLISHER])
        self.seeds = [world.info_raw, NextEpoch(world).raw]
        info = world.info()
        self.pieces.extend((info.blind_p, info.public[PUBLISHER], info.rosters[PUBLISHER], world.info_raw[-64:]))
        self._topic = control(b"group/" + world.gid + b"/info")

    def feed(self, raw):
        return self.receiver.control(self._topic, raw)


class NextInfo(FirstInfo):
    """The info of the epoch after, for a member."""

    def prepare(self):
        super().prepare()
        self.receiver = joined(self.world, 2, store=Counted)
        self.seeds = [NextEpoch(self.world, at).raw for at in (1, 2, 65535)]


class Rosters(Target):
    """A roster in chunks of any size."""

    def prepare(self):
        world = self.world
        self.receiver = start(world, 2, store=Counted)
        self.receiver.control(key_topic(world, self.receiver.me.kid, PUBLISHER), world.packets(2)[PUBLISHER])
        self.receiver.control(control(b"group/" + world.gid + b"/info"), world.info_raw)
        self.seeds = [world.rosters[PUBLISHER], world.rosters[SUBSCRIBER]]
        self._topic = control(b"group/" + world.gid + b"/p")

    def feed(self, raw):
        reader = self.receiver.reader(self._topic)
        at = 0
        while at < len(raw):
            size = 1 + self.dice.next(80)
            reader.write(raw[at : at + size])
            at += size
        reader.close()

    def taken(self, raw):
        return raw == self.seeds[0]


class KeyPackets(Target):
    """The packet that alone is missing for the switch."""

    passes_over = True

    def prepare(self):
        world = self.world
        self.receiver = member = start(world, 2, store=Counted)
        packets = world.packets(2)
        member.control(key_topic(world, member.me.kid, PUBLISHER), packets[PUBLISHER])
        member.control(control(b"group/" + world.gid + b"/info"), world.info_raw)
        for role in (PUBLISHER, SUBSCRIBER):
            give_roster(member, world, role)
        self.seeds = [
            packets[SUBSCRIBER],
            packets[PUBLISHER],
            world.packets(1)[PUBLISHER],
            world.packets(3)[SUBSCRIBER],
        ]
        self.pieces.extend(raw[5:38] for raw in self.seeds)
        self._topic = key_topic(world, member.me.kid, SUBSCRIBER)

    def feed(self, raw):
        return self.receiver.control(self._topic, raw)

    def taken(self, raw):
        return raw == self.seeds[0]

    def finish(self):
        super().finish()
        return self.receiver.groups.by_gid[self.world.gid].current is not None


class Broadcasts(Target):
    """A rekey broadcast of the epoch after."""

    passes_over = True

    def prepare(self):
        world = self.world
        self.receiver = member = joined(world, 2, store=Counted)
        following = NextEpoch(world)
        following.announce(member)
        current = world.epoch(2).keys
        self.seeds = [following.broadcast(role, current[role]) for role in (PUBLISHER, SUBSCRIBER)]
        self._topic = control(b"group/" + world.gid + b"/1")

    def feed(self, raw):
        return self.receiver.control(self._topic, raw)

    def taken(self, raw):
        return raw == self.seeds[0]


class Times(Target):
    """The answer to a question for the time."""

    def prepare(self):
        world = self.world
        clock = Clock(signed=True)
        provisioned = fresh_directory()
        provision(Store(provisioned), world, 2)
        self.receiver = member = Member(Counted(provisioned), clock, source=bytes)
        member.tick()
        ((topic, challenge),) = [pair for pair in member.take_outgoing() if b"/clock/" in pair[0]]
        self._topic = topic.replace(b"/clock/", b"/time/")
        signer = world.identity(4)
        self.seeds = [issuing.sign_time(signer, challenge, world.now + at, bytes(32)) for at in (0, 1)]
        self.seeds.append(issuing.sign_time(signer, bytes(16), world.now, bytes(32)))

    def feed(self, raw):
        return self.receiver.control(self._topic, raw)

    def taken(self, raw):
        return raw in self.seeds[:2]


class RevokedLists(Target):
    def prepare(self):
        world = self.world
        self.receiver = joined(world, 2, store=Counted)
        signer = world.identity(4)
        kids = [world.identity(index).kid for index in range(4)]
        self.seeds = [issuing.make_revoked(signer, world.now + 1, kids[:count], bytes(32)) for count in (2, 0, 1, 4)]
        older = issuing.make_revoked(signer, world.now - 1, kids[:1], bytes(32))
        self.receiver.control(control(b"revoked"), issuing.make_revoked(signer, world.now, kids[:1], bytes(32)))
        self.seeds.append(older)
        self.pieces.extend(kids)

    def feed(self, raw):
        return self.receiver.control(control(b"revoked"), raw)

    def taken(self, raw):
        return raw in self.seeds[:4]


class Signers(Target):
    """A newer signer: none is believed before it has signed something."""

    passes_over = True

    def prepare(self):
        world = self.world
        self.receiver = joined(world, 2, store=Counted)
        suite = world.suite
        r, g, k = (crypto.core.scalar_reduce(suite, bytes((at,)) * 48) for at in (21, 22, 23))
        name = world.identity(4).id
        request = Request(make_request(suite, name, r, g))
        raw, reply = issuing.issue(world.anchor, world.authority, request, k, SIGNER, world.signer.cert.not_after + 1)
        self._signer = accept_reply(world.anchor, reply, name, r, request.share_point, SIGNER)
        self.seeds = [raw, world.signer_raw, world.certificate(5)]

    def feed(self, raw):
        return self.receiver.control(control(b"signer"), raw)

    def taken(self, raw):
        return raw == self.seeds[0]

    def finish(self):
        """The signer in use is still believed, and the new one from its first signature on."""
        member, now = self.receiver, self.world.now
        member.control(control(b"revoked"), issuing.make_revoked(self.world.identity(4), now, (), bytes(32)))
        member.control(control(b"signer"), self.seeds[0])
        member.control(control(b"revoked"), issuing.make_revoked(self._signer, now + 1, (), bytes(32)))
        return load_authority(member._store)[1].cert.raw == self.seeds[0]


# Enrolment


class Replies(Target):
    """The reply to the request of a device that has just been provisioned."""

    def prepare(self):
        world = self.world
        case = world.case(0)
        store = Counted(fresh_directory())
        provision(store, world, 0)
        store.erase("identity")
        fields = [bytes.fromhex(case[name]) for name in ("claim", "r", "g", "claimed_request")]
        store.save("enrol", pack([case["id"].encode()] + fields))
        self.receiver = Member(store, Clock(world.now), source=bytes)
        self.seeds = [bytes.fromhex(world.case(index)["reply"]) for index in range(6)]
        self._topic = control(b"reply/" + case["id"].encode())

    def feed(self, raw):
        return self.receiver.control(self._topic, raw)

    def taken(self, raw):
        return raw == self.seeds[0]


class RenewalReplies(Target):
    """The reply to a renewal."""

    def prepare(self):
        world = self.world
        me = world.identity(0)
        clock = Clock(me.cert.not_after - 86400)
        self.receiver = member = start(world, 0, clock=clock, store=Counted)
        member.tick()  # sets the date of the renewal
        clock.pass_time(3600 * 23)
        member.take_outgoing()
        member.tick()
        (request,) = [payload for topic, payload in member.take_outgoing() if b"/enroll/" in topic]
        parsed = Request(request)
        issuing.check_renewal(world.anchor, parsed, me.cert, clock.now())
        scalars = [crypto.core.scalar_reduce(world.suite, bytes((at,)) * 48) for at in (31, 32)]
        later = me.cert.not_after + 86400
        self.seeds = [issuing.issue(world.anchor, world.authority, parsed, k, 0, later)[1] for k in scalars]
        self.seeds.append(bytes.fromhex(world.case(0)["reply"]))
        self._topic = control(b"reply/" + me.id)

    def feed(self, raw):
        return self.receiver.control(self._topic, raw)

    def taken(self, raw):
        return raw in self.seeds[:2]


class Stateless(Target):
    """What the authority checks, as the functions do it that need no database."""

    def prepare(self):
        self.receiver = None
        self.setup()

    def finish(self):
        self.feed(self.seeds[0])
        return True


class Claims(Stateless):
    """Requests with the proof of a claim."""

    def setup(self):
        self.seeds = [bytes.fromhex(self.world.case(index)["claimed_request"]) for index in range(4)]
        self._claim = bytes.fromhex(self.world.case(0)["claim"])

    def feed(self, raw):
        issuing.check_claim(Request(raw), self._claim)

    def taken(self, raw):
        return raw == self.seeds[0]


class Renewals(Stateless):
    def setup(self):
        world = self.world
        case = world.file["renewal"]
        self.seeds = [bytes.fromhex(case["renewal"]), bytes.fromhex(world.case(0)["claimed_request"])]
        self._cert = Certificate(world.certificate(case["device"]))

    def feed(self, raw):
        issuing.check_renewal(self.world.anchor, Request(raw), self._cert, self.world.now)

    def taken(self, raw):
        return raw == self.seeds[0]


class Shares(Stateless):
    def setup(self):
        self.seeds = [bytes.fromhex(self.world.case(index)["share_box"]) for index in range(4)]
        self._cert = Certificate(self.world.certificate(0))

    def feed(self, raw):
        issuing.open_share(self.world.anchor, self.world.authority, self._cert, raw)

    def taken(self, raw):
        return raw == self.seeds[0]


class Asks(Stateless):
    def setup(self):
        (case,) = self.world.group["asks"]
        self._cert = Certificate(self.world.certificate(case["member"]))
        self._now = case["time"]
        self.seeds = [bytes.fromhex(case["ask"])]

    def feed(self, raw):
        issuing.verify_ask(self.world.anchor, self._cert, raw, self._now, None)


# What is not from the network


class ClaimFiles(Target):
    """Nothing protects a claim file but the cable and the file system: it is refused, or it is another well-formed one."""

    trusting = True

    def prepare(self):
        world = self.world
        case = world.case(0)
        self.receiver = Counted(fresh_directory())
        text = {
            "suite": world.suite,
            "id": case["id"],
            "authority": world.anchor.public.hex(),
            "signer": world.signer_raw.hex(),
            "claim": case["claim"],
            "seed": "5e" * 32,
            "broker": {"host": "broker.local", "port": 1883},
        }
        self.seeds = [json.dumps(text).encode()]
        self.pieces = [
            b'"',
            b"{",
            b"}",
            b"[",
            b":",
            b",",
            b"null",
            b"0",
            b"-1",
            b"1e9",
            b"\\u00",
            world.anchor.public.hex().encode(),
        ]

    def feed(self, raw):
        try:
            text = raw.decode()
        except (UnicodeError, ValueError):
            raise Refused(errors.CLAIM)  # noqa: B904  # main.py never gets to install it
        install(self.receiver, text)
        self._check(text)
        self.receiver = Counted(fresh_directory())

    def _check(self, text):
        """What was installed is what any other JSON parser reads in the text."""
        document = json.loads(text)
        store = self.receiver
        anchor, signer = load_authority(store)
        assert (anchor.suite, anchor.public.hex()) == (document["suite"], document["authority"])
        assert signer.cert.raw.hex() == document["signer"]
        assert load_broker(store) == document["broker"]
        assert document["id"].encode() in store.load("enrol") and bytes.fromhex(document["claim"]) in store.load(
            "enrol"
        )

    def finish(self):
        before = self.receiver
        self.feed(self.seeds[0])
        return self.receiver is not before


class Slots(Target):
    """A slot of a record: altered, it is none, and the record is what it was before."""

    def prepare(self):
        self._directory = fresh_directory()
        self.receiver = Store(self._directory)
        contents = [bytes((at,)) * (10 + 30 * at) for at in range(1, 6)]
        for content in contents:
            self.receiver.save("record", content)
        with open(self._directory + "/record.a", "rb") as file:
            self.seeds = [file.read()]
        self._now, self._before = contents[-1], contents[-2]
        with open(self._directory + "/record.b", "rb") as file:
            self.seeds.append(file.read())

    def feed(self, raw):
        with open(self._directory + "/record.a", "wb") as file:
            file.write(raw)
        try:
            found = self.receiver.load("record")
        except StorageError:
            raise AssertionError("a slot that can be read is an error")  # noqa: B904
        if found == self._before:
            raise Refused(errors.HASH)
        return found

    def finish(self):
        return self.feed(self.seeds[0]) == self._now


# Sessions


class Sessions(Target):
    def prepare(self):
        world = self.world
        self._case = case = world.file["sessions"][0]
        self._me, self._gate = world.identity(case["sender"]), world.identity(case["gate"])
        self._connect = Connect(
            case["client"].encode(),
            case["connect_flags"],
            case["keep_alive"],
            case["will_topic"].encode(),
            bytes.fromhex(case["will"]),
        )
        self._e, self._e_gate = bytes.fromhex(case["e"]), bytes.fromhex(case["e_gate"])
        self.pieces.extend(bytes.fromhex(case[name])[9:42] for name in ("hello", "welcome"))
        self.begin()

    def initiator(self):
        return Initiator(self._me, self._gate.cert, self._connect, self._e, now=self._case["time"])


class Hellos(Sessions):
    def begin(self):
        self.receiver = Gate(self._gate, self._case["gate_time"] - 10)
        self.seeds = [bytes.fromhex(case["hello"]) for case in self.world.file["sessions"]]

    def feed(self, raw):
        hello = Hello(self.world.suite, raw)
        return self.receiver.answer(hello, self._me.cert, self._connect, self._case["gate_time"], self._e_gate)

    def taken(self, raw):
        return raw == self.seeds[0]


class Welcomes(Sessions):
    """A refusal ends the handshake, so each has one of its own."""

    def begin(self):
        self.receiver = None
        self.seeds = [bytes.fromhex(case["welcome"]) for case in self.world.file["sessions"]]

    def feed(self, raw):
        initiator = self.initiator()
        initiator.hello(self._case["time"])
        return initiator.finish(raw)

    def taken(self, raw):
        return raw == self.seeds[0]


class Frames(Sessions):
    def begin(self):
        initiator, gate = self.initiator(), Gate(self._gate, self._case["gate_time"] - 10)
        hello = Hello(self.world.suite, initiator.hello(self._case["time"]))
        now = self._case["gate_time"]
        welcome, self.receiver, _ = gate.answer(hello, self._me.cert, self._connect, now, self._e_gate)
        device, _ = initiator.finish(welcome)
        topic, first = device.confirm()
        self.receiver.check_confirmed(topic, first)
        self.seeds = [device.frame(b"s/1", bytes(size)) for size in (0, 1, 20, 300)]
        self.pieces.append(first)

    def feed(self, raw):
        return self.receiver.open(b"s/1", raw)

    def finish(self):
        return self.feed(self.seeds[0]) is not None


KINDS = {
    "envelope-1": Signed0,
    "envelope-2": Secret0,
    "envelope-3": Anonymous0,
    "query-1": Signed1,
    "query-2": Secret1,
    "query-3": Anonymous1,
    "box-2": Boxes2,
    "inner-3": Inners3,
    "topic": Topics,
    "state": States,
    "certificate": Certificates,
    "info": FirstInfo,
    "next-info": NextInfo,
    "roster": Rosters,
    "key-packet": KeyPackets,
    "broadcast": Broadcasts,
    "time": Times,
    "revoked": RevokedLists,
    "signer": Signers,
    "reply": Replies,
    "renewal-reply": RenewalReplies,
    "claim": Claims,
    "renewal": Renewals,
    "share": Shares,
    "ask": Asks,
    "claim-file": ClaimFiles,
    "slot": Slots,
    "hello": Hellos,
    "welcome": Welcomes,
    "frame": Frames,
}


def target(name, suite, dice):
    return KINDS[name](scenario(suite), dice)
