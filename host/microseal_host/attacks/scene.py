"""The plant that most attacks take place in, and what an attacker makes with microseal's own code and none of its checks."""

from __future__ import annotations

from typing import Any

from microseal.envelope import seal
from microseal.epoch import Epoch
from microseal.group import Info
from microseal.identity import Identity
from microseal.wire import hexkid

from .world import Device, Packet, World

GID = "plant"
TOPIC = "plant/level"
QUERY_TOPIC = "ask/level"
STATE_TOPIC = "state/valve"
STATE = 2  # the kind of a state topic


class Plant:
    """pump and fan publish, desk subscribes. The clock has gone on, and desk has heard both, so that it has their certificates."""

    def __init__(self, world: World, mode: int = 2, **policy: Any) -> None:
        self.world = world
        self.pump, self.fan, self.desk = (world.enrol(id) for id in ("pump", "fan", "desk"))
        policy = {"topics": ["plant/#"], "queries": ["ask/#"], "kinds": [(STATE, "state/#")]} | policy
        world.form(GID, [self.pump, self.fan], [self.desk], mode=mode, **policy)
        world.advance(60)
        for device in (self.pump, self.fan):
            device.publish(TOPIC, b"first")
        self.desk.publish(QUERY_TOPIC, b"first")
        world.settle()
        world.advance(60)

    @property
    def info(self) -> Info:
        """The info of the newest epoch: anybody can read it."""
        return self.world.authority.groups[GID].info


def forge(
    world: World,
    me: Identity,
    info: Info,
    mode: int,
    topic: str = TOPIC,
    message: bytes = b"forged",
    keys: dict[int, bytes] | None = None,
    direction: int = 0,
    t: int | None = None,
    nonce: bytes | None = None,
) -> bytes:
    """An envelope by the identity `me` in the epoch of `info`, with the group keys (role -> d) that the attacker has."""
    nonce = nonce or world.random.randbytes(12)
    t = int(world.time) if t is None else t
    epoch = Epoch(info, keys or {}, {}, 8)
    return bytes(seal(epoch, me, direction, mode, topic.encode(), t, message, nonce, world.entropy))


def certified(world: World, id: str, **lifetime: int) -> Identity:
    """A genuine identity that no device has, its certificate where everybody finds it. lifetime: s, a year if not given."""
    me = world.authority.identity(id, **lifetime)
    world.send([Packet(b"microseal/cert/" + hexkid(me.kid), me.cert.raw, True)])
    return me


def group_keys(*devices: Device) -> dict[int, bytes]:
    """All group keys that these corrupted devices hold of the plant."""
    found: dict[int, bytes] = {}
    for device in devices:
        found.update(device.epoch(GID).keys)
    return found
