"""The authority's side of the protocol (sections 4 and 5), as pure functions on `microseal.crypto.core`.

Written in the subset of Python that MicroPython runs, and importing only `microseal`: the cross-check runs this very
file there. Whatever is random is an argument, so that vectors reproduce; a value that the protocol wants drawn again
raises DrawAgain. Sums of shares are sums of scalars here: the authority knows every x, so Σ (Q + Gi) + b·G is one
multiplication of G by Σ x + b.
"""
# MicroPython has no exception chaining, and says so at each `from`:
# ruff: noqa: B904

from microseal import crypto, errors
from microseal.errors import Refused
from microseal.group import PUBLISHER, SUBSCRIBER, info_body, packet_key, rekey_key
from microseal.identity import certificate_bytes, share_key
from microseal.wire import Reader, u8, u32

CLAIM = 32  # bytes of a claim and of the proof by it
RENEWAL = 72  # bytes of the proof by the certificate that is to be replaced
SLACK = 120  # s by which an ask may be off

_ONE = b"\x00" * 31 + b"\x01"


class DrawAgain(Exception):
    """The random value given makes C, a, d_P, d_S, Q_P or Q_S zero or infinite: draw another one and call again."""


def _scalar(suite, x, name):
    if not crypto.core.is_scalar(suite, x):
        raise ValueError(name + " must be a scalar, 0 < " + name + " < q")
    return x


# Certificates (section 4)


def issue(anchor, d_ca, request, k, flags, not_after):
    """(certificate, reply) for a parsed Request, which the caller has found to be entitled.

    anchor: the authority's Anchor; d_ca: its private key; k: a fresh random scalar, never used for another certificate,
    secret; flags: what the certificate is for; not_after: s since 1970. The reply is 71 bytes. DrawAgain, with the same
    request, for a C or an a that must not be.
    """
    suite = anchor.suite
    if request.suite != suite:
        raise Refused(errors.SUITE)
    _scalar(suite, k, "k")
    try:
        point = crypto.core.mul_add(suite, k, None, request.commitment)
    except ValueError:
        raise DrawAgain("C is the point at infinity")
    cert = certificate_bytes(suite, flags, anchor.issuer, not_after, request.id, point, request.share_point)
    try:
        a = crypto.core.ecqv_issue(suite, cert, k, d_ca)
    except ValueError:
        raise DrawAgain("a is zero")
    return cert, u8(suite) + u8(flags) + u32(not_after) + point + a


def check_claim(request, claim):
    """Refused(CLAIM) unless the proof behind the request is by `claim` (32 bytes, secret), in constant time."""
    suite = request.suite
    expected = crypto.core.hmac(suite, claim, crypto.tag(b"claim", suite), request.raw)
    if not crypto.core.equal(expected, request.proof):
        raise Refused(errors.CLAIM)


def check_renewal(anchor, request, cert, now):
    """Refused unless the proof behind the request is by `cert`, the current Certificate of its id, at time `now`.

    That it is the current one, and not revoked, is for the caller to know.
    """
    if len(request.proof) != RENEWAL or request.id != cert.id or request.proof[:8] != cert.kid:
        raise Refused(errors.CLAIM)
    anchor.check(cert, cert.flags, now)
    public = anchor.public_key(cert)
    signed = request.raw + cert.kid
    if not crypto.core.verify(anchor.suite, public, b"renew", b"", signed, request.proof[8:]):
        raise Refused(errors.SIGNATURE)


def open_share(anchor, d_ca, cert, box):
    """The share x (32 bytes, secret) in `box` (48 bytes) from the holder of `cert`: x·G = Q + Gi."""
    core, suite = crypto.core, anchor.suite
    if len(box) != 48:
        raise Refused(errors.LENGTH)
    public = anchor.public_key(cert)
    key = share_key(suite, core.ecdh(suite, d_ca, public), cert.kid)
    share = bytearray(32)
    if not core.gcm_open(key, bytes(12), cert.raw, box, share):
        raise Refused(errors.DECRYPTION)
    share = bytes(share)
    try:
        if not core.is_scalar(suite, share) or core.base_mul(suite, share) != add(suite, public, cert.share_point):
            raise Refused(errors.KEY)
    except ValueError:  # Q + Gi is the point at infinity
        raise Refused(errors.KEY)
    return share


def add(suite, P, A):
    """P + A for two points; ValueError if that is the point at infinity."""
    return crypto.core.mul_add(suite, _ONE, P, A)


# Groups (section 5)


class GroupKeys:
    """The keys of one epoch.

    private[role], public[role]: what the members of `role` hold, as in a member's Epoch and Info.
    blind_p, blind_s: the points b_P·G and b_S·G.
    """

    def __init__(self, blind_p, blind_s, d_p, d_s, q_p, q_s):
        self.blind_p, self.blind_s = blind_p, blind_s
        self.private = {PUBLISHER: d_s, SUBSCRIBER: d_p}
        self.public = {PUBLISHER: q_s, SUBSCRIBER: q_p}


