"""Hashes, the cipher and the MACs as a Cortex-M0+ runs them: their assembly against the host's library and, for GHASH, Python's
integers; in a time and on a path that no secret changes; and nothing left on the stack.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
import unicorn

from m0 import elves
from m0_interface import Interface
from microseal_host.backends import libcrypto
from microseal_host.bench import m0
from microseal_host.bench.machine import STACK, Counts, Machine

R = 0xE1 << 120  # 1 + x + x^2 + x^7


@pytest.fixture(scope="module")
def core() -> Interface:
    return Interface(elves() / "core.elf")


@pytest.fixture(scope="module")
def parts() -> Machine:
    return Machine(elves() / "parts.elf", watched=True)


def swapped(block: bytes) -> bytes:
    """The block as words in the processor's memory."""
    return b"".join(block[i : i + 4][::-1] for i in range(0, 16, 4))


def test_random_messages(core: Interface) -> None:
    """Every length up to two batches of the key stream, and some around ends of blocks."""
    pick = random.Random(6)
    for n in [*range(70), *range(90, 100), *range(220, 230), 256, 400]:
        key, nonce, data, aad = (pick.randbytes(k) for k in (16, 12, n, pick.choice([0, 1, 15, 16, 17, 40])))
        found, expected = bytearray(n + 16), bytearray(n + 16)
        core.gcm_seal(key, nonce, aad, data, found)
        libcrypto.gcm_seal(key, nonce, aad, data, expected)
        assert found == expected
        core.machine.forget()
        place = core.put(data + bytes(16))
        core.good("gcm_seal", key, nonce, aad, len(aad), place, n, place)
        assert core.machine.get(place, n + 16) == expected
        core.good("gcm_open", key, nonce, aad, len(aad), place, n + 16, place)
        assert core.machine.get(place, n) == data
        found[pick.randrange(len(found))] ^= 1 << pick.randrange(8)
        assert core.gcm_open(key, nonce, aad, bytes(found), bytearray(n)) is False
        cut = pick.randrange(n + 1)
        assert core.cmac(key, data[:cut], data[cut:]) == libcrypto.cmac(key, data)
        for suite in (1, 2):
            assert core.hash(suite, data[:cut], data[cut:]) == libcrypto.hash(suite, data)


def multiply(x: int, y: int) -> int:
    """x * y as GHASH has it: SP 800-38D, algorithm 1."""
    z = 0
    for i in range(127, -1, -1):
        if x >> i & 1:
            z ^= y
        y = y >> 1 ^ (R if y & 1 else 0)
    return z


def hard_blocks(pick: random.Random) -> Iterator[int]:
    """Numbers that fill the places of integer products, or leave most of them empty, and others."""
    third = int.from_bytes(bytes.fromhex("92494924" * 4))
    yield from (0, 1, 1 << 127, (1 << 128) - 1, third, third << 1 & (1 << 128) - 1, third >> 1, 0xFFFF << 112, 0xFFFF)
    while True:
        yield pick.choice([pick.randrange(1 << 128), sum(pick.choice([0, 0xFFFF]) << 16 * i for i in range(8))])


def ghash(machine: Machine, key: int, blocks: list[int]) -> tuple[int, Counts]:
    machine.forget()
    context = machine.put(bytes(32))
    machine.call("ghash_init", context, machine.put(swapped(key.to_bytes(16))))
    data = machine.put(b"".join(b.to_bytes(16) for b in blocks), odd=True)
    counts = machine.call("ghash_blocks", context, data, len(blocks))
    return int.from_bytes(machine.get(context + 16, 16), "little"), counts


def test_ghash(parts: Machine, long_run: bool) -> None:
    pick = random.Random(3)
    keys, data = hard_blocks(pick), hard_blocks(random.Random(4))
    traces = set()
    for i in range(5000 if long_run else 60):
        # Each hard key with each hard block, before random ones.
        key = next(keys) if i % 2 else pick.randrange(1 << 128)
        blocks = [next(data), pick.randrange(1 << 128)]
        value, counts = ghash(parts, key, blocks)
        expected = 0
        for block in blocks:
            expected = multiply(expected ^ block, key)
        assert value == expected
        traces.add((counts.cycles, counts.trace))
    assert len(traces) == 1
    for key in [x for x, _ in zip(hard_blocks(pick), range(9), strict=False)]:
        for block in [x for x, _ in zip(hard_blocks(pick), range(9), strict=False)]:
            assert ghash(parts, key, [block])[0] == multiply(key, block)


SECRETS = [bytes(100), b"\xff" * 100, m0.material("one", 100), m0.material("another", 100)]


def hashed(core: m0.Core, name: str, suite: int, secret: bytes) -> Counts:
    core.machine.forget()
    context, data, out = (core.machine.put(x) for x in (bytes(256), secret, bytes(32)))
    core.machine.call("ms_hash_init", context, suite)
    update = core.machine.call("ms_hash_update", context, data, len(secret))
    return update if name == "update" else core.machine.call("ms_hash_final", context, out)


def test_one_path_for_all_secrets() -> None:
    """Same cycles and same addresses, whatever is hashed; and whatever derives keys."""
    core = m0.Core(elves() / "core.elf", watched=True)
    runs: list[Callable[[bytes], Counts]] = []
    for suite in (1, 2):
        runs += [lambda s, suite=suite, name=name: hashed(core, name, suite, s) for name in ("update", "final")]

        def derived(s: bytes, suite: int = suite) -> Counts:
            core.hkdf(suite, s[:40], b"salt", b"info", 40)
            return core.counts

        runs.append(derived)
    for run in runs:
        assert len({(counts.cycles, counts.trace) for counts in map(run, SECRETS)}) == 1


def test_one_time_for_all_secrets() -> None:
    """Same cycles and same branches for all keys and data. The cipher reads its table at secret addresses: no cache sees it."""
    core, seen = m0.Core(elves() / "core.elf"), set()
    path: list[int] = []
    core.machine.uc.hook_add(unicorn.UC_HOOK_BLOCK, lambda uc, address, size, data: path.append(address))
    for s in SECRETS:
        path.clear()
        core.gcm_seal(s[:16], bytes(12), b"public", s[16:90])
        sealed = core.counts.cycles
        core.cmac(s[:16], s[16:90])
        seen.add((sealed, core.counts.cycles, tuple(path)))
    assert len(seen) == 1
    assert len(path) > 100


def test_nothing_is_left_on_the_stack() -> None:
    """What lies below the caller's stack afterwards is the same for all secrets."""
    core = m0.Core(elves() / "core.elf")
    runs: list[Callable[[bytes], object]] = [
        lambda s: core.gcm_seal(s[:16], bytes(12), b"public", s[16:90]),
        lambda s: core.cmac(s[:16], s[16:90]),
    ]
    for suite in (1, 2):
        runs += [
            lambda s, suite=suite: core.hash(suite, s),
            lambda s, suite=suite: core.hkdf(suite, s[:40], s[40:60], b"info", 40),
        ]
    for run in runs:
        left = set()
        for secret in SECRETS:
            run(secret)
            left.add(core.machine.get(STACK - 0x4000, 0x4000))
        assert len(left) == 1
