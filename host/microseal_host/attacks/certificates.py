"""Certificates: of another authority, run out, for another use, made up, not asked for. And how one is got."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from microseal import crypto, errors
from microseal.errors import Refused
from microseal.group import make_ask
from microseal.identity import (
    DEVICE,
    GATE,
    SIGNER,
    Certificate,
    Identity,
    Request,
    accept_reply,
    certificate_bytes,
    claim_request,
    make_request,
    make_share,
    renew_request,
)
from microseal.wire import hexkid
from microseal_host import issuing
from microseal_host.reference.suites import SUITES, sc

from .group_keys import inject
from .outcome import Attack, Outcome, first_success, got, submit, withstood
from .scene import GID, TOPIC, Plant, certified, forge
from .world import Device, World
from .world.authority import YEAR, Enrolled


def _refusal(call: Callable[[], Any], gain: str) -> Outcome:
    try:
        call()
    except Refused as refused:
        return withstood(refused.reason)
    return got(gain)


def _roster_with(world: World, me: Identity) -> None:
    """Puts an identity on the roster that no device has: what an authority would never do, to see what a receiver does then."""
    world.authority.enrolled["odd"] = Enrolled(me.cert, me.public, world.entropy.scalar())
    group = world.authority.groups[GID]
    world.send(world.authority.form(GID, [*group.publishers, "odd"], group.subscribers, group.policy))
    world.settle()


def expired(world: World) -> Outcome:
    """A member in good standing whose certificate has run out, in an epoch that has not."""
    plant = Plant(world, mode=1, lifetime=2 * YEAR)
    world.time = plant.fan.me.cert.not_after + 1
    return submit(world, plant.desk, TOPIC, forge(world, plant.fan.me, plant.info, 1))


def expired_unseen(world: World) -> Outcome:
    """The same with a certificate that the receiver has not had before."""
    plant = Plant(world, mode=1, lifetime=2 * YEAR)
    young = certified(world, "young", lifetime=86400)
    _roster_with(world, young)
    world.advance(86401)
    return submit(world, plant.desk, TOPIC, forge(world, young, plant.info, 1))


def other_use(world: World) -> Outcome:
    """The signer and a gate as senders: on the roster, by an authority that made a mistake."""
    plant = Plant(world, mode=1)
    outcomes = []
    for flags in (SIGNER, GATE, 3):
        odd = world.authority.identity("odd", flags)
        _roster_with(world, odd)
        outcomes.append(submit(world, plant.desk, TOPIC, forge(world, odd, plant.info, 1)))
    return first_success(outcomes)


def device_as_signer(world: World) -> Outcome:
    """A device's own certificate, and a gate's, as the signer's."""
    plant = Plant(world)
    outcomes = []
    for me in (plant.fan.me, world.authority.identity("gate", GATE, 2 * YEAR)):
        outcomes.append(_taken(plant.desk, me.cert.raw))
    return first_success(outcomes)


def _taken(device: Device, raw: bytes) -> Outcome:
    return _refusal(lambda: device.member.control(b"microseal/signer", raw), "the signer's place")


def other_authority(world: World) -> Outcome:
    """Another authority's signer as the signer, and its device on the roster."""
    plant = Plant(world, mode=1)
    with World(world.suite, seed=99) as elsewhere:
        signer = elsewhere.authority.identity("authority", SIGNER, 2 * YEAR)
        odd = elsewhere.authority.identity("odd")
    _roster_with(world, odd)
    return first_success(
        [_taken(plant.desk, signer.cert.raw), submit(world, plant.desk, TOPIC, forge(world, odd, plant.info, 1))]
    )


def other_suite(world: World) -> Outcome:
    """A certificate and an envelope of the other suite."""
    plant = Plant(world, mode=1)
    with World(3 - world.suite, seed=99) as elsewhere:
        there = Plant(elsewhere, mode=1)
        signer = elsewhere.authority.identity("authority", SIGNER, 2 * YEAR)
        raw = there.pump.seal(TOPIC, b"4.2")
    return first_success([_taken(plant.desk, signer.cert.raw), submit(world, plant.desk, TOPIC, raw)])


