"""The world in memory that the attacks run in, for all tests: see microseal_host.attacks.world."""

from microseal_host.attacks.world import READY, Broker, Device, Packet, World

__all__ = ["READY", "Broker", "Device", "Packet", "World"]
