"""Precomputed pairs: what they sign is what any receiver takes, none serves twice, and there are few (section 3)."""

from device_support import raises, scenario, suites

from microseal import crypto
from microseal.entropy import Entropy
from microseal.envelope import Envelope, seal
from microseal.pairs import PAIRS, Pairs
from microseal.wire import u32

TOPIC = b"plant/7/pressure"


class Counting:
    """Entropy that tells how often a signature drew from it."""

    def __init__(self, suite):
        self._entropy = Entropy(suite, bytes(32), 1)
        self.scalar = self._entropy.scalar
        self.signatures = 0

    def fresh(self, n):
        self.signatures += n == 32
        return self._entropy.fresh(n)


def filled(suite, entropy):
    pairs = Pairs(suite, entropy)
    count = 1
    while pairs.refill():
        count += 1
    assert count == PAIRS
    assert not pairs.refill(), "full"
    return pairs


def test_there_are_no_more_than_a_few_and_all_differ():
    for suite in suites:
        pairs = filled(suite, Entropy(suite, bytes(32), 1))
        taken = [bytes(pairs.take()) for _ in range(PAIRS)]
        assert pairs.take() is None
        assert len({pair[:32] for pair in taken}) == len({pair[32:] for pair in taken}) == PAIRS
        for pair in taken:
            assert crypto.core.base_mul(suite, pair[:32]) == pair[32:]


def test_envelopes_of_every_mode_and_then_without_pairs():
    for suite in suites:
        world = scenario(suite)
        me, entropy = world.identity(2), Counting(suite)
        pairs = filled(suite, entropy)
        for mode in (1, 2, 3, 1, 2, 3):
            epoch = world.epoch(3)
            sender_epoch = world.epoch(2)
            drawn = entropy.signatures
            left = pairs.take()
            if left is not None:
                pairs._pairs.append(left)
            nonce = bytes(8) + u32(mode) if mode < 3 else None
            raw = seal(sender_epoch, me, 0, mode, TOPIC, 1800000000, b"4.2", nonce, entropy, pairs)
            # In mode 3 the group's signature is never by a pair.
            assert entropy.signatures - drawn == (mode == 3) + (left is None)
            if left is not None:
                assert left == bytes(65), "zeroed"
            envelope = Envelope(raw)
            if mode == 3:
                found = envelope.open_anonymous(epoch, TOPIC, lambda kid, size: me.public)  # noqa: B023  # called at once
                assert found == (me.kid, b"4.2")
            else:
                assert envelope.open(epoch, TOPIC, me.public) == b"4.2"


def test_a_used_pair_signs_nothing():
    for suite in suites:
        me = scenario(suite).identity(2)
        pairs = filled(suite, Entropy(suite, bytes(32), 1))
        pair = pairs.take()
        first = me.sign_pair(b"m1", b"", b"one", pair)
        assert crypto.core.verify(suite, me.public, b"m1", b"", b"one", first)
        raises(ValueError, me.sign_pair, b"m1", b"", b"two", pair)
        raises(ValueError, me.sign_pair, b"m1", b"", b"two", bytearray(65))
