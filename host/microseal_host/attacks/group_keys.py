"""Rows 4, 5, 6 and 9: group keys that come from the wrong hand, come back, or can be computed by those who were shut out."""

from __future__ import annotations

from collections.abc import Callable

from microseal import crypto, errors
from microseal.envelope import Envelope
from microseal.epoch import Epoch
from microseal.errors import Refused
from microseal.group import PUBLISHER, SUBSCRIBER, Info, open_key_packet
from microseal.identity import SIGNER, Identity, certificate_bytes
from microseal.wire import hexkid, u8
from microseal_host import issuing
from microseal_host.reference.suites import SUITES, sc

from . import published as paper
from .outcome import Attack, Outcome, first_success, got, withstood
from .scene import GID, TOPIC, Plant
from .world import Device, Packet, World

INFO = b"microseal/group/plant/info"


def _refusal(call: Callable[[], object]) -> str:
    """The reason of the Refused that call raises, "taken" if it raises none."""
    try:
        call()
    except Refused as refused:
        return refused.reason
    return "taken"


# Row 4


def own_key_published() -> Outcome:
    """The broker hands out a Q_P of its own."""
    sender, d_broker = paper.Node(), paper.draw()
    message = paper.secret(sender, paper.base(d_broker), b"valve open", 1000)
    plain = paper.open_secret(d_broker, sender.Q, message, 1000)
    return got("the broker reads everything") if plain == b"valve open" else withstood(errors.DECRYPTION)


def own_key_microseal(world: World) -> Outcome:
    """A complete next epoch of the broker's making: info, rosters as they are, and a key packet. It lacks the authority's signature."""
    plant = Plant(world)
    pump = plant.pump
    keys = issuing.make_keys(world.suite, [], [], world.entropy.scalar(), world.entropy.scalar())
    retained, base = world.broker.retained, b"microseal/group/plant"
    rosters = retained[base + b"/p"], retained[base + b"/s"]
    inject(world, pump, next_epoch(world, plant, world.authority.identity("broker"), keys, rosters, pump, PUBLISHER))
    if pump.epoch(GID).info.public[SUBSCRIBER] == keys.public[SUBSCRIBER]:
        return got("the broker reads everything")
    return withstood(pump.refused[-1][1])


def next_epoch(
    world: World,
    plant: Plant,
    signer: Identity,
    keys: issuing.GroupKeys,
    rosters: tuple[bytes, bytes],
    member: Device,
    role: int,
) -> list[tuple[bytes, bytes]]:
    """(topic, payload) of all that one member needs for the plant's next epoch, as made by whoever has `signer`'s key."""
    suite, old, fresh = world.suite, plant.info, world.entropy
    policy = old.policy.encode()
    raw = issuing.make_info(
        signer, old.gid, old.epoch + 1, old.issued, old.not_after, policy, keys, *rosters, fresh.fresh(32)
    )
    info = Info(suite, raw, None)
    me, private = member.me, keys.private[role]
    packet = issuing.make_key_packet(suite, me.kid, me.public, role, info.epoch, info.hash, private, fresh.scalar())
    base = b"microseal/group/plant"
    return [
        (b"microseal/key/plant/" + hexkid(me.kid) + b"/%d" % role, packet),
        (INFO, raw),
        (base + b"/p", rosters[0]),
        (base + b"/s", rosters[1]),
    ]


def inject(world: World, device: Device, packets: list[tuple[bytes, bytes]]) -> None:
    """Messages of the broker's own, read one by one."""
    for topic, payload in packets:
        world.broker.deliver(Packet(topic, payload), device.id)
        world.settle()


def made_up_signer(world: World) -> Outcome:
    """Anybody can write an implicit certificate. Nobody has this one's key: in the signer's place it would end all signatures."""
    plant = Plant(world)
    desk, anchor = plant.desk, world.authority.anchor
    points = [crypto.core.base_mul(world.suite, world.entropy.scalar()) for _ in range(2)]
    made_up = certificate_bytes(world.suite, SIGNER, anchor.issuer, 0xFFFFFFFF, b"authority", *points)
    inject(world, desk, [(b"microseal/signer", made_up)])
    desk.restart()
    epoch = plant.info.epoch
    world.change(GID, [plant.pump], [desk])
    if desk.epoch(GID).info.epoch == epoch:
        return got("the device listens to the authority no more")
    return withstood("unproven")


def other_signers(world: World) -> Outcome:
    """An info signed by a member, by a gate's key, and by a signer whose certificate was replaced or has run out."""
    plant = Plant(world)
    desk, authority = plant.desk, world.authority
    replaced = authority.signer
    world.send([authority.replace_signer()])
    world.change(GID, [plant.pump], [desk])
    old = plant.info
    outcomes = []
    for me in (plant.pump.me, authority.identity("gate", 2), replaced):
        signature = me.sign(b"group", b"", _next_epoch(old.raw[:-64]), world.entropy.fresh(32))
        inject(world, desk, [(INFO, _next_epoch(old.raw[:-64]) + signature)])
        group = desk.member.groups.by_gid[GID.encode()]
        outcomes.append(got("an info of its own") if group.pending else withstood(desk.refused[-1][1]))
    return first_success(outcomes)