def swapped(world: World) -> Outcome:
    """The fan speaks as the pump, and the broker answers the question for the pump's certificate with the fan's."""
    plant = Plant(world, mode=1)
    late, pump, fan = world.enrol("late"), plant.pump.me, plant.fan.me
    world.change(GID, [plant.pump, plant.fan], [plant.desk, late])
    pretender = Identity(pump.anchor, pump.cert, fan.private, fan.public)
    altered = bytearray(pump.cert.raw)
    altered[13] ^= 1  # not_after
    outcomes = []
    for raw in (fan.cert.raw, bytes(altered)):
        world.broker.retained[b"microseal/cert/" + hexkid(pump.kid)] = raw
        outcomes.append(submit(world, late, TOPIC, forge(world, pretender, plant.info, 1)))
        world.advance(61)
        world.settle()
    return first_success(outcomes)


class Colliding:
    """A core under which the certificates that it is told of have one kid: as if somebody had done the 2^64 work to find them."""

    def __init__(self, core: Any, certificates: list[bytes]) -> None:
        self._core = core
        self._certificates = certificates

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    def hash(self, suite: int, *parts: bytes) -> bytes:
        digest = self._core.hash(suite, *parts)
        if parts[0] == crypto.tag(b"cert", suite) and bytes(parts[1]) in self._certificates:
            return self._core.hash(suite, crypto.tag(b"cert", suite), self._certificates[0])[:8] + digest[8:]
        return digest


def collision(world: World) -> Outcome:
    """A made-up certificate with the pump's kid: nobody has the private key of what it implies, and the attacker's own does not fit."""
    plant = Plant(world, mode=1)
    late = world.enrol("late")
    world.change(GID, [plant.pump, plant.fan], [plant.desk, late])
    world.advance(60)
    anchor, core, suite = world.authority.anchor, crypto.core, world.suite
    d = world.entropy.scalar()
    point = core.base_mul(suite, d)
    made_up = certificate_bytes(suite, DEVICE, anchor.issuer, 0xFFFFFFFF, b"pump", point, point)
    crypto.use(Colliding(core, [plant.pump.me.cert.raw, made_up]))
    try:
        me = Identity(anchor, Certificate(made_up), d, point)
        world.broker.retained[b"microseal/cert/" + hexkid(me.kid)] = made_up
        if me.kid != plant.pump.me.kid:
            return got("nothing: the kids do not collide")
        outcomes = [submit(world, device, TOPIC, forge(world, me, plant.info, 1)) for device in (plant.desk, late)]
    finally:
        crypto.use(core)
    return first_success(outcomes)


def unasked(world: World) -> Outcome:
    """Certificates that nobody asked for."""
    plant = Plant(world, mode=1)
    desk, stranger = plant.desk, world.authority.identity("stranger")
    topic = b"microseal/cert/" + hexkid(stranger.kid)
    return _refusal(lambda: desk.member.control(topic, stranger.cert.raw), "room in the device's memory")


# Enrolment


def stolen_id(world: World) -> Outcome:
    """A request for an id: with no claim, a used one, one for another id, and altered behind its proof."""
    authority, suite = world.authority, world.suite
    world.enrol("pump")
    claim = bytes.fromhex(json.loads(authority.claim("fan"))["claim"])
    fan, pump = (make_request(suite, id, world.entropy.scalar(), world.entropy.scalar()) for id in (b"fan", b"pump"))
    other = make_request(suite, b"fan", world.entropy.scalar(), world.entropy.scalar())
    proof = claim_request(suite, fan, claim)[len(fan) :]
    attempts = [
        fan,
        fan + bytes(32),
        claim_request(suite, fan, bytes(32)),
        claim_request(suite, pump, claim),
        claim_request(suite, pump, bytes(32)),
        other + proof,
    ]
    outcomes = [_refusal(lambda raw=raw: authority.enrol(raw), "a certificate for the id") for raw in attempts]
    if any(outcome.succeeded for outcome in outcomes):
        return first_success(outcomes)
    authority.enrol(fan + proof)
    again = claim_request(suite, other, claim)
    return first_success([*outcomes, _refusal(lambda: authority.enrol(again), "a second certificate for one claim")])


