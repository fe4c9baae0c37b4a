"""Whatever is sealed is opened again: all modes, directions, sizes, topics, both suites."""

from __future__ import annotations

from functools import lru_cache

import pytest
from device_support import reason_of, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from microseal import errors
from microseal.entropy import Entropy
from microseal.envelope import Envelope, seal
from microseal.epoch import Epoch
from strategies import SUITES

pytestmark = pytest.mark.usefixtures("core")

OVERHEAD = {1: 91, 2: 107, 3: 193}
SIZES = st.one_of(st.integers(0, 80), st.sampled_from([255, 256, 1000, 4096, 65535]))
TOPICS = st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), min_size=1, max_size=40).map(str.encode)


@lru_cache
def epoch_of(suite: int, index: int) -> Epoch:
    return scenario(suite).epoch(index)


def opened(suite: int, raw: bytes, topic: bytes, epoch: Epoch | None = None) -> bytes:
    """As the one who is not also a sender holds the epoch: 3 is a subscriber, 0 a publisher."""
    envelope = Envelope(raw)
    epoch = epoch or epoch_of(suite, 0 if envelope.direction else 3)
    sender = scenario(suite).identity(2)
    if envelope.mode == 3:
        kid, message = envelope.open_anonymous(epoch, topic, lambda kid, size: sender.public)
        assert kid == sender.kid
        return message
    return envelope.open(epoch, topic, sender.public)


@settings(max_examples=60)
@given(SUITES, st.integers(1, 3), st.integers(0, 1), SIZES, TOPICS, st.integers(0, 2**32 - 1), st.data())
def test_round_trip(
    suite: int, mode: int, direction: int, size: int, topic: bytes, t: int, data: st.DataObject
) -> None:
    message = (data.draw(st.binary(min_size=1, max_size=16)) * size)[:size]
    nonce = data.draw(st.binary(min_size=12, max_size=12))
    entropy = Entropy(suite, data.draw(st.binary(min_size=32, max_size=32)), 1, bytes)
    for kind in (bytes, bytearray, memoryview):
        raw = seal(
            epoch_of(suite, 2), scenario(suite).identity(2), direction, mode, topic, t, kind(message), nonce, entropy
        )
        zeros = -(73 + size) % 32 if mode == 3 else 0
        assert len(raw) == size + OVERHEAD[mode] + zeros
        envelope = Envelope(raw)
        assert (envelope.mode, envelope.direction, envelope.t) == (mode, direction, t)
        assert envelope.least <= size <= envelope.most
        assert opened(suite, raw, topic) == message
        if mode != 1 and size > 3:
            assert message not in bytes(raw)
    other = data.draw(TOPICS)
    if other != topic:
        assert reason_of(opened, suite, raw, other) == errors.SIGNATURE


@settings(max_examples=150)
@given(SUITES, st.integers(0, 19), st.data())
def test_any_other_bytes_are_refused(suite: int, index: int, data: st.DataObject) -> None:
    topic, raw, _ = scenario(suite).envelopes()[index]
    altered = bytearray(raw)
    altered[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    if altered[0] >> 4 == 3 - suite:
        # Of another suite than its group, if it is an envelope at all: a receiver looks no further.
        assert reason_of(Envelope, altered) in (None, errors.MODE, errors.LENGTH)
        return
    found = reason_of(opened, suite, altered, topic)
    assert found in (errors.SUITE, errors.MODE, errors.LENGTH, errors.SIGNATURE)


@given(st.binary(max_size=300))
def test_random_bytes(raw: bytes) -> None:
    found = reason_of(opened, 1, raw, b"t")
    assert found in (errors.LENGTH, errors.SUITE, errors.MODE, errors.SIGNATURE, errors.INNER)


@pytest.mark.parametrize("suite", [1, 2])
def test_agreed_keys_are_bounded(suite: int) -> None:
    """One for each sender and direction, and as many as the epoch has room for."""
    world = scenario(suite)
    epoch = world.epoch(2, limit=3)
    for index in range(4):
        me = world.identity(index)
        for direction in (0, 1):
            for boot in (bytes(8), b"\x01" * 8):
                key = epoch.sealing_key(direction, me.kid, boot, public=me.public)
                assert key == epoch.sealing_key(direction, me.kid, boot, public=me.public)
                assert key == world.epoch(2).sealing_key(direction, me.kid, boot, private=me.private)
            assert len(epoch._agreed) <= 3
