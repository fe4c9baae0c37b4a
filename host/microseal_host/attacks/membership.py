"""Rows 10, 11 and 12: what a message is tied to. Topic, group, role, epoch, mode."""

from __future__ import annotations

from typing import Any

from microseal import errors
from microseal.group import PUBLISHER, SUBSCRIBER
from microseal.policy import Policy
from microseal.wire import u16

from . import published as paper
from .group_keys import INFO, inject, opens
from .outcome import Attack, Outcome, first_success, got, submit, withstood
from .scene import GID, QUERY_TOPIC, TOPIC, Plant, certified, forge, group_keys
from .world import World

OTHER_TOPIC = "plant/valve"


# Row 10


def moved_published() -> Outcome:
    """The broker delivers a message on another topic than it was published on: nothing in it says which."""
    sender, d_P = paper.Node(), paper.draw()
    message = paper.secret(sender, paper.base(d_P), b"0", 1000)
    delivered = ("boiler/valve", message)  # published on boiler/alarm
    taken = paper.open_secret(d_P, sender.Q, delivered[1], 1000)
    return got("an alarm of 0 closes a valve") if taken == b"0" else withstood(errors.SIGNATURE)


def moved_microseal(world: World) -> Outcome:
    """To another topic of the group, and to the same topic of another group with the same members, in all modes."""
    plant = Plant(world, mode=1)
    world.form("yard", [plant.pump], [plant.desk], topics=["yard/#"])
    outcomes = []
    for mode in (1, 2, 3):
        for topic in (OTHER_TOPIC, "yard/level"):
            outcomes.append(submit(world, plant.desk, topic, plant.pump.seal(TOPIC, b"0", mode=mode)))
    return first_success(outcomes)


# Row 11


def outsider_published() -> Outcome:
    """Any device with a certificate of the authority seals for the public Q_P."""
    stranger, d_P = paper.Node(), paper.draw()
    message = paper.secret(stranger, paper.base(d_P), b"valve open", 1000)
    plain = paper.open_secret(d_P, stranger.Q, message, 1000)
    return got("a stranger speaks in the group") if plain == b"valve open" else withstood(errors.ROLE)


def outsider_microseal(world: World) -> Outcome:
    """A certified device on no roster; it knows the group keys of a corrupted member, too."""
    plant = Plant(world, mode=1)
    stranger = certified(world, "stranger")
    outcomes = []
    for keys in ({}, group_keys(plant.fan)):
        outcomes += [submit(world, plant.desk, TOPIC, forge(world, stranger, plant.info, m, keys=keys)) for m in (1, 2)]
    return first_success(outcomes)


def outsider_with_d_s(world: World) -> Outcome:
    """The same in mode 3, with the d_S of a corrupted publisher."""
    plant = Plant(world, mode=3)
    stranger = certified(world, "stranger")
    return submit(world, plant.desk, TOPIC, forge(world, stranger, plant.info, 3, keys=group_keys(plant.fan)))


def evicted(world: World) -> Outcome:
    """An evicted publisher, after the overlap, in the epoch that it has left and in the one that it is not in."""
    plant = Plant(world, mode=1)
    keys, me, old = group_keys(plant.fan), plant.fan.me, plant.info
    world.evict(plant.fan)
    raws = [forge(world, me, plant.info, mode, keys=keys) for mode in (1, 2)]
    outcomes = [submit(world, plant.desk, TOPIC, raw) for raw in raws]
    world.advance(121)
    late = [submit(world, plant.desk, TOPIC, forge(world, me, old, mode, keys=keys)) for mode in (1, 2, 3)]
    if any(o.succeeded or o.detail != errors.EPOCH for o in late):
        return first_success(late)
    return first_success(outcomes)


def evicted_anonymous(world: World) -> Outcome:
    """The same in mode 3: the d_S that it has is of the epoch before."""
    plant = Plant(world, mode=3)
    keys, me = group_keys(plant.fan), plant.fan.me
    world.evict(plant.fan)
    return submit(world, plant.desk, TOPIC, forge(world, me, plant.info, 3, keys=keys))


def evicted_reader(world: World) -> Outcome:
    """An evicted subscriber, with all group keys that it had, on what is sent after it left."""
    plant = Plant(world)
    guest = world.enrol("guest")
    world.change(GID, [plant.pump, plant.fan], [plant.desk, guest])
    d_P = guest.epoch(GID).keys[SUBSCRIBER]
    before = plant.pump.seal(TOPIC, b"while it was in")
    if not opens(plant, before, d_P).succeeded:
        return got("nothing: it never could read")
    world.evict(guest)
    return opens(plant, plant.pump.seal(TOPIC, b"after it left"), d_P)


