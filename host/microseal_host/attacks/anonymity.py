"""Rows 2 and 3: mode 3, where one signature too many gives the keys away, and one cannot be computed."""

from __future__ import annotations

from microseal import crypto, errors
from microseal.envelope import Envelope, seal
from microseal.epoch import Epoch
from microseal.errors import Refused
from microseal.group import SUBSCRIBER
from microseal_host.reference.suites import SUITES, sc

from . import published as paper
from .outcome import Attack, Outcome, first_success, got, submit, withstood
from .scene import GID, TOPIC, Plant, certified, forge, group_keys
from .world import World

NONCES = "independent nonces"


# Row 2


def same_z_published() -> Outcome:
    """A publisher, who knows d_S, reads another one's message and gets its d; a subscriber gets both keys from two messages."""
    sender, d_P, d_S = paper.Node(), paper.draw(), paper.draw()
    Q_P, q = paper.base(d_P), paper.q
    sent = [paper.anonymous(sender, Q_P, d_S, M, T) for M, T in ((b"open valve 7", 1000), (b"close valve 7", 1001))]

    # The publisher: z from s_2, the message and s_1 by z, d from s_1.
    m = sent[0]
    z = (m.s_2 + paper.h(m.C, m.T, paper.GROUP) * d_S) % q
    plain = paper.stream(paper.key(paper.times(z, Q_P), m.T), m.C)
    M, s_1 = plain[:-32], int.from_bytes(plain[-32:], "big")
    d = (z - s_1) * pow(paper.h(M, m.T, paper.GROUP), -1, q) % q

    # The subscriber: s_2 − s_1 = h_1·d − h_2·d_S, twice.
    rows = []
    for m in sent:
        plain = paper.stream(paper.key(paper.times(d_P, m.Z), m.T), m.C)
        h_1, h_2 = paper.h(plain[:-32], m.T, paper.GROUP), paper.h(m.C, m.T, paper.GROUP)
        rows.append((h_1, -h_2, m.s_2 - int.from_bytes(plain[-32:], "big")))
    found = solve(rows, q)
    broken = M == b"open valve 7" and d == sender.d and found == (sender.d, d_S)
    return got("the message, then the sender's d and d_S") if broken else withstood(NONCES)


def solve(rows: list[tuple[int, int, int]], q: int) -> tuple[int, int]:
    """(x, y) with a·x + b·y = c mod q in both rows."""
    (a, b, c), (d, e, f) = rows
    determinant = pow(a * e - b * d, -1, q)
    return (c * e - b * f) * determinant % q, (a * f - c * d) * determinant % q


def same_z_microseal(world: World) -> Outcome:
    """The same computations on two messages of the pump, by the fan, who knows d_S, and by the desk, who opens them."""
    plant = Plant(world, mode=3)
    q = SUITES[world.suite].curve.q
    d_S = plant.fan.epoch(GID).signing_key(0)[0]
    sent = [plant.pump.seal(TOPIC, message) for message in (b"open valve 7", b"close valve 7")]
    rows = []
    for raw in sent:
        e_2, s_2 = _numbers(raw[-64:])
        v_2 = (s_2 + e_2 * int.from_bytes(d_S, "big")) % q
        if crypto.core.base_mul(world.suite, sc(v_2)) == Envelope(raw).ephemeral:
            return got("z, and with it the message")
        e_1, s_1 = _numbers(_inner(plant, raw)[8:72])
        d = (v_2 - s_1) * pow(e_1, -1, q) % q
        if d and crypto.core.base_mul(world.suite, sc(d)) == plant.pump.me.public:
            return got("the sender's d")
        rows.append((e_1, -e_2, s_2 - s_1))
    d, found = solve(rows, q)
    if sc(d) == plant.pump.me.private or sc(found) == d_S:
        return got("d and d_S from two messages")
    return withstood(NONCES)


def _numbers(signature: bytes) -> tuple[int, int]:
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")


def _inner(plant: Plant, raw: bytes) -> bytes:
    """What a subscriber sees inside a mode 3 envelope: kid ‖ sig_i ‖ M ‖ padding."""
    core, envelope, epoch = crypto.core, Envelope(raw), plant.desk.epoch(GID)
    secret = core.ecdh(epoch.suite, epoch.keys[SUBSCRIBER], envelope.ephemeral)
    key = epoch.anonymous_key(0, secret, envelope.ephemeral)
    inner = bytearray(len(raw) - 120)
    if not core.gcm_open(key, bytes(12), epoch.context(TOPIC.encode()) + raw[:40], raw[40:-64], inner):
        raise Refused(errors.DECRYPTION)
    return bytes(inner)