def forged_reply(world: World) -> Outcome:
    """The broker answers a request itself: with a key of its own, with the reply to another request, altered, for another use."""
    suite, anchor, authority = world.suite, world.authority.anchor, world.authority
    r, g, k = (world.entropy.scalar() for _ in range(3))
    request = Request(make_request(suite, b"pump", r, g))
    _, genuine = issuing.issue(anchor, authority.private, request, k, DEVICE, 2_000_000_000)
    other = Request(make_request(suite, b"pump", world.entropy.scalar(), g))
    _, reply = issuing.issue(anchor, authority.private, other, k, DEVICE, 2_000_000_000)
    _, own = issuing.issue(anchor, world.entropy.scalar(), request, k, DEVICE, 2_000_000_000)
    later = genuine[:2] + b"\xff" * 4 + genuine[6:]
    zero = genuine[:39] + bytes(32)
    outcomes = []
    for raw in (reply, own, later, zero, genuine[:39] + sc(SUITES[suite].curve.q)):
        accept = lambda raw=raw: accept_reply(anchor, raw, b"pump", r, request.share_point)  # noqa: E731
        outcomes.append(_refusal(accept, "an identity of the broker's choice"))
    return first_success(outcomes)


def other_flags(world: World) -> Outcome:
    """The device asked for flags 0, and gets a genuine certificate for another use."""
    r, g = world.entropy.scalar(), world.entropy.scalar()
    request = Request(make_request(world.suite, b"pump", r, g))
    outcomes = []
    for flags in (SIGNER, GATE):
        _, reply = world.authority._issue(request, flags, 2_000_000_000)
        accept = lambda raw=reply: accept_reply(  # noqa: E731
            world.authority.anchor, raw, b"pump", r, request.share_point
        )
        outcomes.append(_refusal(accept, "an identity with other rights"))
    return first_success(outcomes)


def rogue_share(world: World) -> Outcome:
    """A device that contributes an x which is not its own d + g: to know the sum, or to cancel another member's."""
    authority = world.authority
    me = authority.identity("odd")
    outcomes = []
    for g in (world.entropy.scalar(), me.private):
        box = make_share(me, g)
        open_it = lambda box=box: issuing.open_share(authority.anchor, authority.private, me.cert, box)  # noqa: E731
        outcomes.append(_refusal(open_it, "a share of its choice"))
    return first_success(outcomes)


def reply_to_another(world: World) -> Outcome:
    """A device that waits for its reply is given somebody else's, on that one's topic and on its own."""
    world.enrol("pump")
    world.broker.on_way = lambda packet, to: () if packet.topic.startswith(b"microseal/reply/") else (packet,)
    late = world.enrol("late")
    if late.member.enrolled:
        return got("nothing: it is enrolled already")
    reply = next(p.payload for p in world.broker.log if p.topic == b"microseal/reply/pump")
    inject(world, late, [(b"microseal/reply/pump", reply), (b"microseal/reply/late", reply)])
    return got("an identity") if late.member.enrolled else withstood(late.refused[-1][1])


# Renewal and asks: what a device says by its key


def stolen_renewal(world: World) -> Outcome:
    """A member renews another one's certificate, with a key of its own in it: by its own signature, and by one of the other's."""
    pump, fan, suite = world.enrol("pump"), world.enrol("fan"), world.suite
    plain = make_request(suite, b"pump", world.entropy.scalar(), world.entropy.scalar())
    signed = plain + pump.me.kid
    fresh = world.entropy.fresh
    by_fan = signed + fan.me.sign(b"renew", b"", signed, fresh(32))
    other = make_request(suite, b"pump", world.entropy.scalar(), world.entropy.scalar()) + pump.me.kid
    moved = signed + pump.me.sign(b"renew", b"", other, fresh(32))
    asked = signed + pump.me.sign(b"ask", b"", signed, fresh(32))
    return first_success([_renewal(world, raw, pump) for raw in (by_fan, moved, asked)])