def _next_epoch(body: bytes) -> bytes:
    """The body of an info with its epoch one higher."""
    at = 2 + len(GID)
    return body[:at] + (int.from_bytes(body[at : at + 4], "big") + 1).to_bytes(4, "big") + body[at + 4 :]


# Row 5


def old_key_published() -> Outcome:
    """A thief has the key of one epoch. Somebody joins, and leaves again."""
    publisher, authority = paper.Node(), b"authority's secret"

    def d_P(members: list[str]) -> int:
        return (publisher.x + paper.group_secret(authority, members)) % paper.q

    stolen = d_P(["pump", "desk"])
    assert stolen != d_P(["pump", "desk", "visitor"])
    now = d_P(["pump", "desk"])
    message = paper.secret(publisher, paper.base(now), b"valve open", 1000)
    plain = paper.open_secret(stolen, publisher.Q, message, 1000)
    return (
        got("the stolen key opens again, two epochs later") if plain == b"valve open" else withstood(errors.DECRYPTION)
    )


def old_key_microseal(world: World) -> Outcome:
    plant = Plant(world)
    visitor = world.enrol("visitor")
    stolen = plant.desk.epoch(GID).keys[SUBSCRIBER]
    world.change(GID, [plant.pump, plant.fan], [plant.desk, visitor])
    world.change(GID, [plant.pump, plant.fan], [plant.desk])
    return opens(plant, plant.pump.seal(TOPIC, b"valve open"), stolen)


def opens(plant: Plant, raw: bytes, d_P: bytes) -> Outcome:
    """What somebody reads with the key d_P who has all that is public."""
    thief = Epoch(plant.info, {SUBSCRIBER: d_P}, {}, 8)
    try:
        return got(f"reads {Envelope(raw).open(thief, TOPIC.encode(), plant.pump.me.public)!r}")
    except Refused as refused:
        return withstood(refused.reason)


# Row 6


def difference_published() -> Outcome:
    """d_P − d_S stays but for the x of who moved: an evicted subscriber and a publisher compute the new d_P."""
    publisher, desk, evicted, q = paper.Node(), paper.Node(), paper.Node(), paper.q
    b, c = paper.draw(), paper.draw()  # the blinds of the two epochs, each for both keys
    old_P, old_S = (publisher.x + b) % q, (desk.x + evicted.x + b) % q
    new_P, new_S = (publisher.x + c) % q, (desk.x + c) % q
    computed = (new_S + old_P - old_S + evicted.x) % q
    return got("the evicted one has the new d_P") if computed == new_P else withstood(errors.DECRYPTION)


def difference_microseal(world: World) -> Outcome:
    plant = Plant(world)
    evicted = world.enrol("evicted")
    world.change(GID, [plant.pump, plant.fan], [plant.desk, evicted])
    x = _number(world.authority.enrolled["evicted"].share)  # its own d + g, known to itself
    old_P = _number(evicted.epoch(GID).keys[SUBSCRIBER])
    old_S = _number(plant.fan.epoch(GID).keys[PUBLISHER])
    world.evict(evicted)
    new_S = _number(plant.fan.epoch(GID).keys[PUBLISHER])
    return opens(plant, plant.pump.seal(TOPIC, b"valve open"), _key(world, new_S + old_P - old_S + x))


def _number(scalar: bytes) -> int:
    return int.from_bytes(scalar, "big")


def _key(world: World, number: int) -> bytes:
    return sc(number % SUITES[world.suite].curve.q)


# Row 9


def subtracted_published() -> Outcome:
    """The rule asks for d_P − d_1, which the authority cannot compute; and who is evicted can, if it also subscribed."""
    evicted, other, q = paper.Node(), paper.Node(), paper.q
    old = (evicted.x + other.x + paper.draw()) % q
    announced = paper.minus(paper.base(old), evicted.Q)  # Q_P − Q_1, as it stands there
    authority = (old - evicted.x) % q  # all that the authority knows of d_1 is d_1 + g_1
    evicted_one = (old - evicted.d) % q  # it has held d_P, and knows its own d_1
    if paper.base(authority) != announced and paper.base(evicted_one) == announced:
        return got("the evicted one has the new d_P, the authority has not")
    return withstood(errors.DECRYPTION)


