"""Policies: every bound of section 5, and the kind of a topic."""

from device_support import refused, scenario

from microseal import errors
from microseal.policy import Policy, parse_policy
from microseal.wire import short, u8, u16, u32


def encoded(mode=1, max_age=0, max_size=1, filters=((0, b"a"),)):
    """A policy's bytes, whether or not it is one that may be."""
    parts = [u8(mode), u32(max_age), u16(max_size), u8(len(filters))]
    for kind, pattern in filters:
        parts.append(u8(kind) + short(pattern))
    return b"".join(parts)


def test_round_trip_at_the_bounds():
    for mode, max_age, max_size, filters in (
        (0, 0, 0, []),
        (1, 0, 65535, [(0, b"a")]),
        (2, 0xFFFFFFFF, 1, [(3, b"a" * 255), (2, b"#")]),
        (3, 1, 1, [(1, b"+")]),
        (1, 0, 0, [(at % 4, b"t/" + str(at).encode()) for at in range(255)]),
    ):
        raw = Policy(mode, max_age, max_size, filters).encode()
        assert raw == encoded(mode, max_age, max_size, filters)
        found = parse_policy(raw)
        assert (found.mode, found.max_age, found.max_size, found.filters) == (mode, max_age, max_size, filters)


def test_policies_that_may_not_be():
    for wrong in (
        {"mode": 4},
        {"mode": 255},
        {"mode": 3, "max_age": 0},
        {"filters": ((4, b"a"),)},
        {"filters": ((255, b"a"),)},
        {"filters": ((0, b""),)},
        {"filters": ((0, b"a#"),)},
        {"filters": ((0, b"a/#/b"),)},
        {"filters": ((0, b"a+"),)},
        {"filters": ((0, b"\xff"),)},
        {"filters": ((0, b"a\x00"),)},
        {"filters": ((0, b"a"), (0, b"#/"))},
    ):
        refused(errors.POLICY, parse_policy, encoded(**wrong))
    refused(errors.POLICY, Policy, 1, 0, 1, [(0, b"a")] * 256)


def test_every_length_but_the_right_one():
    raw = scenario(1).info().policy.encode()
    for size in range(len(raw)):
        refused(errors.LENGTH, parse_policy, raw[:size])
    refused(errors.LENGTH, parse_policy, raw + b"\x00")


def test_the_vectors_policy():
    group = scenario(1).group
    raw = bytes.fromhex(group["policy"])
    policy = parse_policy(raw)
    assert policy.encode() == raw
    assert (policy.mode, policy.max_age, policy.max_size) == (1, 120, 4096)
    assert policy.filters == [(0, b"site/public-1/#"), (2, b"state/+/x"), (1, "ask/°C".encode())]


def test_kind_of_a_topic():
    policy = Policy(1, 0, 1, [(0, b"a/#"), (2, b"b/+"), (1, b"c"), (0, b"a/b"), (3, b"a/d/e")])
    assert policy.kind_of(b"a/x") == 0
    assert policy.kind_of(b"a/b") == 0  # twice the same kind is one kind
    assert policy.kind_of(b"b/x") == 2
    assert policy.kind_of(b"c") == 1
    assert policy.kind_of(b"c/d") is None
    refused(errors.TOPIC, policy.kind_of, b"a/d/e")
    assert Policy(1, 0, 1, []).kind_of(b"a") is None
