"""Identity: ECQV implicit certificates, enrolment, renewal and share, as the device sees them (section 4)."""

from . import crypto, errors
from .errors import Refused
from .wire import Reader, check_name, short, u8, u32

DEVICE = 0  # certificate flags: member of groups, sender of envelopes, client of a session
SIGNER = 1  # the authority's signer: group infos, signed time, the revoked list
GATE = 2  # the gate's side of a session


class Certificate:
    """A parsed certificate, 82 to 113 bytes; its points are checked, its issuer and dates are not yet (Anchor.check).

    known: points that need no check here, which takes a small chip 330,000 cycles for each. What few ask for is cut out of
    `raw` each time: a device keeps dozens of these.
    """

    def __init__(self, raw, known=()):
        read = Reader(raw)
        self.raw = bytes(raw)
        self.suite = read.uint(1)
        self.flags = read.uint(1)
        read.take(8)  # issuer
        self.not_after = read.uint(4)
        self.id = read.name()
        points = read.point(), read.point()
        read.end()
        if self.suite not in crypto.core.SUITES:
            raise Refused(errors.SUITE)
        for point in points:
            if point not in known:
                crypto.check_point(self.suite, point)
        self.hash = crypto.core.hash(self.suite, crypto.tag(b"cert", self.suite), self.raw)

    @property
    def issuer(self):
        return self.raw[2:10]

    @property
    def reconstruction(self):
        """C, 33 bytes."""
        return self.raw[-66:-33]

    @property
    def share_point(self):
        """Gi, 33 bytes."""
        return self.raw[-33:]

    @property
    def kid(self):
        return self.hash[:8]


class Anchor:
    """The authority as a device knows it: suite and Q_CA (33 bytes), both from provisioning, never from the network."""

    def __init__(self, suite, public):
        if suite not in crypto.core.SUITES:
            raise Refused(errors.SUITE)
        self.suite = suite
        self.public = crypto.check_point(suite, bytes(public))
        self.issuer = crypto.core.hash(suite, crypto.tag(b"issuer", suite), self.public)[:8]

    def check(self, cert, flags, now):
        """`cert` if it is this authority's, made for the use `flags`, and not past its not_after at `now` (None: not looked at)."""
        if cert.suite != self.suite:
            raise Refused(errors.SUITE)
        if cert.issuer != self.issuer:
            raise Refused(errors.ISSUER)
        if cert.flags != flags:
            raise Refused(errors.FLAGS)
        if now is not None and now > cert.not_after:
            raise Refused(errors.EXPIRED)
        return cert

    def public_key(self, cert):
        """Q = e·C + Q_CA, 33 bytes. It is the holder's key only if the certificate is genuine: a signature by it shows that."""
        try:
            return crypto.core.ecqv_public(cert.suite, cert.raw, cert.reconstruction, self.public)
        except ValueError:  # the point at infinity
            raise Refused(errors.POINT)


class Signer:
    """The authority's signer: a certificate with flags 1 and its public key Q_A. proven: whether a signature by it was seen."""

    def __init__(self, anchor, raw, now=None):
        self.cert = anchor.check(Certificate(raw), SIGNER, now)
        self.suite = self.cert.suite
        self.public = anchor.public_key(self.cert)
        self.proven = False

    def check(self, label, context, body, signature):
        """Refused(SIGNATURE) unless `signature` (64 bytes) over `body` is the signer's."""
        if not crypto.core.verify(self.suite, self.public, label, context, body, signature):
            raise Refused(errors.SIGNATURE)
        self.proven = True


class Identity:
    """A key pair with its certificate: what a device has after enrolment. d: 32 bytes, secret."""

    def __init__(self, anchor, cert, private, public=None):
        self.anchor = anchor
        self.cert = cert
        self.suite = cert.suite
        self.id = cert.id
        self.kid = cert.kid
        self.private = private
        self.public = public or crypto.core.base_mul(cert.suite, private)

    def sign(self, label, context, message, rand):
        """64 bytes; rand: 32 fresh random bytes."""
        return crypto.core.sign(self.suite, self.private, self.public, label, context, message, rand)

    def sign_pair(self, label, context, message, pair):
        """64 bytes; pair: v ‖ v·G (65 bytes, pairs.py), which is zeroed."""
        return crypto.core.sign_pair(self.suite, self.private, self.public, label, context, message, pair)