# Row 3


def circular_published() -> Outcome:
    """What an honest sender would have to do: find an s_1 that fits a ciphertext with s_1 in it. Each try leads elsewhere."""
    d, z, K, s_1 = paper.draw(), paper.draw(), b"key", 0
    for _ in range(10_000):
        found = paper.circular_signature(d, z, K, b"valve open", 1000, s_1)
        if found == s_1:
            return withstood("a fixed point was found")
        s_1 = found
    return got("no message can be sent: 10,000 tries, no fixed point")


def circular_microseal(world: World) -> Outcome:
    """The inner signature is over the message, so there is one; and it is bound to its envelope, so it fits no other.

    The attacker is a member with both roles: it takes M and sig_i out of the pump's message and puts them into one of its own.
    """
    plant = Plant(world, mode=3)
    raw = plant.pump.publish(TOPIC, b"valve open")
    world.settle()
    if plant.desk.messages[-1].payload != b"valve open":
        return got("no message can be sent")
    return submit(world, plant.desk, TOPIC, wrap(world, plant, _inner(plant, raw)))


def wrap(
    world: World,
    plant: Plant,
    inner: bytes,
    z: bytes | None = None,
    Z: bytes | None = None,
    secret: bytes | None = None,
) -> bytes:
    """A mode 3 envelope with any inner part, correctly sealed for z and signed: what a publisher and a subscriber can make together.

    Z: another point than z's, or something that is none; secret: what stands for X(z·Q_P) then.
    """
    core, suite = crypto.core, world.suite
    epoch = Epoch(plant.info, group_keys(plant.fan, plant.desk), {}, 8)
    context = epoch.context(TOPIC.encode())
    z = z or world.entropy.scalar()
    head = head_of(world, plant, Z or core.base_mul(suite, z))
    key = epoch.anonymous_key(0, secret or core.ecdh(suite, z, epoch.info.public[SUBSCRIBER]), head[7:])
    box = bytearray(len(inner) + 16)
    core.gcm_seal(key, bytes(12), context + head, inner, box)
    private, public = epoch.signing_key(0)
    body = head + bytes(box)
    return body + core.sign(suite, private, public, b"m3g", context, body, world.entropy.fresh(32))


def head_of(world: World, plant: Plant, ephemeral: bytes) -> bytes:
    """h ‖ ep ‖ t ‖ pt(Z) of a mode 3 envelope of direction 0."""
    ep = plant.info.epoch & 0xFFFF
    return bytes([world.suite << 4 | 3]) + ep.to_bytes(2, "big") + int(world.time).to_bytes(4, "big") + ephemeral


# Mode 3 beside the table


def two_publishers(world: World) -> Outcome:
    """Two publishers with random sources that repeat sign with d_S: the same nonce in two signatures would give d_S away."""
    stuck = b"\x42"
    fan, pump = (world.enrol(id, source=lambda n: stuck * n) for id in ("fan", "pump"))
    desk = world.enrol("desk")
    world.form(GID, [fan, pump], [desk], mode=3, topics=["plant/#"])
    world.advance(60)
    q = SUITES[world.suite].curve.q
    d_S, public = pump.epoch(GID).signing_key(0)
    seen = []
    for device in (fan, pump, fan, pump):
        seen.append(_numbers(device.seal(TOPIC, b"same message")[-64:]))
    for i, (e, s) in enumerate(seen):
        for f, r in seen[:i]:
            if e == f:
                return got("two signatures with one nonce")
            d = (s - r) * pow(f - e, -1, q) % q
            if d and crypto.core.base_mul(world.suite, sc(d)) == public:
                return got("d_S")
    # The worst case: both draw the very same 32 bytes for the group signature, through whatever is wrong with their seeds.
    rand, context, core = bytes(32), b"", crypto.core
    signatures = [core.sign(world.suite, d_S, public, b"m3g", context, m, rand) for m in (b"one", b"two")]
    (e, s), (f, r) = map(_numbers, signatures)
    d = (s - r) * pow(f - e, -1, q) % q
    return got("d_S") if d and core.base_mul(world.suite, sc(d)) == public else withstood(NONCES)