def subtracted_microseal(world: World) -> Outcome:
    """A member with both roles is evicted, and takes its own part out of the d_P that it held."""
    plant = Plant(world)
    evicted = world.enrol("evicted")
    world.change(GID, [plant.pump, evicted], [plant.desk, evicted])
    old = _number(evicted.epoch(GID).keys[SUBSCRIBER])
    x, d = _number(world.authority.enrolled["evicted"].share), _number(evicted.me.private)
    world.evict(evicted)
    raw = plant.pump.seal(TOPIC, b"valve open")
    return first_success([opens(plant, raw, _key(world, old - part)) for part in (x, d, x - d, 0)])


# Beside the table: what the key packets are tied to


def wrong_packets(world: World) -> Outcome:
    """Key packets and broadcasts with a key that is not the info's, sealed for this device as anybody can seal them."""
    plant = Plant(world)
    desk, suite = plant.desk, world.suite
    hold_back = {b"microseal/key/plant/" + hexkid(desk.me.kid) + b"/2"}
    world.broker.on_way = lambda packet, _: () if packet.topic in hold_back else (packet,)
    world.change(GID, [plant.pump, plant.fan], [desk])
    info, outcomes = plant.info, []
    for private in (world.entropy.scalar(), desk.epoch(GID).keys[SUBSCRIBER]):
        packet = issuing.make_key_packet(
            suite, desk.me.kid, desk.me.public, SUBSCRIBER, info.epoch, info.hash, private, world.entropy.scalar()
        )
        rekey = issuing.make_rekey(
            suite, GID.encode(), SUBSCRIBER, info.epoch, info.hash, desk.epoch(GID).keys[SUBSCRIBER], private
        )
        for topic, raw in ((next(iter(hold_back)), packet), (b"microseal/group/plant/2", rekey)):
            inject(world, desk, [(topic, raw)])
            switched = desk.epoch(GID).info.epoch == info.epoch
            outcomes.append(got("a key of the attacker's") if switched else withstood(desk.refused[-1][1]))
    return first_success(outcomes)


def stolen_packet(world: World) -> Outcome:
    """A member opens the key packet of another one, or of its own other role."""
    plant = Plant(world)
    fan, retained = plant.fan, world.broker.retained
    outcomes = []
    for kid, role in ((plant.pump.me.kid, PUBLISHER), (plant.desk.me.kid, SUBSCRIBER)):
        raw = retained[b"microseal/key/plant/" + hexkid(kid) + b"/%d" % role]
        own_topic = b"microseal/key/plant/" + hexkid(fan.me.kid) + b"/2"
        inject(world, fan, [(own_topic, raw)])
        outcomes.append(_open_packet(plant, fan.me, u8(role) + raw[1:], role))
    return first_success(outcomes)


def _open_packet(plant: Plant, me: Identity, raw: bytes, role: int) -> Outcome:
    reason = _refusal(lambda: open_key_packet(me, plant.info, raw, role))
    return got("a key that is not its own") if reason == "taken" else withstood(reason)


def foreign_groups(world: World) -> Outcome:
    """The broker makes a device look at groups that it is not in, until there is no room left for its own."""
    pump, desk = world.enrol("pump"), world.enrol("desk", groups=2)
    kid = hexkid(desk.me.kid)
    for gid in ("a", "b", "c"):
        world.form(gid, [pump], [], topics=[gid + "/#"])
        inject(world, desk, [(b"microseal/key/" + gid.encode() + b"/" + kid + b"/2", b"\x02" + bytes(85))])
    desk.restart()
    world.form(GID, [pump], [desk], topics=["plant/#"])
    if not desk.in_group(GID):
        return got("shut out of its own group")
    return withstood("forgotten")


ATTACKS = [
    Attack(
        "broker-key",
        "a broker makes its own group key",
        own_key_microseal,
        errors.SIGNATURE,
        row=4,
        published=own_key_published,
    ),
    Attack(
        "old-key",
        "an old key comes back with the old members",
        old_key_microseal,
        errors.DECRYPTION,
        row=5,
        published=old_key_published,
    ),
    Attack(
        "difference",
        "d_P - d_S across a rekey: evicted and publisher collude",
        difference_microseal,
        errors.DECRYPTION,
        row=6,
        published=difference_published,
    ),
    Attack(
        "subtracted",
        "an evicted publisher's d is subtracted",
        subtracted_microseal,
        errors.DECRYPTION,
        row=9,
        published=subtracted_published,
    ),
    Attack("made-up-signer", "a made-up certificate takes the signer's place", made_up_signer, "unproven"),
    Attack("other-signer", "infos signed by a member, a gate, a former signer", other_signers, errors.SIGNATURE),
    Attack("wrong-packet", "key packets and broadcasts with another key", wrong_packets, errors.KEY),
    Attack("stolen-packet", "another one's key packet", stolen_packet, errors.DECRYPTION),
    Attack("foreign-groups", "groups it is not in take a device's room", foreign_groups, "forgotten"),
]