def wrong_role(world: World) -> Outcome:
    """A subscriber publishes, and a publisher asks, with every group key that each of them holds, in modes 1 and 2."""
    plant = Plant(world, mode=1)
    desk, fan, outcomes = plant.desk, plant.fan, []
    other = world.enrol("other")
    world.change(GID, [plant.pump, fan], [desk, other])
    for mode in (1, 2):
        raw = forge(world, other.me, plant.info, mode, keys=group_keys(other))
        outcomes.append(submit(world, desk, TOPIC, raw))
        raw = forge(world, fan.me, plant.info, mode, QUERY_TOPIC, direction=1, keys=group_keys(fan))
        outcomes.append(submit(world, plant.pump, QUERY_TOPIC, raw))
    return first_success(outcomes)


def wrong_role_anonymous(world: World) -> Outcome:
    """The same in mode 3, where the role is proved by the group key: a subscriber has d_P, not d_S."""
    plant = Plant(world, mode=3)
    d_P = group_keys(plant.desk)[SUBSCRIBER]
    raw = forge(world, plant.desk.me, plant.info, 3, keys={PUBLISHER: d_P})
    d_S = group_keys(plant.fan)[PUBLISHER]
    query = forge(world, plant.fan.me, plant.info, 3, QUERY_TOPIC, direction=1, keys={SUBSCRIBER: d_S})
    return first_success([submit(world, plant.desk, TOPIC, raw), submit(world, plant.pump, QUERY_TOPIC, query)])


def wrong_role_colluding(world: World) -> Outcome:
    """A subscriber with the d_S of a corrupted publisher, in mode 3."""
    plant = Plant(world, mode=3)
    other = world.enrol("other")
    world.change(GID, [plant.pump, plant.fan], [plant.desk, other])
    world.advance(60)
    keys = group_keys(plant.fan)
    return submit(world, plant.desk, TOPIC, forge(world, other.me, plant.info, 3, keys=keys))


def direction(world: World) -> Outcome:
    """Between members that have both roles: a message of one direction on a topic of the other."""
    plant = Plant(world, mode=1)
    pump, fan = plant.pump, plant.fan
    world.change(GID, [pump, fan], [pump, fan])
    outcomes = []
    for mode in (1, 2, 3):
        for topic, way in ((TOPIC, 1), (QUERY_TOPIC, 0)):
            raw = forge(world, fan.me, plant.info, mode, topic, direction=way, keys=group_keys(fan))
            outcomes.append(submit(world, pump, topic, raw))
    return first_success(outcomes)


def revoked(world: World) -> Outcome:
    """A member whose certificate the authority took back, before the next epoch, in modes 1 and 2."""
    plant = Plant(world, mode=1)
    world.revoke(plant.fan)
    keys = group_keys(plant.fan)
    return first_success(
        [submit(world, plant.desk, TOPIC, forge(world, plant.fan.me, plant.info, m, keys=keys)) for m in (1, 2)]
    )


def two_groups(world: World) -> Outcome:
    """A second group of the same authority claims topics of the first: what belongs to two groups belongs to none."""
    plant = Plant(world, mode=2)
    guest = world.enrol("guest")
    world.form("guests", [guest], [plant.desk], mode=1, topics=["plant/level"])
    info = world.authority.groups["guests"].info
    return submit(world, plant.desk, TOPIC, forge(world, guest.me, info, 1))


def own_topics(world: World) -> Outcome:
    """A message of the application on a topic that is the authority's, or that begins with $, where a filter says #."""
    pump, desk = world.enrol("pump"), world.enrol("desk")
    world.form(GID, [pump], [desk], topics=["#"])
    world.advance(60)
    info = world.authority.groups[GID].info
    outcomes = []
    for topic in ("$SYS/x", "$share/y/z", "plant/\0", "plant/+", "plant/#", ""):
        outcomes.append(submit(world, desk, topic, forge(world, pump.me, info, 1, topic)))
    return first_success(outcomes)


# Row 12


def mode_published() -> Outcome:
    """The broker tells the publishers that the group's mode is 1: they send in clear."""
    pump, Q_P, M = paper.Node(), paper.base(paper.draw()), b"recipe 7"

    def publish(group: dict[str, int]) -> bytes:
        return M if group["mode"] == 1 else paper.secret(pump, Q_P, M, 1000).C

    genuine, altered = {"mode": 2}, {"mode": 1}
    if M in publish(genuine):
        return withstood("mode 2 is in clear")
    return got("the broker reads everything") if M in publish(altered) else withstood(errors.SIGNATURE)


