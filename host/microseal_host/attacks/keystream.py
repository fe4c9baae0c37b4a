"""Row 7: a key stream that repeats. And a chip whose random source repeats, which is how keys leak in practice."""

from __future__ import annotations

from microseal import crypto
from microseal.envelope import Envelope
from microseal_host.reference.suites import SUITES, sc

from . import published as paper
from .outcome import Attack, Outcome, got, withstood
from .scene import GID, TOPIC
from .world import Device, World

FRESH = "another key stream"
KNOWN, WANTED = b"pressure 4.2 bar", b"code is 73914426"


def _xor(*parts: bytes) -> bytes:
    return bytes(a ^ b ^ c for a, b, c in zip(*parts, strict=True))


def repeated_published() -> Outcome:
    """A device without a clock reboots, and its T begins at the same value again."""
    sender, Q_P, T = paper.Node(), paper.base(paper.draw()), 1
    before, after = (paper.secret(sender, Q_P, M, T).C for M in (KNOWN, WANTED))
    return got("one known message opens the other") if _xor(before, after, KNOWN) == WANTED else withstood(FRESH)


def repeated_microseal(world: World) -> Outcome:
    """Reboots, two messages in one tick, a clock set back, and a random source that gives the same bytes all the time."""
    pump, desk = world.enrol("pump", source=lambda n: b"\x42" * n), world.enrol("desk")
    world.form(GID, [pump], [desk], mode=2, topics=["plant/#"])
    sent = []
    for _ in range(3):
        sent += [_sealed(pump, KNOWN), _sealed(pump, WANTED)]
        world.time -= 1  # the tick before, and the device starts in it
        pump.restart()
    times = {raw[11:15] for raw in sent}
    streams = [_xor(raw[27:-80], message, bytes(16)) for raw, message in zip(sent, (KNOWN, WANTED) * 3, strict=True)]
    if len(set(streams)) < len(streams):
        return got("one known message opens the other")
    return withstood(FRESH) if len(times) == 1 else got("nothing: the clock went on")


def _sealed(device: Device, message: bytes) -> bytes:
    return device.seal(TOPIC, message)


def weak_source_published() -> Outcome:
    """v comes straight from the chip: twice the same v, and d is known."""
    d, v, q = paper.draw(), paper.draw(), paper.q
    (_, s), (_, r) = paper.sign(d, b"one", 1, v), paper.sign(d, b"two", 2, v)
    h, i = paper.h(b"one", 1, paper.GROUP), paper.h(b"two", 2, paper.GROUP)
    found = (s - r) * pow(i - h, -1, q) % q
    return got("the sender's d") if found == d else withstood("hedged nonces")


def weak_source_microseal(world: World) -> Outcome:
    """A chip whose random source gives the same bytes at each start and each call: nothing that goes out repeats or gives d away."""
    pump, desk = world.enrol("pump", source=lambda n: b"\x42" * n), world.enrol("desk")
    world.form(GID, [pump], [desk], mode=1, topics=["plant/#"])
    q = SUITES[world.suite].curve.q
    signatures, seen = [], set()
    for _ in range(3):
        world.advance(60)
        for mode in (1, 2, 3):
            for message in (b"one", b"two"):
                raw = pump.seal(TOPIC, message, mode=mode)
                envelope = Envelope(raw)
                unique = envelope.ephemeral or envelope.nonce
                if unique in seen:
                    return got("a nonce, a boot value or z twice")
                seen.add(unique)
                if mode != 3:
                    signatures.append((int.from_bytes(raw[-64:-32], "big"), int.from_bytes(raw[-32:], "big")))
        pump.restart()
    for i, (e, s) in enumerate(signatures):
        for f, r in signatures[:i]:
            d = (s - r) * pow(f - e, -1, q) % q
            if d and crypto.core.base_mul(world.suite, sc(d)) == pump.me.public:
                return got("the sender's d")
    return withstood("hedged nonces")


ATTACKS = [
    Attack(
        "key-stream",
        "K = H(d_i*Q_P || T): reboot without a clock, one tick",
        repeated_microseal,
        FRESH,
        row=7,
        published=repeated_published,
    ),
    Attack(
        "weak-source",
        "a chip whose random source repeats",
        weak_source_microseal,
        "hedged nonces",
        published=weak_source_published,
    ),
]
