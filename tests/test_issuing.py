"""The authority's side against the vectors of both suites: outputs from their inputs, refusals for their reasons."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from microseal import crypto, errors
from microseal.errors import Refused
from microseal.group import PUBLISHER, SUBSCRIBER, Info, make_ask, open_key_packet, open_rekey
from microseal.identity import (
    DEVICE,
    SIGNER,
    Anchor,
    Certificate,
    Identity,
    Request,
    Signer,
    accept_reply,
    claim_request,
    make_request,
    make_share,
    renew_request,
)
from microseal.policy import Policy
from microseal.revocation import Revoked
from microseal_host import issuing
from microseal_host.backends import libcrypto

VECTORS = Path(__file__).parent / "vectors"


@pytest.fixture(autouse=True)
def core() -> Iterator[None]:
    before = crypto.core
    crypto.use(libcrypto)
    yield
    crypto.use(before)


class Scenario:
    """A vector file with its authority."""

    def __init__(self, number: int) -> None:
        self.file = json.loads((VECTORS / f"suite{number}.json").read_text())
        self.suite = number
        self.anchor = Anchor(number, bytes.fromhex(self.file["ca"]["public"]))
        self.private = bytes.fromhex(self.file["ca"]["private"])
        self.signer = self.identity(self.file["ca"]["signer"])

    def case(self, index: int) -> dict[str, Any]:
        return self.file["ecqv"][index]

    def cert(self, index: int) -> Certificate:
        return Certificate(bytes.fromhex(self.case(index)["certificate"]))

    def identity(self, index: int) -> Identity:
        return Identity(self.anchor, self.cert(index), bytes.fromhex(self.case(index)["private"]))

    def share(self, index: int) -> bytes:
        return issuing.open_share(
            self.anchor, self.private, self.cert(index), bytes.fromhex(self.case(index)["share_box"])
        )


@pytest.fixture(scope="module", params=[1, 2])
def scenario(request: pytest.FixtureRequest) -> Scenario:
    crypto.use(libcrypto)
    return Scenario(request.param)


def refused(reason: str, call: Any, *arguments: Any) -> None:
    with pytest.raises(Refused) as caught:
        call(*arguments)
    assert caught.value.reason == reason


def test_issue_reproduces_every_certificate_and_reply(scenario: Scenario) -> None:
    for case in scenario.file["ecqv"]:
        request = Request(bytes.fromhex(case["request"]))
        cert, reply = issuing.issue(
            scenario.anchor, scenario.private, request, bytes.fromhex(case["k"]), case["flags"], case["not_after"]
        )
        assert cert.hex() == case["certificate"]
        assert reply.hex() == case["reply"]


def test_issue_draws_again_when_c_is_infinite(scenario: Scenario) -> None:
    case = scenario.case(0)
    request = Request(bytes.fromhex(case["request"]))
    q = _order(scenario.suite)
    k = (q - int(case["r"], 16)).to_bytes(32, "big")
    with pytest.raises(issuing.DrawAgain):
        issuing.issue(scenario.anchor, scenario.private, request, k, 0, 1)


def test_issue_draws_again_when_a_is_zero(scenario: Scenario) -> None:
    case = scenario.case(0)
    request = Request(bytes.fromhex(case["request"]))
    k = bytes.fromhex(case["k"])
    cert, _ = issuing.issue(scenario.anchor, scenario.private, request, k, 0, 1)
    q = _order(scenario.suite)
    e = int.from_bytes(crypto.core.hash(scenario.suite, cert), "big") >> 1
    d_ca = (-e * int(case["k"], 16) % q).to_bytes(32, "big")
    with pytest.raises(issuing.DrawAgain):
        issuing.issue(scenario.anchor, d_ca, request, k, 0, 1)


@pytest.mark.parametrize("k", [bytes(32), b"\xff" * 32, b"\x01"])
def test_issue_takes_only_a_scalar(scenario: Scenario, k: bytes) -> None:
    with pytest.raises(ValueError):
        issuing.issue(scenario.anchor, scenario.private, Request(bytes.fromhex(scenario.case(0)["request"])), k, 0, 1)


def test_issue_refuses_the_other_suite(scenario: Scenario) -> None:
    other = Scenario(3 - scenario.suite)
    request = Request(bytes.fromhex(other.case(0)["request"]))
    refused(errors.SUITE, issuing.issue, scenario.anchor, scenario.private, request, b"\x01" * 32, 0, 1)


def test_claim(scenario: Scenario) -> None:
    for case in scenario.file["ecqv"]:
        raw = bytes.fromhex(case["claimed_request"])
        claim = bytes.fromhex(case["claim"])
        issuing.check_claim(Request(raw), claim)
        refused(errors.CLAIM, issuing.check_claim, Request(raw), bytes(32))
        refused(errors.CLAIM, issuing.check_claim, Request(raw[:-1] + bytes((raw[-1] ^ 1,))), claim)
        refused(errors.CLAIM, issuing.check_claim, Request(raw[:-32]), claim)


def test_renewal(scenario: Scenario) -> None:
    case = scenario.file["renewal"]
    cert = scenario.cert(case["device"])
    raw = bytes.fromhex(case["renewal"])
    check = issuing.check_renewal
    check(scenario.anchor, Request(raw), cert, cert.not_after)
    refused(errors.EXPIRED, check, scenario.anchor, Request(raw), cert, cert.not_after + 1)
    refused(errors.CLAIM, check, scenario.anchor, Request(raw), scenario.cert(1), 0)
    refused(errors.SIGNATURE, check, scenario.anchor, Request(raw[:-1] + bytes((raw[-1] ^ 1,))), cert, 0)
    refused(errors.CLAIM, check, scenario.anchor, Request(raw[:-72]), cert, 0)


def test_renewal_of_another_id_is_refused(scenario: Scenario) -> None:
    me = scenario.identity(0)
    one = b"\x00" * 31 + b"\x01"
    raw = renew_request(me, make_request(scenario.suite, b"somebody-else", one, one), bytes(32))
    refused(errors.CLAIM, issuing.check_renewal, scenario.anchor, Request(raw), me.cert, 0)


def test_share(scenario: Scenario) -> None:
    q = _order(scenario.suite)
    for index, case in enumerate(scenario.file["ecqv"]):
        if "share_box" in case:
            x = (int(case["private"], 16) + int(case["g"], 16)) % q
            assert scenario.share(index) == x.to_bytes(32, "big")


def test_share_refusals(scenario: Scenario) -> None:
    open_share = issuing.open_share
    anchor, private, cert = scenario.anchor, scenario.private, scenario.cert(0)
    for entry in scenario.file["reject"]:
        if entry["kind"] == "share":
            refused(errors.DECRYPTION, open_share, anchor, private, cert, bytes.fromhex(entry["value"]))
    for box in (b"", bytes(47), bytes(49)):
        refused(errors.LENGTH, open_share, anchor, private, cert, box)
    # Sealed by the right device, with a g that is not the one of its Gi: only the last check sees that.
    me = scenario.identity(0)
    box = make_share(me, bytes.fromhex(scenario.case(1)["g"]))
    refused(errors.KEY, open_share, anchor, private, cert, box)


def _group(scenario: Scenario) -> tuple[dict[str, Any], issuing.GroupKeys, bytes, bytes]:
    group = scenario.file["groups"][0]
    keys = issuing.make_keys(
        scenario.suite,
        [scenario.share(i) for i in group["publishers"]],
        [scenario.share(i) for i in group["subscribers"]],
        bytes.fromhex(group["blind_p"]),
        bytes.fromhex(group["blind_s"]),
    )
    rosters = [
        issuing.make_roster(scenario.cert(i).hash for i in group[role]) for role in ("publishers", "subscribers")
    ]
    return group, keys, rosters[0], rosters[1]


def _info(scenario: Scenario) -> tuple[dict[str, Any], issuing.GroupKeys, bytes]:
    group, keys, roster_p, roster_s = _group(scenario)
    return (
        group,
        keys,
        issuing.make_info(
            scenario.signer,
            group["gid"].encode(),
            group["epoch"],
            group["issued"],
            group["not_after"],
            bytes.fromhex(group["policy"]),
            keys,
            roster_p,
            roster_s,
            bytes.fromhex(group["rand"]),
        ),
    )


def test_group_keys_rosters_and_info(scenario: Scenario) -> None:
    group, keys, roster_p, roster_s = _group(scenario)
    assert keys.private[SUBSCRIBER].hex() == group["d_p"]
    assert keys.private[PUBLISHER].hex() == group["d_s"]
    assert roster_p.hex() == group["roster_p"]
    assert roster_s.hex() == group["roster_s"]
    assert _info(scenario)[2].hex() == group["info"]


def test_key_packets(scenario: Scenario) -> None:
    group, keys, raw = _info(scenario)
    info = Info(scenario.suite, raw, None)
    for case in group["key_packets"]:
        me = scenario.identity(case["member"])
        packet = issuing.make_key_packet(
            scenario.suite,
            me.kid,
            scenario.anchor.public_key(me.cert),
            case["role"],
            group["epoch"],
            info.hash,
            keys.private[case["role"]],
            bytes.fromhex(case["u"]),
        )
        assert packet.hex() == case["packet"]
        assert open_key_packet(me, info, packet, case["role"]) == keys.private[case["role"]]


def test_rekeys(scenario: Scenario) -> None:
    group, keys, raw = _info(scenario)
    info = Info(scenario.suite, raw, None)
    for case in group["rekeys"]:
        role, old = case["role"], bytes.fromhex(case["old"])
        gid = group["gid"].encode()
        packet = issuing.make_rekey(scenario.suite, gid, role, group["epoch"], info.hash, old, keys.private[role])
        assert packet.hex() == case["packet"]
        assert open_rekey(info, packet, role, old) == keys.private[role]


def test_sums(scenario: Scenario) -> None:
    group, _, raw = _info(scenario)
    info = Info(scenario.suite, raw, Signer(scenario.anchor, scenario.signer.cert.raw))
    publishers = [scenario.cert(i) for i in group["publishers"]]
    subscribers = [scenario.cert(i) for i in group["subscribers"]]
    issuing.check_sums(scenario.anchor, info, publishers, subscribers)
    refused(errors.KEY, issuing.check_sums, scenario.anchor, info, publishers[1:], subscribers)
    refused(errors.KEY, issuing.check_sums, scenario.anchor, info, publishers, [*subscribers, scenario.cert(0)])
    refused(errors.KEY, issuing.check_sums, scenario.anchor, info, subscribers, publishers)


def test_groups_without_members(scenario: Scenario) -> None:
    one, two = b"\x00" * 31 + b"\x01", b"\x00" * 31 + b"\x02"
    keys = issuing.make_keys(scenario.suite, [], [], one, two)
    assert keys.public == {PUBLISHER: keys.blind_s, SUBSCRIBER: keys.blind_p}
    policy = Policy(1, 0, 1, []).encode()
    raw = issuing.make_info(scenario.signer, b"g", 1, 1, 2, policy, keys, b"", b"", bytes(32))
    issuing.check_sums(scenario.anchor, Info(scenario.suite, raw, None), [], [])


def test_a_group_key_of_zero_is_drawn_again(scenario: Scenario) -> None:
    share = scenario.share(0)
    negative = (_order(scenario.suite) - int.from_bytes(share, "big")).to_bytes(32, "big")
    one = b"\x00" * 31 + b"\x01"
    with pytest.raises(issuing.DrawAgain):
        issuing.make_keys(scenario.suite, [share], [], negative, one)
    with pytest.raises(issuing.DrawAgain):
        issuing.make_keys(scenario.suite, [], [share], one, negative)


def test_a_roster_has_no_duplicates() -> None:
    assert issuing.make_roster([b"\x02" * 32, b"\x01" * 32, b"\x02" * 32]) == b"\x01" * 32 + b"\x02" * 32
    assert issuing.make_roster([]) == b""


def test_signed_time(scenario: Scenario) -> None:
    case = scenario.file["time"]
    challenge, rand = bytes.fromhex(case["challenge"]), bytes.fromhex(case["rand"])
    assert issuing.sign_time(scenario.signer, challenge, case["time"], rand).hex() == case["signed"]
    for wrong in (b"", challenge[:-1], challenge + b"\0"):
        refused(errors.LENGTH, issuing.sign_time, scenario.signer, wrong, 1, rand)


def test_revoked(scenario: Scenario) -> None:
    case = scenario.file["revoked"]
    kids = [scenario.cert(i).kid for i in case["members"]]
    raw = issuing.make_revoked(scenario.signer, case["issued"], kids + kids, bytes.fromhex(case["rand"]))
    assert raw.hex() == case["list"]
    listed = Revoked(Signer(scenario.anchor, scenario.signer.cert.raw), raw)
    assert all(kid in listed for kid in kids)


def test_ask(scenario: Scenario) -> None:
    group = scenario.file["groups"][0]
    for case in group["asks"]:
        me = scenario.identity(case["member"])
        raw = bytes.fromhex(case["ask"])
        assert raw == make_ask(me, group["gid"].encode(), case["held"], case["time"], bytes.fromhex(case["rand"]))
        now = case["time"]
        verify = issuing.verify_ask
        assert verify(scenario.anchor, me.cert, raw, now, None) == (group["gid"].encode(), case["held"], now)
        verify(scenario.anchor, me.cert, raw, now + 120, now - 1)
        verify(scenario.anchor, me.cert, raw, now - 120, None)
        refused(errors.TIME, verify, scenario.anchor, me.cert, raw, now + 121, None)
        refused(errors.TIME, verify, scenario.anchor, me.cert, raw, now - 121, None)
        refused(errors.TIME, verify, scenario.anchor, me.cert, raw, now, now)
        refused(errors.SIGNATURE, verify, scenario.anchor, scenario.cert(0), raw, now, None)
        refused(errors.LENGTH, verify, scenario.anchor, me.cert, raw + b"\0", now, None)
        refused(errors.LENGTH, verify, scenario.anchor, me.cert, raw[:-1], now, None)


def test_a_device_accepts_what_is_issued(scenario: Scenario) -> None:
    r, g, k = (crypto.core.scalar_reduce(scenario.suite, bytes((i,)) * 48) for i in (1, 2, 3))
    claim = b"\x07" * 32
    request = Request(claim_request(scenario.suite, make_request(scenario.suite, b"pump-3", r, g), claim))
    issuing.check_claim(request, claim)
    raw, reply = issuing.issue(scenario.anchor, scenario.private, request, k, DEVICE, 2_000_000_000)
    me = accept_reply(scenario.anchor, reply, b"pump-3", r, request.share_point)
    assert me.cert.raw == raw
    share = issuing.open_share(scenario.anchor, scenario.private, me.cert, make_share(me, g))
    assert crypto.core.base_mul(scenario.suite, share) == issuing.add(scenario.suite, me.public, me.cert.share_point)
    refused(errors.FLAGS, accept_reply, scenario.anchor, reply, b"pump-3", r, request.share_point, SIGNER)


def test_five_thousand_certificates_a_second() -> None:
    """The library's figure is measured by a benchmark; this only sees that nothing made it many times slower."""
    scenario = Scenario(1)
    requests = []
    for i in range(200):
        r, g = ((1000 * i + j).to_bytes(32, "big") for j in (1, 2))
        requests.append(make_request(1, f"device-{i}".encode(), r, g))
    start = time.process_time()
    for i, raw in enumerate(requests):
        issuing.issue(scenario.anchor, scenario.private, Request(raw), (7 + i).to_bytes(32, "big"), 0, 1)
    assert 200 / (time.process_time() - start) > 1000


def _order(suite: int) -> int:
    return {
        1: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        2: 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123,
    }[suite]
