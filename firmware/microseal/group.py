"""Groups: the signed info of an epoch, key packets, rekey broadcasts and asks (section 5).

A role says what a member does and which key it is given: a publisher holds d_S, a subscriber holds d_P.
"""

from . import crypto, errors
from .errors import Refused
from .policy import parse_policy
from .roster import roster_hash
from .wire import Reader, check_name, long, short, u8, u32

PUBLISHER = 1
SUBSCRIBER = 2
KEY_PACKET = 86  # bytes


def info_body(suite, gid, epoch, issued, not_after, policy, blind_p, blind_s, q_p, q_s, roster_p, roster_s):
    """The signed part of an info. policy: encoded; blinds and keys: points; rosters: joined cert_hashes, ascending."""
    return b"".join(
        (
            u8(suite) + short(gid) + u32(epoch) + u32(issued) + u32(not_after) + long(policy),
            blind_p + blind_s + q_p + q_s,
            roster_hash(suite, roster_p) + roster_hash(suite, roster_s),
        )
    )


class Info:
    """A parsed info. signer: whose signature over it is checked; None only for one that this device stored after checking it.

    public[role] is the public key of the group key that members of `role` hold; rosters[role] the hash of their roster, which is cut
    out of `raw` each time, as the blinding points are: a device keeps an info of every group.
    """

    def __init__(self, suite, raw, signer):
        read = Reader(raw)
        self.suite = read.uint(1)
        if self.suite != suite:
            raise Refused(errors.SUITE)
        self.gid = read.name()
        self.epoch = read.uint(4)
        self.issued = read.uint(4)
        self.not_after = read.uint(4)
        self.policy = parse_policy(read.take(read.uint(2)))
        blind_p, blind_s, q_p, q_s = [read.point() for _ in range(4)]
        self.public = {PUBLISHER: q_s, SUBSCRIBER: q_p}
        read.take(64)  # the hashes of the rosters
        body = read.raw[: read.at]
        signature = read.take(64)
        read.end()
        if self.epoch == 0:
            raise Refused(errors.EPOCH)
        self.usable_until = self.not_after  # a signer's word counts up to its own not_after
        if signer is not None:
            self.usable_until = min(self.not_after, signer.cert.not_after)
            signer.check(b"group", b"", body, signature)
            for point in (blind_p, blind_s, q_p, q_s):
                crypto.check_point(suite, point)
        self.raw = bytes(raw)
        self.hash = crypto.core.hash(self.suite, self.raw)

    @property
    def blind_p(self):
        return self.raw[-260:-227]

    @property
    def blind_s(self):
        return self.raw[-227:-194]

    @property
    def rosters(self):
        return {PUBLISHER: self.raw[-128:-96], SUBSCRIBER: self.raw[-96:-64]}


def packet_key(suite, secret, ephemeral, role, kid):
    """K of a key packet. secret: X(u·Q) = X(d·U); ephemeral: U."""
    return crypto.core.hkdf(suite, secret, ephemeral, crypto.tag(b"grpkey", suite) + u8(role) + kid, 16)


def rekey_key(info_hash, suite, gid, epoch, role, old):
    """K of a rekey broadcast. old: the d that holders of `role` have from the epoch before."""
    context = crypto.tag(b"rekey", suite) + u8(role) + short(gid) + u32(epoch)
    return crypto.core.hkdf(suite, old, info_hash, context, 16)


def open_key_packet(me, info, raw, role):
    """The group key (32 bytes, secret) in the key packet `raw` (86 bytes) to `me` for `role`, checked against the info."""
    read = Reader(raw)
    got_role, epoch = read.uint(1), read.uint(4)
    ephemeral, box = read.point(), read.take(48)
    read.end()
    _check_head(info, got_role, epoch, role)
    crypto.check_point(me.suite, ephemeral)
    secret = crypto.core.ecdh(me.suite, me.private, ephemeral)
    return _open_group_key(info, packet_key(me.suite, secret, ephemeral, role, me.kid), box, role)


def open_rekey(info, raw, role, old):
    """The group key in the rekey broadcast `raw` (53 bytes), for one who holds `old`, the key of `role` of the epoch before."""
    read = Reader(raw)
    got_role, epoch = read.uint(1), read.uint(4)
    box = read.take(48)
    read.end()
    _check_head(info, got_role, epoch, role)
    return _open_group_key(info, rekey_key(info.hash, info.suite, info.gid, epoch, role, old), box, role)


def _check_head(info, got_role, epoch, role):
    if got_role != role:
        raise Refused(errors.ROLE)
    if epoch != info.epoch:
        raise Refused(errors.EPOCH)


def _open_group_key(info, key, box, role):
    core = crypto.core
    private = bytearray(32)
    if not core.gcm_open(key, bytes(12), info.hash, box, private):
        raise Refused(errors.DECRYPTION)
    private = bytes(private)
    if not core.is_scalar(info.suite, private) or core.base_mul(info.suite, private) != info.public[role]:
        raise Refused(errors.KEY)
    return private


def make_ask(me, gid, held, t, rand):
    """The message that asks for this member's key packets. held: the epoch it has, 0 for none; t: now, in s since 1970."""
    body = short(check_name(gid)) + u32(held) + u32(t)
    return body + me.sign(b"ask", b"", body, rand)