def mode_microseal(world: World) -> Outcome:
    """The broker edits the policy in the info of the next epoch on its way to the pump: mode, sizes, ages, topics, kinds."""
    plant = Plant(world, mode=2)
    changes: list[dict[str, Any]] = [
        {"mode": 1},
        {"mode": 0},
        {"max_age": 0},
        {"max_size": 65535},
        {"filters": [(0, b"#")]},
        {"filters": [(2, b"plant/#")]},
    ]
    pump, epoch = plant.pump, plant.info.epoch
    world.broker.on_way = lambda packet, to: () if to == "pump" and packet.topic == INFO else (packet,)
    world.change(GID, [plant.pump, plant.fan], [plant.desk])
    genuine, outcomes = plant.info, []
    for change in changes:
        old = genuine.policy
        fields = vars(old) | change
        inject(world, pump, [(INFO, _with_policy(genuine.raw, old, Policy(**fields)))])
        switched = pump.epoch(GID).info.epoch > epoch
        outcomes.append(got("the pump does as the broker says") if switched else withstood(pump.refused[-1][1]))
    return first_success(outcomes)


def _with_policy(raw: bytes, old: Policy, new: Policy) -> bytes:
    before, after = (u16(len(p.encode())) + p.encode() for p in (old, new))
    assert raw.count(before) == 1
    return raw.replace(before, after)


def lower_mode(world: World) -> Outcome:
    """A member sends in mode 1 what its group wants in mode 2, and in mode 2 what it wants in mode 3; and in modes that are none."""
    plant = Plant(world, mode=2)
    outcomes = [submit(world, plant.desk, TOPIC, forge(world, plant.pump.me, plant.info, 1))]
    world.change(
        GID,
        [plant.pump, plant.fan],
        [plant.desk],
        Policy(3, 600, 1000, [(0, b"plant/#"), (1, b"ask/#"), (2, b"state/#")]),
    )
    for mode in (1, 2):
        raw = forge(world, plant.pump.me, plant.info, mode, keys=group_keys(plant.pump))
        outcomes.append(submit(world, plant.desk, TOPIC, raw))
    raw = forge(world, plant.pump.me, plant.info, 1)
    outcomes += [submit(world, plant.desk, TOPIC, bytes([raw[0] & 0xF8 | mode]) + raw[1:]) for mode in (0, 4, 5, 6, 7)]
    return first_success(outcomes)


def too_long(world: World) -> Outcome:
    """A member sends one byte more than the policy allows, in modes 1 and 2, and a block more in mode 3."""
    plant = Plant(world, mode=1, max_size=100)
    keys, me = group_keys(plant.pump), plant.pump.me
    return first_success(
        [
            submit(world, plant.desk, TOPIC, forge(world, me, plant.info, mode, message=bytes(size), keys=keys))
            for mode, size in ((1, 101), (2, 101), (3, 133))
        ]
    )


ATTACKS = [
    Attack(
        "topic",
        "a valid message moved to another topic",
        moved_microseal,
        errors.SIGNATURE,
        row=10,
        published=moved_published,
    ),
    Attack(
        "outsider",
        "a certified outsider publishes with the public Q_P",
        outsider_microseal,
        errors.ROLE,
        row=11,
        published=outsider_published,
    ),
    Attack(
        "mode",
        "the broker turns the group's mode down",
        mode_microseal,
        errors.SIGNATURE,
        row=12,
        published=mode_published,
    ),
    Attack("outsider-d_S", "an outsider with a corrupted publisher's d_S, mode 3", outsider_with_d_s, errors.INNER),
    Attack("evicted", "an evicted publisher, old and new epoch", evicted, errors.ROLE),
    Attack("evicted-3", "an evicted publisher in mode 3", evicted_anonymous, errors.SIGNATURE),
    Attack("evicted-reader", "an evicted subscriber reads on", evicted_reader, errors.DECRYPTION),
    Attack("wrong-role", "a subscriber publishes, a publisher asks", wrong_role, errors.ROLE),
    Attack("wrong-role-3", "the same in mode 3", wrong_role_anonymous, errors.SIGNATURE),
    Attack("wrong-role-d_S", "a subscriber with a corrupted publisher's d_S", wrong_role_colluding, errors.INNER),
    Attack("direction", "a message of the other direction", direction, errors.DIRECTION),
    Attack("revoked", "a revoked member, before the next epoch", revoked, errors.REVOKED),
    Attack("two-groups", "a group that claims another one's topic", two_groups, errors.TOPIC),
    Attack("own-topics", "topics of the authority's, $ topics, wildcards", own_topics, errors.TOPIC),
    Attack("lower-mode", "a message below the group's mode, or of none", lower_mode, errors.MODE),
    Attack("too-long", "a message longer than the policy allows", too_long, errors.SIZE),
]
