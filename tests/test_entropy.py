"""Random values of a device: never the same input twice, whatever the chip gives."""

from __future__ import annotations

import tempfile

import pytest
from device_support import provision, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from microseal import crypto
from microseal.entropy import Entropy
from microseal.provisioning import count_boot
from microseal.store import Store
from strategies import SUITES

pytestmark = pytest.mark.usefixtures("core")

STUCK = st.sampled_from([bytes, lambda n: b"\xff" * n, lambda n: bytes(n - 1) + b"\x01"])
DRAWS = st.lists(st.one_of(st.none(), st.integers(8, 64), st.just("scalar")), min_size=1, max_size=40)


@pytest.mark.parametrize("suite", [1, 2])
def test_the_vectors(suite: int) -> None:
    for case in scenario(suite).file["fresh"]:
        entropy = Entropy(
            suite, bytes.fromhex(case["seed"]), case["boot"], lambda n, case=case: bytes.fromhex(case["rand"])
        )
        entropy._count = case["count"]
        assert entropy.fresh(case["length"]).hex() == case["value"]


@settings(max_examples=30)
@given(SUITES, STUCK, DRAWS)
def test_nothing_repeats_with_a_stuck_source(suite: int, source, draws: list[object]) -> None:  # noqa: ANN001
    """None among the draws is a restart."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(directory)
        provision(store, scenario(suite), 0)
        entropy, seen = count_boot(store, suite, source), set()
        for draw in draws:
            if draw is None:
                entropy = count_boot(store, suite, source)
                continue
            value = entropy.scalar() if draw == "scalar" else entropy.fresh(draw)
            assert len(value) == (32 if draw == "scalar" else draw)
            assert value[:8] not in seen
            seen.add(value[:8])


@given(SUITES, st.integers(0, 2**32 - 1), st.integers(1, 2000))
def test_what_goes_into_the_derivation(suite: int, boot: int, size: int) -> None:
    rand = bytes(range(32))
    entropy = Entropy(suite, b"s" * 32, boot, lambda n: rand[:n])
    for count in range(3):
        salt = boot.to_bytes(4, "big") + count.to_bytes(8, "big")
        expected = crypto.core.hkdf(suite, b"s" * 32 + rand, salt, b"microseal/1/fresh\0" + bytes([suite]), size)
        assert entropy.fresh(size) == expected


@pytest.mark.parametrize("suite", [1, 2])
def test_a_scalar_is_drawn_again_if_it_is_zero(suite: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No 48 bytes that HKDF gives are known to be 0 mod q, so the values are given here."""
    entropy = Entropy(suite, bytes(32), 1, bytes)
    values = [bytes(48), bytes(48), bytes(47) + b"\x07"]
    monkeypatch.setattr(entropy, "fresh", lambda n: values.pop(0))
    assert entropy.scalar() == bytes(31) + b"\x07"
    assert not values


@pytest.mark.parametrize("suite", [1, 2])
def test_scalars_come_from_48_bytes(suite: int) -> None:
    one, two = (Entropy(suite, bytes(32), 1, bytes) for _ in range(2))
    assert one.scalar() == crypto.core.scalar_reduce(suite, two.fresh(48))
    assert crypto.core.is_scalar(suite, one.scalar())
