"""Infos, key packets, broadcasts and asks (section 5): what is refused, and for which reason."""

from device_support import flipped, reason_of, refused, scenario, suites

from microseal import crypto, errors
from microseal.group import PUBLISHER, SUBSCRIBER, Info, info_body, make_ask, open_key_packet, open_rekey, rekey_key
from microseal.policy import Policy


def signed(world, body):
    """An info of the body, signed by the authority's signer."""
    return body + world.identity(world.file["ca"]["signer"]).sign(b"group", b"", body, bytes(32))


def body_with(world, **changes):
    """The body of the scenario's info with other fields."""
    info = world.info()
    fields = {
        "suite": world.suite,
        "gid": info.gid,
        "epoch": info.epoch,
        "issued": info.issued,
        "not_after": info.not_after,
        "policy": info.policy.encode(),
        "blind_p": info.blind_p,
        "blind_s": info.blind_s,
        "q_p": info.public[SUBSCRIBER],
        "q_s": info.public[PUBLISHER],
        "roster_p": world.rosters[PUBLISHER],
        "roster_s": world.rosters[SUBSCRIBER],
    }
    fields.update(changes)
    return info_body(*[fields[name] for name in (
        "suite", "gid", "epoch", "issued", "not_after", "policy",
        "blind_p", "blind_s", "q_p", "q_s", "roster_p", "roster_s",
    )])  # fmt: skip


def take(world, **changes):
    """The Info with other fields, as a device takes it."""
    return Info(world.suite, signed(world, body_with(world, **changes)), world.signer)


def test_infos_of_the_vectors():
    for suite in suites:
        world = scenario(suite)
        info = world.info()
        group = world.group
        assert (info.gid, info.epoch, info.suite) == (world.gid, group["epoch"], suite)
        assert (info.issued, info.not_after) == (group["issued"], group["not_after"])
        assert info.policy.encode().hex() == group["policy"]
        assert info.raw == world.info_raw
        assert info.hash == crypto.core.hash(suite, world.info_raw)
        assert body_with(world) == world.info_raw[:-64]
        Info(suite, world.info_raw, None)


def test_infos_of_any_other_length():
    for suite in suites:
        world = scenario(suite)
        for size in range(1, len(world.info_raw)):
            refused(errors.LENGTH, Info, suite, world.info_raw[:size], world.signer)
        refused(errors.LENGTH, Info, suite, b"", world.signer)
        refused(errors.LENGTH, Info, suite, world.info_raw + b"\x00", world.signer)


def test_infos_that_the_signer_did_not_sign():
    for suite in suites:
        world = scenario(suite)
        raw = world.info_raw
        gid_at, policy_at = 2, 2 + len(world.gid) + 14
        for at in (gid_at, gid_at + len(world.gid) + 3, policy_at + 8, len(raw) - 65, len(raw) - 64, len(raw) - 1):
            refused(errors.SIGNATURE, Info, suite, flipped(raw, at), world.signer)
        body = raw[:-64]
        by_device = body + world.identity(0).sign(b"group", b"", body, bytes(32))
        refused(errors.SIGNATURE, Info, suite, by_device, world.signer)
        other_label = body + world.identity(4).sign(b"time", b"", body, bytes(32))
        refused(errors.SIGNATURE, Info, suite, other_label, world.signer)


def test_infos_that_are_signed_and_wrong():
    for suite in suites:
        world = scenario(suite)
        assert take(world, epoch=1).epoch == 1
        assert take(world, epoch=0xFFFFFFFF).epoch == 0xFFFFFFFF
        for reason, changes in (
            (errors.EPOCH, {"epoch": 0}),
            (errors.SUITE, {"suite": 3 - suite}),
            (errors.NAME, {"gid": b""}),
            (errors.NAME, {"gid": b"a/b"}),
            (errors.NAME, {"gid": b"a" * 33}),
            (errors.POLICY, {"policy": b"\x04" + bytes(7)}),
            (errors.POLICY, {"policy": b"\x03" + bytes(7)}),
            (errors.LENGTH, {"policy": bytes(9)}),
            (errors.LENGTH, {"policy": bytes(7)}),
            (errors.POINT, {"blind_p": bytes(33)}),
            (errors.POINT, {"blind_s": b"\x04" + bytes(32)}),
            (errors.POINT, {"q_p": b"\x02" + b"\xff" * 32}),
            (errors.POINT, {"q_s": bytes(33)}),
        ):
            found = reason_of(lambda: take(world, **changes))  # noqa: B023  # called at once
            assert found == reason, (changes, found)
        assert take(world, policy=Policy(0, 0, 0, []).encode()).policy.mode == 0