def inner_parts(world: World) -> Outcome:
    """A corrupted publisher with another one's kid, its own message without an inner signature, bad padding, or too long a message."""
    plant = Plant(world, mode=3, max_size=40)
    fan, core = plant.fan.me, crypto.core

    def attempt(kid: bytes, message: bytes, padding: bytes, signed: bool = True) -> Outcome:
        z = world.entropy.scalar()
        head = head_of(world, plant, core.base_mul(world.suite, z))
        context = plant.fan.epoch(GID).context(TOPIC.encode())
        signature = fan.sign(b"m3i", context, head + message, world.entropy.fresh(32)) if signed else bytes(64)
        return submit(world, plant.desk, TOPIC, wrap(world, plant, kid + signature + message + padding, z))

    message, padding = b"x" * 20, b"\x80" + bytes(3)
    if not attempt(fan.kid, message, padding).succeeded:
        return got("nothing: the honest form of this message is not taken either")
    return first_success(
        [
            attempt(plant.pump.me.kid, message, padding),
            attempt(bytes(8), message, padding),
            attempt(fan.kid, message, padding, signed=False),
            attempt(fan.kid, message, bytes(4)),
            attempt(fan.kid, message, b"\x80" + bytes(35)),
            attempt(fan.kid, message, b"\x80\x00\x00\x01"),
            attempt(fan.kid, b"x" * 41, b"\x80" + bytes(14)),
            submit(world, plant.desk, TOPIC, wrap(world, plant, bytes(96))),
            submit(world, plant.desk, TOPIC, wrap(world, plant, b"\x80" + bytes(95))),
        ]
    )


def replayed(world: World) -> Outcome:
    """A mode 3 message, sent again."""
    plant = Plant(world, mode=3)
    raw = plant.pump.publish(TOPIC, b"open valve 7")
    world.settle()
    return submit(world, plant.desk, TOPIC, raw)


def replayed_without_age(world: World) -> Outcome:
    """Mode 3 where the group sets no max_age: there is no moment from which on (Z, kid) may be forgotten.

    The attacker is a member who knows what it does: its own code would not send this.
    """
    fan, desk = world.enrol("fan"), world.enrol("desk", senders=4)
    world.form(GID, [fan], [desk], mode=1, max_age=0, topics=["plant/#"])
    world.advance(60)

    def send(message: bytes) -> bytes:
        raw = seal(fan.epoch(GID), fan.me, 0, 3, TOPIC.encode(), int(world.time), message, None, world.entropy)
        submit(world, desk, TOPIC, bytes(raw))
        return bytes(raw)

    raw = send(b"open valve 7")
    if not desk.messages:
        return got("nothing: mode 3 is not taken here at all")
    for _ in range(20):  # more than a device with room for four senders remembers
        world.advance(1)
        send(b"filler")
    return submit(world, desk, TOPIC, raw)


def outsider(world: World) -> Outcome:
    """A certified device without d_S, and a subscriber, who holds d_P, speak in mode 3."""
    plant = Plant(world, mode=3)
    outcomes = []
    for me in (certified(world, "stranger"), plant.desk.me):
        own = group_keys(plant.desk) if me is plant.desk.me else {}
        # d_S is what they lack; any other key signs as badly.
        keys = {1: world.entropy.scalar()} | own
        outcomes.append(submit(world, plant.desk, TOPIC, forge(world, me, plant.info, 3, keys=keys)))
    return first_success(outcomes)


ATTACKS = [
    Attack(
        "same-z",
        "mode 3: both signatures use the same z",
        same_z_microseal,
        NONCES,
        row=2,
        published=same_z_published,
    ),
    Attack(
        "circular",
        "mode 3: s_1 over a ciphertext that contains s_1",
        circular_microseal,
        errors.INNER,
        row=3,
        published=circular_published,
    ),
    Attack("two-publishers", "two publishers with bad random sources sign with d_S", two_publishers, NONCES),
    Attack("inner", "mode 3: another's kid, no inner signature, bad padding", inner_parts, errors.INNER),
    Attack("mode-3-replay", "mode 3: sent again", replayed, errors.INNER),
    Attack("mode-3-no-age", "mode 3 in a group without max_age, sent again", replayed_without_age, errors.INNER),
    Attack("mode-3-outsider", "mode 3 without d_S: an outsider, a subscriber", outsider, errors.SIGNATURE),
]