def make_keys(suite, shares_p, shares_s, b_p, b_s):
    """The GroupKeys for the shares (32 bytes each) of publishers and subscribers; b_p, b_s: fresh random scalars."""
    base_mul = crypto.core.base_mul
    blind_p, blind_s = base_mul(suite, _scalar(suite, b_p, "b_p")), base_mul(suite, _scalar(suite, b_s, "b_s"))
    d_p, d_s = _sum(suite, shares_p, b_p), _sum(suite, shares_s, b_s)
    return GroupKeys(blind_p, blind_s, d_p, d_s, base_mul(suite, d_p), base_mul(suite, d_s))


def _sum(suite, shares, blind):
    total, mul_add = blind, crypto.core.scalar_mul_add
    for share in shares:
        total = mul_add(suite, _ONE, share, total)
    if not crypto.core.is_scalar(suite, total):
        raise DrawAgain("a group key is zero")
    return total


def make_roster(hashes):
    """The roster of members with these cert_hashes: ascending, without duplicates, joined."""
    return b"".join(sorted(set(hashes)))


def make_info(signer, gid, epoch, issued, not_after, policy, keys, roster_p, roster_s, rand):
    """The info of an epoch.

    signer: the authority's Identity with flags 1; policy: encoded; keys: GroupKeys; rand: 32 fresh bytes.
    """
    q_p, q_s = keys.public[SUBSCRIBER], keys.public[PUBLISHER]
    body = info_body(
        signer.suite, gid, epoch, issued, not_after, policy, keys.blind_p, keys.blind_s, q_p, q_s, roster_p, roster_s
    )
    return body + signer.sign(b"group", b"", body, rand)


def make_key_packet(suite, kid, public, role, epoch, info_hash, private, u):
    """The key packet (86 bytes) that gives the member `kid`, with the key `public` (Q), the group key `private`.

    info_hash: H(info); u: a fresh random scalar, for this packet only, secret.
    """
    core = crypto.core
    ephemeral = core.base_mul(suite, u)
    key = packet_key(suite, core.ecdh(suite, u, public), ephemeral, role, kid)
    box = bytearray(48)
    core.gcm_seal(key, bytes(12), info_hash, private, box)
    return u8(role) + u32(epoch) + ephemeral + bytes(box)


def make_rekey(suite, gid, role, epoch, info_hash, old, new):
    """The rekey broadcast (53 bytes) that gives `new` to all who hold `old`, this role's key of the epoch before."""
    box = bytearray(48)
    crypto.core.gcm_seal(rekey_key(info_hash, suite, gid, epoch, role, old), bytes(12), info_hash, new, box)
    return u8(role) + u32(epoch) + bytes(box)


def check_sums(anchor, info, publishers, subscribers):
    """Refused(KEY) unless Q_P and Q_S of a checked Info are the sums over the Certificates of all its members.

    The accumulator starts at the blind, which the authority drew after every member's points were fixed: no choice of
    theirs takes it through infinity on the way.
    """
    _check_sum(anchor, publishers, info.blind_p, info.public[SUBSCRIBER])
    _check_sum(anchor, subscribers, info.blind_s, info.public[PUBLISHER])


def _check_sum(anchor, certs, total, expected):
    # Σ (Q + Gi) = Σ (e·C + Gi) + n·Q_CA: adding e·C to the sum costs no more than computing Q.
    core, suite, count = crypto.core, anchor.suite, 0
    try:
        for cert in certs:
            total = core.ecqv_public(suite, cert.raw, cert.reconstruction, total)
            total = add(suite, cert.share_point, total)
            count += 1
        if count:
            total = core.mul_add(suite, count.to_bytes(32, "big"), anchor.public, total)
    except ValueError:
        raise Refused(errors.KEY)
    if total != expected:
        raise Refused(errors.KEY)


# What else the signer signs, and asks (section 5)


def sign_time(signer, challenge, t, rand):
    """The answer (68 bytes) to a challenge of 16 bytes: the time t, s since 1970, signed."""
    if len(challenge) != 16:
        raise Refused(errors.LENGTH)
    return u32(t) + signer.sign(b"time", challenge, u32(t), rand)


def make_revoked(signer, issued, kids, rand):
    """The revoked list of the certificates `kids` (8 bytes each, any order)."""
    body = u32(issued) + b"".join(sorted(set(kids)))
    return body + signer.sign(b"revoked", b"", body, rand)


def verify_ask(anchor, cert, raw, now, last):
    """(gid, epoch held, t) of an ask by the holder of `cert`. last: the t of the last ask taken from this kid, or None.

    The caller keeps the t returned as the next `last`.
    """
    read = Reader(raw)
    gid, held, t = read.name(), read.uint(4), read.uint(4)
    body = read.raw[: read.at]
    signature = read.take(64)
    read.end()
    if abs(now - t) > SLACK or last is not None and t <= last:
        raise Refused(errors.TIME)
    if not crypto.core.verify(anchor.suite, anchor.public_key(cert), b"ask", b"", body, signature):
        raise Refused(errors.SIGNATURE)
    return gid, held, t
