"""Envelopes to the byte, and what is refused of their form (section 6)."""

from device_support import flipped, reason_of, refused, scenario, suites

from microseal import crypto, errors
from microseal.envelope import Envelope, seal
from microseal.epoch import Epoch
from microseal.wire import u32


class Given:
    """The random values of a vector instead of fresh ones."""

    def __init__(self, case):
        self._scalars = [bytes.fromhex(case["z"])] if case["mode"] == 3 else []
        names = ("rand", "rand_group") if case["mode"] == 3 else ("rand",)
        self._values = [bytes.fromhex(case[name]) for name in names]

    def scalar(self):
        return self._scalars.pop(0)

    def fresh(self, n):
        value = self._values.pop(0)
        assert len(value) == n
        return value


def sealed(epoch, me, case):
    nonce = bytes.fromhex(case["nonce"]) if case["mode"] != 3 else None
    message = bytes.fromhex(case["message"])
    return seal(
        epoch, me, case["direction"], case["mode"], case["topic"].encode(), case["time"], message, nonce, Given(case)
    )


def test_every_vector_is_reproduced():
    for suite in suites:
        world = scenario(suite)
        epoch, me = world.epoch(2), world.identity(2)
        for _, raw, case in world.envelopes():
            assert bytes(sealed(epoch, me, case)) == raw


def test_every_vector_is_opened():
    for suite in suites:
        world = scenario(suite)
        sender = world.identity(2)
        for topic, raw, case in world.envelopes():
            # A subscriber alone (3) holds d_P, a publisher alone (0) holds d_S: each has what its direction needs.
            epoch = world.epoch(0 if case["direction"] else 3)
            for kind in (bytes, bytearray, memoryview):
                envelope = Envelope(kind(raw))
                assert (envelope.suite, envelope.mode, envelope.direction) == (suite, case["mode"], case["direction"])
                assert envelope.t == case["time"] and envelope.ep == epoch.info.epoch & 0xFFFF
                message = bytes.fromhex(case["message"])
                assert envelope.least <= len(message) <= envelope.most
                if case["mode"] == 3:
                    found = envelope.open_anonymous(epoch, topic, lambda kid, size: sender.public)  # noqa: B023  # called at once
                    assert found == (sender.kid, message)
                else:
                    assert envelope.kid == sender.kid and envelope.nonce.hex() == case["nonce"]
                    assert envelope.open(epoch, topic, sender.public) == message


def test_lengths():
    for suite in suites:
        world = scenario(suite)
        first = suite << 4
        refused(errors.LENGTH, Envelope, b"")
        for mode, least in ((1, 91), (2, 107)):
            for size in range(1, least):
                refused(errors.LENGTH, Envelope, bytes((first | mode,)) + bytes(size - 1))
            for size in (0, 1, 100):
                envelope = Envelope(bytes((first | mode,)) + bytes(least + size - 1))
                assert envelope.least == envelope.most == size
        for size in range(1, 300):
            raw = bytes((first | 3,)) + bytes(size - 1)
            inner = size - 40 - 16 - 64
            if inner in (96, 128, 160):
                envelope = Envelope(raw)
                assert (envelope.least, envelope.most) == (inner - 72 - 32, inner - 72 - 1)
            else:
                refused(errors.LENGTH, Envelope, raw)
        assert world.suite == suite


def test_first_bytes():
    for suite in suites:
        raw = scenario(suite).envelopes(1, 0)[0][1]
        for first in range(256):
            found = reason_of(Envelope, bytes((first,)) + raw[1:])
            if first >> 4 not in crypto.core.SUITES:
                assert found == errors.SUITE
            elif first & 7 not in (1, 2, 3):
                assert found == errors.MODE
            else:
                # A mode 1 message without content is too short for every other mode.
                assert found == (None if first & 7 == 1 else errors.LENGTH)


def test_what_the_signature_covers():
    for suite in suites:
        world = scenario(suite)
        epoch, me = world.epoch(2), world.identity(2)
        for mode in (1, 2):
            topic, raw, _ = world.envelopes(mode, 0)[1]
            for at in [1, 3, 10, 11, 15, 26] + list(range(27, len(raw), 7)) + [len(raw) - 1]:
                refused(errors.SIGNATURE, Envelope(flipped(raw, at)).open, epoch, topic, me.public)
            refused(errors.SIGNATURE, Envelope(raw).open, epoch, topic + b"x", me.public)
            refused(errors.SIGNATURE, Envelope(raw).open, epoch, topic, world.identity(1).public)
            # The same ep in another epoch, and another group.
            for change in (("epoch", epoch.info.epoch + 65536), ("gid", b"another")):
                other = world.epoch(2)
                setattr(other.info, *change)
                other = Epoch(other.info, other.keys, other.senders, 8)
                refused(errors.SIGNATURE, Envelope(raw).open, other, topic, me.public)
            refused(errors.SIGNATURE, Envelope(bytes((raw[0] ^ 8,)) + raw[1:]).open, epoch, topic, me.public)