def make_request(suite, device, r, g):
    """The request of device id `device` (bytes): 68 bytes and the id. r, g: secret scalars, for this one request only."""
    base_mul = crypto.core.base_mul
    return u8(suite) + short(check_name(device)) + base_mul(suite, r) + base_mul(suite, g)


def claim_request(suite, request, claim):
    """The request with the proof that its sender holds the one-time claim (32 bytes, secret) given out for its id."""
    return request + crypto.core.hmac(suite, claim, crypto.tag(b"claim", suite), request)


def renew_request(me, request, rand):
    """The request with `kid ‖ sig` by the identity that it is to replace."""
    signed = request + me.kid
    return signed + me.sign(b"renew", b"", signed, rand)


def own_share_point(request):
    """Gi (33 bytes) of a request that this device has made."""
    at = 2 + request[1] + 33
    return request[at : at + 33]


class Request:
    """A parsed request: suite, id, R, Gi, the request's own bytes (`raw`) and the proof behind them (`proof`)."""

    def __init__(self, raw):
        read = Reader(raw)
        self.suite = read.uint(1)
        self.id = read.take(read.uint(1))
        self.commitment = read.point()  # R
        self.share_point = read.point()  # Gi
        self.raw = bytes(raw[: read.at])
        self.proof = bytes(raw[read.at :])
        if len(self.proof) not in (0, 32, 72):  # cable, claim, renewal
            raise Refused(errors.LENGTH)
        # Only now: where the length is wrong, the fields are not what they seem.
        if self.suite not in crypto.core.SUITES:
            raise Refused(errors.SUITE)
        check_name(self.id)
        crypto.check_point(self.suite, self.commitment)
        crypto.check_point(self.suite, self.share_point)


def certificate_bytes(suite, flags, issuer, not_after, device, reconstruction, share_point):
    """The certificate to the byte, from its fields."""
    return u8(suite) + u8(flags) + issuer + u32(not_after) + short(device) + reconstruction + share_point


def accept_reply(anchor, raw, device, r, share_point, flags=DEVICE, now=None):
    """The Identity that the reply (71 bytes) makes of the request with `r` (secret) and Gi = `share_point` for id `device`."""
    read = Reader(raw)
    suite, got_flags, not_after = read.uint(1), read.uint(1), read.uint(4)
    reconstruction, a = read.point(), read.take(32)
    read.end()
    if suite != anchor.suite:
        raise Refused(errors.SUITE)
    cert = Certificate(
        certificate_bytes(suite, got_flags, anchor.issuer, not_after, device, reconstruction, share_point),
        (reconstruction, share_point),  # ecqv_accept checks the one, the device made the other
    )
    anchor.check(cert, flags, now)
    if not crypto.core.is_scalar(suite, a):
        raise Refused(errors.KEY)
    try:
        private, public = crypto.core.ecqv_accept(suite, cert.raw, reconstruction, anchor.public, r, a)
    except ValueError:
        crypto.check_point(suite, reconstruction)
        raise Refused(errors.KEY)
    return Identity(anchor, cert, private, public)


def share_key(suite, secret, kid):
    """K of the share: `secret` is X(d·Q_CA), the same as X(d_CA·Q)."""
    return crypto.core.hkdf(suite, secret, b"", crypto.tag(b"share", suite) + kid, 16)


def make_share(me, g):
    """The box, 48 bytes, that carries the share x = d + g (section 4). g: the secret scalar of the request; erase it after."""
    core, suite = crypto.core, me.suite
    x = core.scalar_mul_add(suite, me.private, (1).to_bytes(32, "big"), g)
    key = share_key(suite, core.ecdh(suite, me.private, me.anchor.public), me.kid)
    box = bytearray(48)
    core.gcm_seal(key, bytes(12), me.cert.raw, x, box)
    return bytes(box)
