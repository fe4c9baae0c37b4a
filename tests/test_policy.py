"""Policies: one form each, and kinds as the reference finds them."""

from __future__ import annotations

from device_support import reason_of
from hypothesis import given
from hypothesis import strategies as st

from microseal import errors
from microseal.errors import Refused
from microseal.policy import Policy, parse_policy
from microseal_host.reference import policy as reference
from microseal_host.reference.refusal import Refused as ReferenceRefused
from strategies import KINDS, policies


@given(policies())
def test_round_trip(policy: Policy) -> None:
    raw = policy.encode()
    found = parse_policy(raw)
    assert vars(found) == vars(policy)
    assert found.encode() == raw


@given(policies(), st.data())
def test_altered_bytes_are_refused_or_another_policy(policy: Policy, data: st.DataObject) -> None:
    raw = bytearray(policy.encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    try:
        found = parse_policy(bytes(raw))
    except Refused as refusal:
        assert refusal.reason in (errors.POLICY, errors.LENGTH)
    else:
        assert found.encode() == raw


@given(st.one_of(st.binary(max_size=40), policies().map(Policy.encode)))
def test_refused_where_the_reference_refuses(raw: bytes) -> None:
    try:
        expected = reference.parse_policy(raw)
    except ReferenceRefused:
        assert reason_of(parse_policy, raw) in (errors.POLICY, errors.LENGTH)
        return
    found = parse_policy(raw)
    assert (found.mode, found.max_age, found.max_size) == (expected.mode, expected.max_age, expected.max_size)
    assert [(kind, pattern.decode()) for kind, pattern in found.filters] == list(expected.filters)


@given(KINDS, st.lists(st.sampled_from(["a", "b", "", "é"]), min_size=1, max_size=4).map("/".join).filter(bool))
def test_the_kind_of_a_topic_as_the_reference_finds_it(filters: list[tuple[int, bytes]], topic: str) -> None:
    kinds = reference.parse_policy(Policy(1, 0, 1, filters).encode()).kinds(topic)
    policy = Policy(1, 0, 1, filters)
    if len(kinds) > 1:
        assert reason_of(policy.kind_of, topic.encode()) == errors.TOPIC
    else:
        assert policy.kind_of(topic.encode()) == (kinds.pop() if kinds else None)