def test_a_valid_signature_over_what_does_not_decrypt():
    for suite in suites:
        world = scenario(suite)
        epoch, me = world.epoch(2), world.identity(2)
        topic, raw, _ = world.envelopes(2, 0)[1]
        for at in (27, len(raw) - 65):
            body = flipped(raw[:-64], at)
            forged = body + me.sign(b"m2", epoch.context(topic), body, bytes(32))
            refused(errors.DECRYPTION, Envelope(forged).open, epoch, topic, me.public)


def forged_anonymous(world, epoch, me, topic, inner=None, ephemeral=None, key_of=None, sign_inner=None):
    """A mode 3 envelope that its sender, who has all the keys, makes wrong on purpose."""
    core, suite = crypto.core, world.suite
    z = (12345).to_bytes(32, "big")
    ephemeral = ephemeral or core.base_mul(suite, z)
    head = bytes((suite << 4 | 3,)) + (epoch.info.epoch & 0xFFFF).to_bytes(2, "big") + u32(world.now) + ephemeral
    context = epoch.context(topic)
    message = b"m" * 10
    signature = (sign_inner or me).sign(b"m3i", context, head + message, bytes(32))
    inner = inner(me.kid + signature + message) if inner else me.kid + signature + message + b"\x80" + bytes(13)
    key = epoch.anonymous_key(0, core.ecdh(suite, z, epoch.info.public[2]), core.base_mul(suite, z))
    box = bytearray(len(inner) + 16)
    core.gcm_seal(key, bytes(12), context + head, inner, box)
    private, public = epoch.signing_key(0)
    body = head + bytes(box)
    return body + core.sign(suite, private, public, b"m3g", context, body, bytes(32))


def test_one_error_for_all_that_comes_after_the_group_signature():
    for suite in suites:
        world = scenario(suite)
        epoch, me, other = world.epoch(2), world.identity(2), world.identity(1)
        topic = b"site/public-1/3"

        def opened(raw, world=world, epoch=epoch, me=me, topic=topic):
            return Envelope(raw).open_anonymous(epoch, topic, lambda kid, size: me.public)

        assert opened(forged_anonymous(world, epoch, me, topic)) == (me.kid, b"m" * 10)
        for wrong in (
            {"ephemeral": b"\x04" + bytes(32)},
            {"ephemeral": b"\x02" + b"\xff" * 32},
            {"ephemeral": me.public},
            {"sign_inner": other},
            {"inner": lambda text: text + b"\x81" + bytes(13)},
            {"inner": lambda text: text + bytes(14)},
            {"inner": lambda text: text + b"\x80" + bytes(13 + 32)},
            {"inner": lambda text: text[:71] + b"\x80" + bytes(24)},  # the padding begins in the signature
            {"inner": lambda text: text + b"\x80" + bytes(12) + b"\x01"},
            {"inner": lambda text: b"\x80" + bytes(95)},
            {"inner": lambda text: bytes(96)},
        ):
            refused(errors.INNER, opened, forged_anonymous(world, epoch, me, topic, **wrong))

        def unknown(kid, size):
            raise errors.Refused(errors.ROLE)

        raw = forged_anonymous(world, epoch, me, topic)
        refused(errors.INNER, Envelope(raw).open_anonymous, epoch, topic, unknown)
        for at in [1, 3, 7, 8, 40, len(raw) - 80, len(raw) - 64, len(raw) - 1]:
            refused(errors.SIGNATURE, opened, flipped(raw, at))


def test_the_padding_of_every_size():
    for suite in suites:
        world = scenario(suite)
        epoch, me = world.epoch(2), world.identity(2)
        case = world.envelopes(3, 0)[0][2]
        for size in range(66):
            # Messages that end like padding are no trap.
            for message in (bytes(size), b"\x80" * size, b"\x80" + bytes(size)):
                raw = seal(epoch, me, 0, 3, b"t", world.now, message, None, Given(case))
                assert (len(raw) - 40 - 16 - 64) % 32 == 0
                assert len(raw) - 193 - len(message) in range(32)
                found = Envelope(raw).open_anonymous(epoch, b"t", lambda kid, size: me.public)  # noqa: B023  # called at once
                assert found == (me.kid, message)
