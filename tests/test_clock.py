"""The clock that counts ticks, which wrap, and the authority's signed time."""

from __future__ import annotations

import time

import pytest
from device_support import flipped, reason_of, refused, scenario
from hypothesis import given
from hypothesis import strategies as st

import microseal.clock
from microseal import errors
from microseal.clock import ANSWER_MS, SystemClock, TickClock, TimeRequest
from microseal.identity import Certificate, Identity, Signer
from microseal_host import issuing
from strategies import SUITES

pytestmark = pytest.mark.usefixtures("core")

PERIOD = 2**30  # ticks_ms wraps there on MicroPython

STEPS = st.lists(
    st.tuples(st.integers(0, 2**28), st.one_of(st.none(), st.integers(1_800_000_000, 1_900_000_000))), max_size=30
)


@given(st.integers(0, PERIOD - 1), STEPS)
def test_seconds_since_it_was_set(start: int, steps: list[tuple[int, int | None]]) -> None:
    real = 0  # ms, without wrapping
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(microseal.clock, "ticks_ms", lambda: (start + real) % PERIOD)
        patch.setattr(microseal.clock, "ticks_diff", lambda a, b: (a - b + PERIOD // 2) % PERIOD - PERIOD // 2)
        clock = TickClock()
        base = None  # (ms at which it was set, to what)
        before = None
        assert clock.now() is None
        for passed, t in steps:
            real += passed
            assert clock.ticks_ms() == real
            if base is None:
                assert clock.now() is None
            else:
                expected = max(base[1] + (real - base[0]) // 1000, before)
                assert clock.now() in (expected, expected + 1)
            before = clock.now()
            if t is not None:
                clock.set(t)
                assert clock.now() == (t if before is None else max(before, t)), "never back"
                if t != before:
                    base = real, t
                before = clock.now()


def test_who_is_ahead_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0
    monkeypatch.setattr(microseal.clock, "ticks_ms", lambda: now)
    clock = TickClock()
    clock.set(1000)
    now += 60_400
    clock.set(1050)
    for passed in range(0, 12_000, 400):
        assert clock.now() == max(1060, 1050 + passed // 1000)
        now += 400


def test_a_fast_clock_stays_with_the_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crystal that is off by 100 ppm, asked to keep time for two months: others refuse what is dated 120 s ahead."""
    passed = 0.0  # s
    monkeypatch.setattr(microseal.clock, "ticks_ms", lambda: int(passed * 1000 * 1.0001))
    clock = TickClock()
    clock.set(1_800_000_000)
    for hour in range(60 * 24):
        passed += 3600
        last = clock.now()
        answer = 4 if hour % 3 else 0  # s that it took
        clock.set(1_800_000_000 + int(passed) - answer)
        assert clock.now() >= last
        assert -5 <= clock.now() - 1_800_000_000 - passed <= 5


def test_it_does_not_drift_however_often_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0
    monkeypatch.setattr(microseal.clock, "ticks_ms", lambda: now)
    clock = TickClock()
    clock.set(1000)
    for _ in range(100_000):
        now += 7
        clock.now()
    assert clock.now() == 1000 + 700


def test_a_host_has_its_own() -> None:
    clock = SystemClock()
    clock.set(5)
    assert abs(clock.now() - time.time()) < 2
    assert clock.ticks_ms() <= clock.ticks_ms()
    assert not clock.signed


@pytest.mark.parametrize("suite", [1, 2])
def test_signed_time_of_the_vectors(suite: int) -> None:
    world = scenario(suite)
    case = world.file["time"]
    challenge, raw = bytes.fromhex(case["challenge"]), bytes.fromhex(case["signed"])
    ask = TimeRequest(challenge, 1000)
    for ticks in (1000, 1000 + ANSWER_MS):
        assert ask.accept(world.signer, raw, ticks) == case["time"]
    refused(errors.TIME, ask.accept, world.signer, raw, 1001 + ANSWER_MS)
    for size in range(len(raw)):
        refused(errors.LENGTH, ask.accept, world.signer, raw[:size], 1000)
    refused(errors.LENGTH, ask.accept, world.signer, raw + b"\0", 1000)
    for at in range(len(raw)):
        refused(errors.SIGNATURE, ask.accept, world.signer, flipped(raw, at), 1000)
    refused(errors.SIGNATURE, TimeRequest(flipped(challenge, 3), 1000).accept, world.signer, raw, 1000)


@given(SUITES, st.binary(min_size=16, max_size=16), st.integers(0, 2**32 - 1), st.integers(-3, 3))
def test_a_time_after_the_signers_own_end_is_refused(suite: int, challenge: bytes, t: int, late: int) -> None:
    world = scenario(suite)
    identity: Identity = world.identity(4)
    raw = issuing.sign_time(identity, challenge, t, bytes(32))
    signer = Signer(world.anchor, identity.cert.raw)
    signer.cert = Certificate(identity.cert.raw)
    signer.cert.not_after = max(t - late, 0)
    expected = errors.EXPIRED if t > signer.cert.not_after else None
    assert reason_of(TimeRequest(challenge, 0).accept, signer, raw, 0) == expected
