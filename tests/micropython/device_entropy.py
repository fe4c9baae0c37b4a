"""Random values and the clock, as both interpreters compute them."""

from device_support import Counting, refused, scenario, suites

from microseal import crypto, errors
from microseal.clock import TickClock, TimeRequest
from microseal.entropy import Entropy
from microseal.fetching import Fetching
from microseal.retry import Retry
from microseal.ticks import sleep_ms


def test_the_vectors():
    for suite in suites:
        for case in scenario(suite).file["fresh"]:
            entropy = Entropy(suite, bytes.fromhex(case["seed"]), case["boot"], lambda n: bytes.fromhex(case["rand"]))  # noqa: B023
            entropy._count = case["count"]
            assert entropy.fresh(case["length"]).hex() == case["value"]
            assert entropy._count == case["count"] + 1


def test_a_stuck_source():
    for suite in suites:
        seen = set()
        for boot in range(3):
            entropy = Entropy(suite, bytes(32), boot, bytes)
            for _ in range(20):
                seen.add(entropy.fresh(8))
                seen.add(entropy.scalar()[:8])
        assert len(seen) == 120


def test_every_value_takes_32_bytes_of_the_source():
    sizes = []
    entropy = Entropy(suites[0], bytes(32), 1, lambda n: sizes.append(n) or bytes(n))
    for size in (1, 8, 48, 1000):
        assert len(entropy.fresh(size)) == size
    assert sizes == [32] * 4
    source = Counting()
    assert crypto.core.is_scalar(suites[0], Entropy(suites[0], bytes(32), 1, source).scalar())


def test_the_clock_of_a_device():
    clock = TickClock()
    assert clock.now() is None
    clock.set(1_800_000_000)
    assert clock.now() == 1_800_000_000
    clock.set(1_700_000_000)
    assert clock.now() == 1_800_000_000
    before = clock.ticks_ms()
    sleep_ms(20)
    assert 20 <= clock.ticks_ms() - before < 900
    clock.set(1_800_000_100)
    assert clock.now() == 1_800_000_100


def test_signed_time():
    for suite in suites:
        world = scenario(suite)
        case = world.file["time"]
        challenge, raw = bytes.fromhex(case["challenge"]), bytes.fromhex(case["signed"])
        ask = TimeRequest(challenge, 0)
        assert ask.accept(world.signer, raw, 5000) == case["time"]
        refused(errors.TIME, ask.accept, world.signer, raw, 5001)
        refused(errors.LENGTH, ask.accept, world.signer, raw[:-1], 0)
        refused(errors.SIGNATURE, TimeRequest(bytes(16), 0).accept, world.signer, raw, 0)


def test_fetching():
    fetching = Fetching(1, 1)
    one, two = bytes(8), b"\x01" * 8
    fetching.want(one, 0)
    fetching.want(two, 0)
    assert fetching.wanted == [one]
    fetching.hold(one, b"t", b"held")
    fetching.hold(one, b"t", b"not held")
    assert fetching.done(one) == (b"t", b"held")
    fetching.want(one, 59999)
    assert fetching.wanted == []
    fetching.want(one, 60000)
    assert fetching.wanted == [one]
    fetching.give_up(119999)
    assert fetching.wanted == [one]
    fetching.give_up(120000)
    assert fetching.wanted == []


def test_pauses_grow():
    retry, due = Retry(5, 30), []
    for ticks in range(200):
        if retry.due(ticks):
            due.append(ticks)
    assert due == [0, 5, 15, 35, 65, 95, 125, 155, 185]
    retry.rest(50, 200)
    assert not retry.due(249) and retry.due(250) and not retry.due(254) and retry.due(255)
    retry.reset()
    assert retry.due(256)
