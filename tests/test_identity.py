"""Enrolment of any device by any authority, and certificates that have one form."""

from __future__ import annotations

import pytest
from device_support import reason_of, scenario
from hypothesis import given
from hypothesis import strategies as st

from microseal import crypto, errors
from microseal.errors import Refused
from microseal.identity import (
    DEVICE,
    Anchor,
    Certificate,
    Request,
    accept_reply,
    claim_request,
    make_request,
    make_share,
    renew_request,
)
from microseal_host import issuing
from strategies import NAMES, SECRETS, SUITES, TIMES, scalar

pytestmark = pytest.mark.usefixtures("core")


def authority(suite: int, wide: bytes) -> tuple[Anchor, bytes]:
    private = scalar(suite, wide)
    return Anchor(suite, crypto.core.base_mul(suite, private)), private


@given(SUITES, NAMES, st.tuples(SECRETS, SECRETS, SECRETS, SECRETS), TIMES, st.integers(0, 2))
def test_what_an_authority_issues_a_device_accepts(
    suite: int, name: bytes, secrets: tuple[bytes, ...], not_after: int, flags: int
) -> None:
    r, g, k = (scalar(suite, wide) for wide in secrets[:3])
    anchor, private = authority(suite, secrets[3])
    claim = secrets[0][:32]
    request = Request(claim_request(suite, make_request(suite, name, r, g), claim))
    issuing.check_claim(request, claim)
    cert, reply = issuing.issue(anchor, private, request, k, flags, not_after)
    me = accept_reply(anchor, reply, name, r, request.share_point, flags)
    assert me.cert.raw == cert
    assert 82 <= len(cert) <= 113
    assert (me.id, me.cert.flags, me.cert.not_after) == (name, flags, not_after)
    assert crypto.core.base_mul(suite, me.private) == me.public == anchor.public_key(me.cert)
    share = issuing.open_share(anchor, private, me.cert, make_share(me, g))
    assert crypto.core.base_mul(suite, share) == issuing.add(suite, me.public, me.cert.share_point)


@given(SUITES, st.data())
def test_a_certificate_has_one_form(suite: int, data: st.DataObject) -> None:
    raw = bytearray(scenario(suite).certificate(data.draw(st.integers(0, 5))))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    try:
        cert = Certificate(bytes(raw))
    except Refused as refusal:
        assert refusal.reason in (errors.LENGTH, errors.SUITE, errors.NAME, errors.POINT)
        return
    # Another certificate, which no roster, no signature and no reply names.
    fields = cert.issuer, cert.not_after, cert.id, cert.reconstruction, cert.share_point
    rebuilt = issuing.certificate_bytes(cert.suite, cert.flags, *fields)
    assert rebuilt == cert.raw == raw
    assert cert.kid.hex() not in {case["kid"] for case in scenario(suite).file["ecqv"]}


@given(st.binary(max_size=130))
def test_random_bytes_are_no_certificate(raw: bytes) -> None:
    for parse in (Certificate, Request):
        assert reason_of(parse, raw) in (errors.LENGTH, errors.SUITE, errors.NAME, errors.POINT)


@given(SUITES, st.binary(max_size=80), st.data())
def test_a_request_with_any_other_proof_is_refused(suite: int, proof: bytes, data: st.DataObject) -> None:
    world = scenario(suite)
    case = world.case(0)
    claim = bytes.fromhex(case["claim"])
    plain = bytes.fromhex(case["request"])
    cert = Certificate(world.certificate(0))
    claimed, renewed = bytes.fromhex(case["claimed_request"]), renew_request(world.identity(0), plain, bytes(32))
    proof = data.draw(
        st.sampled_from([proof, claimed[len(plain) :][:-1] + b"\x00", renewed[len(plain) :][:-1] + b"\x00"])
    )
    for raw in (plain + proof, claimed + proof, renewed + proof):
        if raw in (claimed, renewed):
            continue
        try:
            request = Request(raw)
        except Refused as refusal:
            assert refusal.reason == errors.LENGTH
            continue
        assert reason_of(issuing.check_claim, request, claim) == errors.CLAIM
        assert reason_of(issuing.check_renewal, world.anchor, request, cert, 0) in (errors.CLAIM, errors.SIGNATURE)


@given(SUITES, st.data())
def test_any_other_reply_is_refused(suite: int, data: st.DataObject) -> None:
    world = scenario(suite)
    case, cert = world.case(0), Certificate(world.certificate(0))
    reply = bytearray.fromhex(case["reply"])
    at = data.draw(st.integers(0, len(reply) - 1))
    reply[at] ^= data.draw(st.integers(1, 255))
    found = reason_of(
        accept_reply, world.anchor, bytes(reply), cert.id, bytes.fromhex(case["r"]), cert.share_point, DEVICE
    )
    assert found in (errors.SUITE, errors.FLAGS, errors.POINT, errors.KEY)
