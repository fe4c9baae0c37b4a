"""A certified device on no roster, an evicted one and one of the other role get no message accepted: in any mode, either way, ever."""

from __future__ import annotations

import pytest

from microseal import errors
from microseal.group import PUBLISHER, SUBSCRIBER
from microseal_host.attacks.outcome import submit, withstood
from microseal_host.attacks.scene import GID, QUERY_TOPIC, TOPIC, Plant, certified, forge, group_keys
from world import Device, World

TOPICS = TOPIC, QUERY_TOPIC


def _receiver(plant: Plant, direction: int) -> Device:
    return plant.pump if direction else plant.desk


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("mode", [1, 2, 3])
@pytest.mark.parametrize("who", ["outsider", "other role", "evicted", "evicted, old epoch", "evicted, overlap"])
def test_refused(who: str, mode: int, direction: int, suite: int) -> None:
    with World(suite) as world:
        plant = Plant(world, mode=1)
        guests = world.enrol("guest-p"), world.enrol("guest-s")
        world.change(GID, [plant.pump, plant.fan, guests[0]], [plant.desk, guests[1]])
        for guest, topic in zip(guests, TOPICS, strict=True):
            guest.publish(topic, b"while it is in")
            world.settle()
        assert [m.sender for m in (plant.desk.messages[-1], plant.pump.messages[-1])] == [b"guest-p", b"guest-s"]
        info, guest = plant.info, guests[direction]
        me, keys = guest.me, group_keys(guest)
        expected = errors.ROLE if mode < 3 else errors.SIGNATURE
        if who == "outsider":
            me, keys = certified(world, "stranger"), {}
        elif who == "other role":
            me, keys = guests[1 - direction].me, group_keys(guests[1 - direction])
        else:
            world.evict(guest)
            if who == "evicted":
                info = plant.info
            elif who == "evicted, old epoch":
                world.advance(121)
                expected = errors.EPOCH
            elif mode == 3:
                expected = errors.INNER  # it holds the group key of that epoch: its kid gives it away
        # The group key that signs mode 3, which it may not have: then the best that it can do is another one.
        signs = SUBSCRIBER if direction else PUBLISHER
        keys = {signs: keys.get(signs) or next(iter(keys.values()), world.entropy.scalar())}
        raw = forge(world, me, info, mode, TOPICS[direction], direction=direction, keys=keys)
        assert submit(world, _receiver(plant, direction), TOPICS[direction], raw) == withstood(expected)
        honest = plant.desk if direction else plant.pump
        raw = honest.seal(TOPICS[direction], b"honest", mode=mode)
        assert submit(world, _receiver(plant, direction), TOPICS[direction], raw).succeeded
