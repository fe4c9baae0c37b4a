"""Precomputed pairs for a device's own signatures (section 3): made while there is nothing else to do, in RAM only."""

from . import crypto

PAIRS = 4


class Pairs:
    """At most `limit` pairs v ‖ v·G (65 bytes). entropy: Entropy."""

    def __init__(self, suite, entropy, limit=PAIRS):
        self._suite = suite
        self._entropy = entropy
        self._limit = limit
        self._pairs = []

    def refill(self):
        """Makes one pair if there is room for it; True if there is room for more."""
        if len(self._pairs) < self._limit:
            v = self._entropy.scalar()
            self._pairs.append(bytearray(v + crypto.core.base_mul(self._suite, v)))
        return len(self._pairs) < self._limit

    def take(self):
        """A pair, for one signature (crypto.core.sign_pair zeroes it), or None."""
        return self._pairs.pop() if self._pairs else None
