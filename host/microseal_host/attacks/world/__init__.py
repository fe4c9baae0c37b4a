"""A whole deployment in memory, for attacks and tests: an authority, real members, and a broker that belongs to the attacker.

    with World(suite=1, seed=7) as world:
        pump, desk = world.enrol("pump-1"), world.enrol("desk")
        world.form("plant", [pump], [desk], mode=2, topics=["plant/#"])
        pump.publish("plant/level", b"4.2")
        world.settle()
        desk.messages[-1].payload

Nothing in it moves by itself: time stands still until `advance`, messages lie in the broker until `settle`.
"""

from .broker import Broker, Packet
from .device import Device
from .world import READY, World

__all__ = ["READY", "Broker", "Device", "Packet", "World"]
