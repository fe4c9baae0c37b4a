"""Certificates, enrolment and share (section 4): what is refused, and for which reason."""

from device_support import flipped, refused, scenario, suites

from microseal import crypto, errors
from microseal.identity import (
    DEVICE,
    GATE,
    SIGNER,
    Anchor,
    Certificate,
    Request,
    Signer,
    accept_reply,
    claim_request,
    make_request,
    make_share,
    renew_request,
)
from microseal.wire import u32

NOT_POINTS = (b"\x04" + bytes(range(32)), bytes(33), b"\x02" + b"\xff" * 32, b"\x00" + bytes(range(32)))


def off_curve(suite):
    """A well-formed x of no point."""
    for x in range(1, 50):
        point = b"\x02" + x.to_bytes(32, "big")
        if not crypto.core.is_point(suite, point):
            return point
    raise AssertionError


def test_certificates_of_the_vectors():
    for suite in suites:
        world = scenario(suite)
        for case in world.file["ecqv"]:
            raw = bytes.fromhex(case["certificate"])
            cert = Certificate(raw)
            assert cert.raw == raw and cert.suite == suite
            assert cert.flags == case["flags"]
            assert cert.id == case["id"].encode()
            assert cert.not_after == case["not_after"]
            assert cert.kid.hex() == case["kid"] and len(cert.hash) == 32
            assert cert.issuer == world.anchor.issuer == bytes.fromhex(world.file["ca"]["issuer"])
            assert world.anchor.public_key(cert).hex() == case["public"]
            assert Certificate(memoryview(raw)).raw == raw


def test_certificates_of_any_other_form():
    for suite in suites:
        raw = scenario(suite).certificate(0)
        for size in range(len(raw)):
            refused(errors.LENGTH, Certificate, raw[:size])
        refused(errors.LENGTH, Certificate, raw + b"\x00")
        refused(errors.SUITE, Certificate, b"\x00" + raw[1:])
        refused(errors.SUITE, Certificate, b"\x03" + raw[1:])
        refused(errors.NAME, Certificate, raw[:15] + b"/" + raw[16:])
        refused(errors.NAME, Certificate, raw[:14] + b"\x00" + raw[15 + raw[14] :])
        for at in (len(raw) - 66, len(raw) - 33):
            for point in NOT_POINTS + (off_curve(suite),):
                refused(errors.POINT, Certificate, raw[:at] + point + raw[at + 33 :])


def test_anchor():
    for suite in suites:
        world = scenario(suite)
        cert = Certificate(world.certificate(0))
        check = world.anchor.check
        assert check(cert, DEVICE, None) is cert
        assert check(cert, DEVICE, cert.not_after) is cert
        refused(errors.EXPIRED, check, cert, DEVICE, cert.not_after + 1)
        refused(errors.FLAGS, check, cert, SIGNER, None)
        refused(errors.FLAGS, check, Certificate(world.certificate(5)), DEVICE, None)
        assert check(Certificate(world.certificate(5)), GATE, None)
        refused(errors.ISSUER, check, Certificate(flipped(cert.raw, 2)), DEVICE, None)
        refused(errors.ISSUER, check, Certificate(flipped(cert.raw, 9)), DEVICE, None)
        refused(errors.SUITE, Anchor, 0, world.anchor.public)
        refused(errors.POINT, Anchor, suite, bytes(33))
        refused(errors.POINT, Anchor, suite, world.anchor.public[:32])
    if len(suites) == 2:
        refused(errors.SUITE, scenario(1).anchor.check, Certificate(scenario(2).certificate(0)), DEVICE, None)


def test_a_certificate_that_implies_no_key():
    # C = -Q_CA/e cannot be made, for e depends on C; but Q_CA may be chosen so that e·C + Q_CA is infinity.
    for suite in suites:
        cert = Certificate(scenario(suite).certificate(0))
        core = crypto.core
        shifted = (int.from_bytes(core.hash(suite, cert.raw), "big") >> 1).to_bytes(32, "big")
        e = core.scalar_reduce(suite, shifted)
        generator = core.base_mul(suite, u32(0) * 7 + u32(1))
        product = core.mul_add(suite, e, cert.reconstruction, generator)  # e·C + G
        product = core.mul_add(suite, u32(0) * 7 + u32(1), bytes((generator[0] ^ 1,)) + generator[1:], product)
        negative = bytes((product[0] ^ 1,)) + product[1:]
        refused(errors.POINT, Anchor(suite, negative).public_key, cert)


