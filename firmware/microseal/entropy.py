"""All random values of a device come from here (section 2, "Random values of a device")."""

import os

from . import crypto
from .wire import u32


class Entropy:
    """fresh(n) = HKDF(seed ‖ rand, u32(boot) ‖ u64(count), T("fresh"), n).

    Two values never share (boot, count), so a chip whose random source is weak, stuck or repeats leaks nothing as long as the
    seed stays secret. seed: 32 bytes from provisioning; boot: u32, higher at every start; source(n): the chip's random bytes.
    """

    def __init__(self, suite, seed, boot, source=os.urandom):
        self.suite = suite
        self._seed = seed
        self._boot = u32(boot)
        self._count = 0
        self._source = source

    def fresh(self, n):
        """n random bytes, 1 to 8160."""
        salt = self._boot + self._count.to_bytes(8, "big")
        self._count += 1
        return crypto.core.hkdf(self.suite, self._seed + self._source(32), salt, crypto.tag(b"fresh", self.suite), n)

    def scalar(self):
        """A random scalar x, 0 < x < q: 32 bytes."""
        while True:
            x = crypto.core.scalar_reduce(self.suite, self.fresh(48))
            if crypto.core.is_scalar(self.suite, x):
                return x
