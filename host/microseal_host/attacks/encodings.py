"""Points that are none, and bytes that say the same thing twice: everywhere that a device reads them."""

from __future__ import annotations

from microseal import crypto, errors
from microseal.errors import Refused
from microseal.group import SUBSCRIBER, open_key_packet
from microseal.identity import Certificate, Request, accept_reply, make_request
from microseal.session import Connect, Hello, Initiator
from microseal.wire import hexkid
from microseal_host.reference.curves import Curve
from microseal_host.reference.suites import SUITES

from .anonymity import head_of, wrap
from .group_keys import INFO, inject, next_epoch
from .outcome import Attack, Outcome, first_success, got, submit, withstood
from .scene import GID, TOPIC, Plant
from .world import World


def bad_points(curve: Curve) -> list[bytes]:
    """33 bytes that are no point: infinity, coordinates beyond p, other prefixes, and x of the twist.

    The x of the twist is what an invalid-curve attack is made of: of 33 bytes, half name a point of another curve, whose order has
    small factors. The curves themselves have prime order, so they have no small subgroup but infinity.
    """
    x, y = curve.generator
    good = curve.encode((x, y))
    twist = next(x for x in range(1, 1000) if not _on_curve(curve, x))
    beyond = next(x for x in range(1000) if _on_curve(curve, x) and curve.p + x < 2**256)
    wide = [bytes([prefix]) + (curve.p + beyond).to_bytes(32, "big") for prefix in (2, 3)]
    prefixes = [bytes([prefix]) + good[1:] for prefix in (0, 1, 4, 5, 6, 7, 0x82, 0xFF)]
    others = [
        bytes(33),
        b"\x02" + curve.p.to_bytes(32, "big"),
        b"\x02" + b"\xff" * 32,
        b"\x02" + twist.to_bytes(32, "big"),
    ]
    return others + wide + prefixes


