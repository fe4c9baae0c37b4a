"""Row 1: forging a signature whose challenge leaves the commitment out. And signatures that only look like some."""

from __future__ import annotations

import secrets

from microseal import errors
from microseal.identity import Identity
from microseal_host.reference.schnorr import verify
from microseal_host.reference.suites import SUITES, Suite, sc

from . import published as paper
from .outcome import Attack, Outcome, first_success, got, submit, withstood
from .scene import GID, TOPIC, Plant, forge
from .world import World


def forge_published() -> Outcome:
    """Picks s, and sets V = s·G + h·Q."""
    victim = paper.Node().Q  # all that the attacker knows of it
    M, T, s = b"valve open", 1000, paper.draw()
    V = paper.plus(paper.base(s), paper.times(paper.h(M, T, paper.GROUP), victim))
    return got("any message in anyone's name") if paper.verify(victim, M, T, (V, s)) else withstood("signature")


def forge_microseal(world: World) -> Outcome:
    """The same for e ‖ s: picks s, and takes for e whatever can be computed before V is known."""
    plant = Plant(world, mode=1)
    suite, victim = SUITES[world.suite], plant.pump.me.public
    unsigned = _unsigned(plant, world)
    outcomes = []
    for e in (suite.hash(unsigned), suite.hash(victim + unsigned), secrets.token_bytes(32)):
        s = secrets.randbelow(suite.curve.q - 1) + 1
        V = suite.curve.add(suite.base(s), suite.curve.multiply(int.from_bytes(e, "big"), suite.point(victim)))
        for first in (e, suite.hash(suite.pt(V) + victim + unsigned)):
            outcomes.append(submit(world, plant.desk, TOPIC, unsigned + first + sc(s)))
    return first_success(outcomes)


def _unsigned(plant: Plant, world: World) -> bytes:
    """A mode 1 envelope that names the pump, up to its signature; made with a key of the attacker's own."""
    me = world.authority.identity("stranger")
    stranger = Identity(me.anchor, plant.pump.me.cert, me.private, me.public)
    return forge(world, stranger, plant.info, 1)[:-64]


def other_ranges(world: World) -> Outcome:
    """s = 0, s = q, s above q, e unreduced, and s = −e·d, by which a corrupted member makes V' infinite."""
    plant = Plant(world, mode=1)
    suite, raw = SUITES[world.suite], plant.pump.seal(TOPIC, b"4.2")
    q, body, e, s = suite.curve.q, raw[:-64], raw[-64:-32], int.from_bytes(raw[-32:], "big")
    d = int.from_bytes(plant.pump.me.private, "big")
    tails = [e + sc(0), e + sc(q), e + sc(q + 1), e + sc(2**256 - 1), e + sc(q - s), bytes(64), bytes(32) + sc(1)]
    if s + q < 2**256:
        tails.append(e + sc(s + q))
    # V' = s·G + e·Q is infinite for these, whatever e is: also for what a careless verifier would hash in its place.
    covered = _covered(suite, plant, body)
    for infinity in (b"", bytes(33), bytes(1)):
        guess = suite.hash(suite.tag("sig/m1") + infinity + covered)
        tails.append(guess + sc(-int.from_bytes(guess, "big") * d % q))
    return first_success([submit(world, plant.desk, TOPIC, body + tail) for tail in tails])


def _covered(suite: Suite, plant: Plant, body: bytes) -> bytes:
    context = plant.pump.epoch(GID).context(TOPIC.encode())
    covered = plant.pump.me.public + len(context).to_bytes(2, "big") + context + body
    assert not verify(suite, plant.pump.me.public, "m1", context, body, bytes(64))
    return covered


def other_label(world: World) -> Outcome:
    """A signature that a device made for one purpose, used for another: here as a mode 1 message."""
    plant = Plant(world, mode=1)
    unsigned, me = _unsigned(plant, world), plant.pump.me
    context = plant.pump.epoch(GID).context(TOPIC.encode())
    outcomes = []
    for label in (b"m2", b"m3i", b"m3g", b"ask", b"renew", b"group", b"time", b"revoked"):
        signature = me.sign(label, context, unsigned, world.entropy.fresh(32))
        outcomes.append(submit(world, plant.desk, TOPIC, unsigned + signature))
    return first_success(outcomes)


ATTACKS = [
    Attack(
        "forge",
        "the challenge leaves V out: forge for anyone",
        forge_microseal,
        errors.SIGNATURE,
        row=1,
        published=forge_published,
    ),
    Attack("s-range", "s = 0, s >= q, V' at infinity", other_ranges, errors.SIGNATURE),
    Attack("label", "a signature made for another purpose", other_label, errors.SIGNATURE),
]