def late_renewal(world: World) -> Outcome:
    """A key that was stolen from a device whose certificate has run out."""
    pump = world.enrol("pump")
    raw = renew_request(pump.me, make_request(world.suite, b"pump", *_two(world)), world.entropy.fresh(32))
    world.time = pump.me.cert.not_after + 1
    return _renewal(world, raw, pump)


def renewal_of_another(world: World) -> Outcome:
    """A member asks for a certificate under another one's id, by the certificate that is its own."""
    pump, fan = world.enrol("pump"), world.enrol("fan")
    plain = make_request(world.suite, b"pump", *_two(world))
    raw = renew_request(fan.me, plain, world.entropy.fresh(32))
    return first_success([_renewal(world, raw, pump), _renewal(world, raw, fan)])


def _two(world: World) -> tuple[bytes, bytes]:
    return world.entropy.scalar(), world.entropy.scalar()


def _renewal(world: World, raw: bytes, current: Device) -> Outcome:
    def check() -> None:
        issuing.check_renewal(world.authority.anchor, Request(raw), current.me.cert, int(world.time))

    return _refusal(check, "a certificate in another one's name")


def replayed_ask(world: World) -> Outcome:
    """An ask for key packets, sent again at once, and after the authority has forgotten it."""
    pump, anchor = world.enrol("pump"), world.authority.anchor
    now = int(world.time)
    raw = make_ask(pump.me, b"plant", 0, now, world.entropy.fresh(32))
    _, _, last = issuing.verify_ask(anchor, pump.me.cert, raw, now, None)
    again = [(now + 1, last), (now + 121, None), (now - 121, None)]
    return first_success(
        [
            _refusal(
                lambda at=at, last=last: issuing.verify_ask(anchor, pump.me.cert, raw, at, last), "work for nothing"
            )
            for at, last in again
        ]
    )


ATTACKS = [
    Attack("expired", "a sender's certificate that has run out", expired, errors.EXPIRED),
    Attack("expired-unseen", "the same, not seen before", expired_unseen, errors.EXPIRED),
    Attack("other-use", "the signer's and a gate's certificate as a sender's", other_use, errors.FLAGS),
    Attack("as-signer", "a device's and a gate's certificate as the signer's", device_as_signer, errors.FLAGS),
    Attack("other-authority", "certificates of another authority", other_authority, errors.ISSUER),
    Attack("other-suite", "certificates and messages of the other suite", other_suite, errors.SUITE),
    Attack("swapped", "another certificate than the one asked for", swapped, errors.HASH),
    Attack("collision", "a made-up certificate with a member's kid", collision, errors.SIGNATURE),
    Attack("unasked", "certificates that nobody asked for", unasked, errors.UNKNOWN),
    Attack("stolen-id", "enrolment under another one's id", stolen_id, errors.CLAIM),
    Attack("forged-reply", "a reply that the authority did not make for it", forged_reply, errors.KEY),
    Attack("other-flags", "a reply with other flags than asked for", other_flags, errors.FLAGS),
    Attack("wrong-reply", "another device's reply", reply_to_another, errors.KEY),
    Attack("rogue-share", "a share that is not the device's own", rogue_share, errors.KEY),
    Attack("renewal", "a renewal signed by somebody else", stolen_renewal, errors.SIGNATURE),
    Attack("late-renewal", "a renewal by a certificate that has run out", late_renewal, errors.EXPIRED),
    Attack("renewal-id", "a renewal under another one's id", renewal_of_another, errors.CLAIM),
    Attack("ask-replay", "an ask sent again", replayed_ask, errors.TIME),
]
