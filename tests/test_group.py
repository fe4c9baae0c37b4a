"""Groups of any members: their keys reach exactly those members, in one form."""

from __future__ import annotations

import pytest
from device_support import reason_of, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from microseal import crypto, errors
from microseal.errors import Refused
from microseal.group import PUBLISHER, SUBSCRIBER, Info, open_key_packet, open_rekey
from microseal.identity import Certificate
from microseal.policy import Policy
from microseal_host import issuing
from strategies import NAMES, SECRETS, SUITES, policies, scalar

pytestmark = pytest.mark.usefixtures("core")

MEMBERS = st.frozensets(st.integers(0, 3))


@st.composite
def epochs(draw: st.DrawFn) -> tuple[int, dict[int, frozenset[int]], issuing.GroupKeys, Info]:
    """(suite, members by role, the keys, the Info as a device parsed it) of a group of the vectors' devices."""
    suite = draw(SUITES)
    world = scenario(suite)
    members = {PUBLISHER: draw(MEMBERS), SUBSCRIBER: draw(MEMBERS)}
    shares = [
        [
            issuing.open_share(
                world.anchor,
                world.authority,
                Certificate(world.certificate(i)),
                bytes.fromhex(world.case(i)["share_box"]),
            )
            for i in sorted(members[role])
        ]
        for role in (PUBLISHER, SUBSCRIBER)
    ]
    keys = issuing.make_keys(suite, *shares, scalar(suite, draw(SECRETS)), scalar(suite, draw(SECRETS)))
    rosters = [
        issuing.make_roster(Certificate(world.certificate(i)).hash for i in members[role])
        for role in (PUBLISHER, SUBSCRIBER)
    ]
    raw = issuing.make_info(
        world.identity(4),
        draw(NAMES),
        draw(st.integers(1, 2**32 - 1)),
        draw(st.integers(0, 2**32 - 1)),
        draw(st.integers(0, 2**32 - 1)),
        draw(policies()).encode(),
        keys,
        *rosters,
        draw(SECRETS)[:32],
    )
    return suite, members, keys, Info(suite, raw, world.signer)


@settings(max_examples=40)
@given(epochs(), st.sampled_from([PUBLISHER, SUBSCRIBER]), st.integers(0, 3), SECRETS)
def test_a_key_packet_opens_for_its_member_alone(
    epoch: tuple[int, dict[int, frozenset[int]], issuing.GroupKeys, Info], role: int, to: int, secret: bytes
) -> None:
    suite, _, keys, info = epoch
    world = scenario(suite)
    u = scalar(suite, secret)
    private = keys.private[role]
    me = world.identity(to)
    packet = issuing.make_key_packet(suite, me.kid, me.public, role, info.epoch, info.hash, private, u)
    assert open_key_packet(me, info, packet, role) == private
    for other in {0, 1, 2, 3} - {to}:
        assert reason_of(open_key_packet, world.identity(other), info, packet, role) == errors.DECRYPTION
    assert reason_of(open_key_packet, me, info, packet, 3 - role) == errors.ROLE


@settings(max_examples=40)
@given(epochs(), st.sampled_from([PUBLISHER, SUBSCRIBER]), SECRETS, st.data())
def test_a_broadcast_opens_with_the_old_key_alone(
    epoch: tuple[int, dict[int, frozenset[int]], issuing.GroupKeys, Info], role: int, secret: bytes, data: st.DataObject
) -> None:
    suite, _, keys, info = epoch
    old, private = scalar(suite, secret), keys.private[role]
    packet = issuing.make_rekey(suite, info.gid, role, info.epoch, info.hash, old, private)
    assert open_rekey(info, packet, role, old) == private
    wrong = scalar(suite, data.draw(SECRETS))
    if wrong != old:
        assert reason_of(open_rekey, info, packet, role, wrong) == errors.DECRYPTION
    raw = bytearray(packet)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    assert reason_of(open_rekey, info, bytes(raw), role, old) in (errors.ROLE, errors.EPOCH, errors.DECRYPTION)


@settings(max_examples=40)
@given(epochs())
def test_the_sums_are_those_of_the_members(
    epoch: tuple[int, dict[int, frozenset[int]], issuing.GroupKeys, Info],
) -> None:
    suite, members, keys, info = epoch
    world = scenario(suite)
    certs = {i: Certificate(world.certificate(i)) for i in range(4)}
    publishers, subscribers = ([certs[i] for i in members[role]] for role in (PUBLISHER, SUBSCRIBER))
    issuing.check_sums(world.anchor, info, publishers, subscribers)
    for role, private in keys.private.items():
        assert crypto.core.base_mul(suite, private) == info.public[role]
    for wrong in ([*publishers, certs[0]], publishers[1:] if publishers else [certs[1]]):
        assert reason_of(issuing.check_sums, world.anchor, info, wrong, subscribers) == errors.KEY


@given(SUITES, st.data())
def test_any_other_info_is_refused(suite: int, data: st.DataObject) -> None:
    world = scenario(suite)
    raw = bytearray(world.info_raw)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Refused) as caught:
        Info(suite, bytes(raw), world.signer)
    expected = (errors.SUITE, errors.NAME, errors.LENGTH, errors.POLICY, errors.EPOCH, errors.SIGNATURE)
    assert caught.value.reason in expected


def test_the_largest_policy_fits_into_an_info() -> None:
    world = scenario(1)
    filters = [(0, b"%03d" % at + b"x" * 252) for at in range(255)]
    assert reason_of(Policy, 1, 0, 1, filters) == errors.POLICY
    policy = Policy(1, 0, 1, [*filters[:254], (0, b"x" * 247)])
    assert len(policy.encode()) == 65535
    keys = issuing.make_keys(1, [], [], scalar(1, b"\x01" * 48), scalar(1, b"\x02" * 48))
    raw = issuing.make_info(world.identity(4), b"g", 1, 1, 2, policy.encode(), keys, b"", b"", bytes(32))
    assert Info(1, raw, world.signer).policy.filters == policy.filters