def test_key_packets():
    for suite in suites:
        world = scenario(suite)
        info = world.info()
        group = world.group
        keys = {PUBLISHER: bytes.fromhex(group["d_s"]), SUBSCRIBER: bytes.fromhex(group["d_p"])}
        me, stranger = world.identity(2), world.identity(1)
        packets = world.packets(2)
        for role, raw in packets.items():
            assert open_key_packet(me, info, raw, role) == keys[role]
            for size in range(len(raw)):
                refused(errors.LENGTH, open_key_packet, me, info, raw[:size], role)
            refused(errors.LENGTH, open_key_packet, me, info, raw + b"\x00", role)
            refused(errors.ROLE, open_key_packet, me, info, raw, 3 - role)
            refused(errors.EPOCH, open_key_packet, me, info, flipped(raw, 4), role)
            refused(errors.POINT, open_key_packet, me, info, raw[:5] + bytes(33) + raw[38:], role)
            refused(errors.DECRYPTION, open_key_packet, stranger, info, raw, role)
            refused(errors.DECRYPTION, open_key_packet, me, info, flipped(raw, 5), role)  # -U: another K
            for at in (38, 69, 70, 85):
                refused(errors.DECRYPTION, open_key_packet, me, info, flipped(raw, at), role)
            other = Info(suite, signed(world, body_with(world, issued=info.issued + 1)), world.signer)
            refused(errors.DECRYPTION, open_key_packet, me, other, raw, role)


def test_broadcasts():
    for suite in suites:
        world = scenario(suite)
        info = world.info()
        for case in world.group["rekeys"]:
            role, old, raw = case["role"], bytes.fromhex(case["old"]), bytes.fromhex(case["packet"])
            expected = bytes.fromhex(world.group["d_s" if role == PUBLISHER else "d_p"])
            assert open_rekey(info, raw, role, old) == expected
            for size in range(len(raw)):
                refused(errors.LENGTH, open_rekey, info, raw[:size], role, old)
            refused(errors.LENGTH, open_rekey, info, raw + b"\x00", role, old)
            refused(errors.ROLE, open_rekey, info, raw, 3 - role, old)
            refused(errors.EPOCH, open_rekey, info, flipped(raw, 1), role, old)
            refused(errors.DECRYPTION, open_rekey, info, raw, role, flipped(old, 31))
            for at in (5, 36, 37, 52):
                refused(errors.DECRYPTION, open_rekey, info, flipped(raw, at), role, old)


def test_a_key_that_is_not_the_infos():
    """Sealed as it should be, by someone who could, but not the key whose public half the signer signed."""
    for suite in suites:
        world = scenario(suite)
        me = world.identity(2)
        case = world.group["rekeys"][0]
        role, old, raw = case["role"], bytes.fromhex(case["old"]), bytes.fromhex(case["packet"])
        other = {"q_s" if role == PUBLISHER else "q_p": me.public}
        info = Info(suite, signed(world, body_with(world, **other)), world.signer)
        box = bytearray(48)
        key = rekey_key(info.hash, suite, info.gid, info.epoch, role, old)
        for wrong in (bytes.fromhex(world.group["d_s"]), bytes(32), b"\xff" * 32):
            crypto.core.gcm_seal(key, bytes(12), info.hash, wrong, box)
            refused(errors.KEY, open_rekey, info, raw[:5] + bytes(box), role, old)
        crypto.core.gcm_seal(key, bytes(12), info.hash, me.private, box)
        assert open_rekey(info, raw[:5] + bytes(box), role, old) == me.private


def test_asks():
    for suite in suites:
        world = scenario(suite)
        for case in world.group["asks"]:
            me = world.identity(case["member"])
            raw = make_ask(me, world.gid, case["held"], case["time"], bytes.fromhex(case["rand"]))
            assert raw.hex() == case["ask"]
        refused(errors.NAME, make_ask, me, b"no/gid", 0, 0, bytes(32))