def _on_curve(curve: Curve, x: int) -> bool:
    return pow(x**3 + curve.a * x + curve.b, (curve.p - 1) // 2, curve.p) == 1


def points(world: World) -> Outcome:
    """In certificates, requests, replies, key packets, infos and hellos, each with what belongs to it around the point."""
    plant = Plant(world, mode=1)
    suite, bad = world.suite, bad_points(SUITES[world.suite].curve)
    desk, authority, outcomes = plant.desk, world.authority, []

    def attempt(call, gain: str) -> None:
        try:
            call()
            outcomes.append(got(gain))
        except Refused as refused:
            outcomes.append(withstood(refused.reason))
        except ValueError:  # what the core says, if nobody has looked before
            outcomes.append(got("an error that nobody expects"))

    cert, r = plant.pump.me.cert.raw, world.entropy.scalar()
    request = make_request(suite, b"x", r, world.entropy.scalar())
    gate = authority.identity("gate", 2)
    hello = Initiator(desk.me, gate.cert, Connect(b"desk", 2, 60), world.entropy.scalar()).hello(int(world.time))
    packet = world.broker.retained[b"microseal/key/plant/" + hexkid(desk.me.kid) + b"/2"]
    for point in bad:
        attempt(lambda p=point: Certificate(cert[:-66] + p + cert[-33:]), "C")
        attempt(lambda p=point: Certificate(cert[:-33] + p), "Gi")
        attempt(lambda p=point: Request(request[:-66] + p + request[-33:]), "R")
        attempt(lambda p=point: Request(request[:-33] + p), "Gi of a request")
        reply = bytes([suite, 0]) + bytes(4) + point + r
        attempt(lambda raw=reply: accept_reply(authority.anchor, raw, b"x", r, request[-33:]), "C of a reply")
        attempt(lambda p=point: Hello(suite, hello[:9] + p + hello[42:]), "E")
        attempt(lambda p=point: open_key_packet(desk.me, plant.info, packet[:5] + p + packet[38:], 2), "U")
    if not any(outcome.succeeded for outcome in outcomes):
        outcomes += [_info_with(world, plant, at, point) for point in bad for at in range(4)]
    return first_success(outcomes)


def _info_with(world: World, plant: Plant, index: int, point: bytes) -> Outcome:
    """An info that the authority signed, with something in it that is no point: its mistake is not to be the device's."""
    body = plant.info.raw[:-64]
    at = len(body) - 64 - 33 * (4 - index)
    body = body[:at] + point + body[at + 33 :]
    at = 2 + len(GID)
    body = body[:at] + (int.from_bytes(body[at : at + 4], "big") + 1).to_bytes(4, "big") + body[at + 4 :]
    raw = body + world.authority.signer.sign(b"group", b"", body, world.entropy.fresh(32))
    inject(world, plant.desk, [(INFO, raw)])
    group = plant.desk.member.groups.by_gid[GID.encode()]
    return got("an info") if group.pending else withstood(plant.desk.refused[-1][1])


def anonymous_points(world: World) -> Outcome:
    """As Z of a mode 3 message, by a corrupted publisher and a corrupted subscriber together: d_P meets whatever they choose.

    All else about the message is right, for the shared secret that a careless multiplication gives for infinity: 0.
    """
    plant = Plant(world, mode=3)
    context, fan = plant.fan.epoch(GID).context(TOPIC.encode()), plant.fan.me
    outcomes = []
    for point in bad_points(SUITES[world.suite].curve):
        head = head_of(world, plant, point)
        signature = fan.sign(b"m3i", context, head + b"message", world.entropy.fresh(32))
        inner = fan.kid + signature + b"message" + b"\x80" + bytes(16)
        outcomes.append(submit(world, plant.desk, TOPIC, wrap(world, plant, inner, Z=point, secret=bytes(32))))
    return first_success(outcomes)


def wrong_lengths(world: World) -> Outcome:
    """One byte less, one more, none at all, and as many as fit: messages, certificates, infos, key packets, lists."""
    plant = Plant(world, mode=1)
    desk, outcomes = plant.desk, []
    for mode in (1, 2, 3):
        raw = plant.pump.seal(TOPIC, b"", mode=mode)
        for changed in (raw[: {1: 90, 2: 106, 3: 215}[mode]], raw[:1], b""):
            outcomes.append(submit(world, desk, TOPIC, changed))
        if mode == 3:
            outcomes += [submit(world, desk, TOPIC, raw[:-1]), submit(world, desk, TOPIC, raw + b"\0")]
    retained, kid = world.broker.retained, hexkid(desk.me.kid)
    whole = [b"microseal/revoked", b"microseal/signer", INFO, b"microseal/key/plant/" + kid + b"/2"]
    for topic in whole:
        for raw in (retained[topic][:-1], retained[topic] + b"\0", retained[topic][:1]):
            refused = len(desk.refused)
            inject(world, desk, [(topic, raw)])
            outcomes.append(withstood(desk.refused[refused][1]) if len(desk.refused) > refused else got("taken"))
    return first_success(outcomes)


def altered_bits(world: World) -> Outcome:
    """Every bit of a message in each mode, and of the info of a next epoch: not one of them may go unseen."""
    plant = Plant(world, mode=1)
    for mode in (1, 2, 3):
        raw = plant.pump.seal(TOPIC, b"4.2", mode=mode)
        for bit in range(8 * len(raw)):
            changed = bytearray(raw)
            changed[bit // 8] ^= 1 << bit % 8
            outcome = submit(world, plant.desk, TOPIC, bytes(changed))
            if outcome.succeeded:
                return got(f"bit {bit} of a mode {mode} message is nobody's")
        if not submit(world, plant.desk, TOPIC, raw).succeeded:
            return got("nothing: the message itself is not taken")
    return withstood("every bit counts")


def names(world: World) -> Outcome:
    """Ids of no length, of 33 bytes, and of other characters: in requests, and in what the authority would sign."""
    suite, point = world.suite, crypto.core.base_mul(world.suite, world.entropy.scalar())
    outcomes = []
    for id in (b"", b"x" * 33, b"a/b", b"a b", b"a\0", "é".encode(), b"+", b"#", b"$"):
        raw = bytes([suite, len(id)]) + id + point + point
        try:
            Request(raw)
            outcomes.append(got(f"{id!r} as an id"))
        except Refused as refused:
            outcomes.append(withstood(refused.reason))
    return first_success(outcomes)


def unsorted_roster(world: World) -> Outcome:
    """A roster out of order, and one with an entry twice, that the authority signed: a device looks kids up as in a sorted list."""
    plant, outcomes = Plant(world, mode=1), []
    authority, retained = world.authority, world.broker.retained
    roster, subscribers = (retained[b"microseal/group/plant/" + level] for level in (b"p", b"s"))
    first, second, keys = roster[:32], roster[32:], authority.groups[GID].keys
    for bad in (second + first, first + first, first + first + second):
        epoch = plant.desk.epoch(GID).info.epoch
        rosters = bad, subscribers
        inject(world, plant.desk, next_epoch(world, plant, authority.signer, keys, rosters, plant.desk, SUBSCRIBER))
        switched = plant.desk.epoch(GID).info.epoch > epoch
        reasons = [reason for topic, reason in plant.desk.refused if topic.endswith(b"/p")]
        outcomes.append(got("a roster") if switched else withstood(reasons[-1]))
        plant.desk.restart()
        world.settle()
    return first_success(outcomes)


def unsorted_revoked(world: World) -> Outcome:
    """The same with revoked lists: one that a device searches in vain revokes nobody."""
    plant, outcomes = Plant(world, mode=1), []
    for kids in (b"B" * 8 + b"A" * 8, b"A" * 16):
        body = (int(world.time) + 9).to_bytes(4, "big") + kids
        signature = world.authority.signer.sign(b"revoked", b"", body, world.entropy.fresh(32))
        refused = len(plant.desk.refused)
        inject(world, plant.desk, [(b"microseal/revoked", body + signature)])
        new = plant.desk.refused[refused:]
        outcomes.append(withstood(new[0][1]) if new else got("a list"))
    return first_success(outcomes)


def other_roster(world: World) -> Outcome:
    """The broker adds a stranger to a roster, takes a member out, and swaps the two rosters."""
    plant = Plant(world, mode=1)
    desk, outcomes = plant.desk, []
    stranger = world.authority.identity("stranger")
    base = b"microseal/group/plant/"
    publishers, subscribers = world.broker.retained[base + b"p"], world.broker.retained[base + b"s"]
    world.broker.on_way = lambda packet, to: () if to == "desk" and packet.topic == base + b"p" else (packet,)
    world.change(GID, [plant.pump, plant.fan], [desk])
    hashes = [publishers[:32], publishers[32:], stranger.cert.hash]
    for raw in (b"".join(sorted(hashes)), publishers[:32], subscribers, publishers[:32] + b"\xff" * 32):
        inject(world, desk, [(base + b"p", raw)])
        switched = desk.epoch(GID).info.epoch == plant.info.epoch
        outcomes.append(got("a roster of its own") if switched else withstood(desk.refused[-1][1]))
    return first_success(outcomes)


ATTACKS = [
    Attack("points", "invalid-curve points, infinity, x >= p, other prefixes", points, errors.POINT),
    Attack("points-3", "the same as Z of a mode 3 message", anonymous_points, errors.INNER),
    Attack("lengths", "truncated and extended messages and packets", wrong_lengths, errors.LENGTH),
    Attack("bits", "every bit of a message flipped", altered_bits, "every bit counts"),
    Attack("names", "ids that are none", names, errors.NAME),
    Attack("order", "a roster out of order or with duplicates", unsorted_roster, errors.ORDER),
    Attack("revoked-order", "a revoked list out of order or with duplicates", unsorted_revoked, errors.ORDER),
    Attack("roster", "a roster with a stranger, or without a member", other_roster, errors.HASH),
]