def test_signer():
    for suite in suites:
        world = scenario(suite)
        signer = Signer(world.anchor, world.signer_raw, world.now)
        body, signature = world.info_raw[:-64], world.info_raw[-64:]
        signer.check(b"group", b"", body, signature)
        refused(errors.SIGNATURE, signer.check, b"time", b"", body, signature)
        refused(errors.SIGNATURE, signer.check, b"group", b"x", body, signature)
        refused(errors.SIGNATURE, signer.check, b"group", b"", body + b"x", signature)
        refused(errors.SIGNATURE, signer.check, b"group", b"", body, flipped(signature, 0))
        refused(errors.SIGNATURE, signer.check, b"group", b"", body, bytes(64))
        refused(errors.FLAGS, Signer, world.anchor, world.certificate(0))
        refused(errors.FLAGS, Signer, world.anchor, world.certificate(5))
        refused(errors.EXPIRED, Signer, world.anchor, world.signer_raw, signer.cert.not_after + 1)


def test_requests():
    for suite in suites:
        world = scenario(suite)
        case = world.case(0)
        r, g, claim = (bytes.fromhex(case[name]) for name in ("r", "g", "claim"))
        raw = make_request(suite, case["id"].encode(), r, g)
        assert raw.hex() == case["request"]
        claimed = claim_request(suite, raw, claim)
        assert claimed.hex() == case["claimed_request"]
        for whole, proof in ((raw, 0), (claimed, 32), (raw + bytes(72), 72)):
            found = Request(whole)
            assert (found.suite, found.id, found.raw, len(found.proof)) == (suite, case["id"].encode(), raw, proof)
        for size in range(len(raw) + 80):
            if size not in (len(raw), len(raw) + 32, len(raw) + 72):
                refused(errors.LENGTH, Request, (raw + bytes(80))[:size])
        refused(errors.SUITE, Request, b"\x07" + raw[1:])
        refused(errors.NAME, make_request, suite, b"a b", r, g)
        refused(errors.NAME, make_request, suite, b"a" * 33, r, g)


def test_renewals():
    for suite in suites:
        world = scenario(suite)
        case = world.file["renewal"]
        me = world.identity(case["device"])
        r, g, rand = (bytes.fromhex(case[name]) for name in ("r", "g", "rand"))
        assert renew_request(me, make_request(suite, me.id, r, g), rand).hex() == case["renewal"]


def test_replies():
    for suite in suites:
        world = scenario(suite)
        case = world.case(0)
        r, reply = bytes.fromhex(case["r"]), bytes.fromhex(case["reply"])
        device, cert = case["id"].encode(), Certificate(world.certificate(0))

        def accept(raw, device=device, r=r, share_point=cert.share_point, flags=DEVICE, now=None, anchor=world.anchor):
            return accept_reply(anchor, raw, device, r, share_point, flags, now)

        me = accept(reply)
        assert me.private.hex() == case["private"] and me.public.hex() == case["public"]
        assert me.cert.raw == cert.raw and me.id == device
        for size in range(len(reply)):
            refused(errors.LENGTH, accept, reply[:size])
        refused(errors.LENGTH, accept, reply + b"\x00")
        refused(errors.SUITE, accept, bytes((3 - suite,)) + reply[1:])
        refused(errors.FLAGS, accept, reply, device, r, cert.share_point, SIGNER)
        refused(errors.FLAGS, accept, reply[:1] + b"\x01" + reply[2:])
        refused(errors.EXPIRED, accept, reply, device, r, cert.share_point, DEVICE, cert.not_after + 1)
        refused(errors.KEY, accept, flipped(reply, 5))  # not_after
        refused(errors.POINT, accept, reply[:6] + off_curve(suite) + reply[39:])
        refused(errors.KEY, accept, reply[:6] + cert.share_point + reply[39:])
        refused(errors.KEY, accept, flipped(reply, 70))
        refused(errors.KEY, accept, reply[:39] + bytes(32))
        refused(errors.KEY, accept, reply[:39] + b"\xff" * 32)
        # Of the right authority, but for another request, id, share point, or by another authority.
        refused(errors.KEY, accept, reply, device + b"x")
        refused(errors.KEY, accept, reply, device, bytes.fromhex(case["g"]))
        refused(errors.KEY, accept, reply, device, r, cert.reconstruction)
        other = Anchor(suite, bytes.fromhex(world.case(4)["public"]))
        refused(errors.KEY, accept_reply, other, reply, device, r, cert.share_point)


def test_shares():
    for suite in suites:
        world = scenario(suite)
        for index in range(4):
            case = world.case(index)
            assert make_share(world.identity(index), bytes.fromhex(case["g"])).hex() == case["share_box"]
