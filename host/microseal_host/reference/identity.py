"""Section 4: implicit certificates, enrolment, shares; and the device's random values of section 2."""

from dataclasses import dataclass

from . import schnorr
from .curves import Point
from .reading import Reader, name
from .refusal import Refused
from .suites import NO_NONCE, Suite, sc, u8, u32, u64

DEVICE, SIGNER, GATE = 0, 1, 2


def fresh(suite: Suite, seed: bytes, rand: bytes, boot: int, count: int, length: int) -> bytes:
    if len(seed) != 32 or len(rand) != 32:
        raise ValueError("seed and rand have 32 bytes each")
    return suite.hkdf(seed + rand, u32(boot) + u64(count), suite.tag("fresh"), length)


def issuer(suite: Suite, q_ca: bytes) -> bytes:
    return suite.hash(suite.tag("issuer") + q_ca)[:8]


def cert_hash(suite: Suite, cert: bytes) -> bytes:
    return suite.hash(suite.tag("cert") + cert)


def kid(suite: Suite, cert: bytes) -> bytes:
    return cert_hash(suite, cert)[:8]


def hn(suite: Suite, cert: bytes) -> int:
    """Hn of SEC 4: the hash as an integer, shifted right by one bit."""
    return int.from_bytes(suite.hash(cert), "big") >> 1


# Requests


@dataclass(frozen=True)
class Request:
    id: str
    R: Point
    Gi: Point
    encoded: bytes


def request(suite: Suite, id: str, r: int, g: int) -> bytes:
    return u8(suite.number) + u8(len(id)) + id.encode() + suite.public(r) + suite.public(g)


def _read_request(suite: Suite, reader: Reader) -> Request:
    if reader.number(1, "suite") != suite.number:
        raise Refused("suite")
    id = reader.take(reader.number(1, "id"), "id")
    R, Gi = reader.take(33, "R"), reader.take(33, "Gi")
    encoded = reader.data[: reader.at]
    return Request(name(id, "id"), suite.point(R, "R"), suite.point(Gi, "Gi"), encoded)


def parse_request(suite: Suite, data: bytes) -> Request:
    """A request alone, as it comes over the provisioning cable."""
    _check_request_length(data, 0)
    return _read_request(suite, Reader(data))


def _check_request_length(data: bytes, more: int) -> None:
    # Before anything else: a length that does not add up says nothing about the fields.
    if len(data) < 2 or len(data) != 2 + data[1] + 66 + more:
        raise Refused("length", "request")


def claimed(suite: Suite, encoded: bytes, claim: bytes) -> bytes:
    return encoded + suite.hmac(claim, suite.tag("claim") + encoded)


def open_claimed(suite: Suite, data: bytes, claim: bytes) -> Request:
    _check_request_length(data, 32)
    found = _read_request(suite, Reader(data[:-32]))
    if claimed(suite, found.encoded, claim) != data:
        raise Refused("claim")
    return found


def renewal(suite: Suite, encoded: bytes, old_cert: bytes, d: int, rand: bytes) -> bytes:
    old = kid(suite, old_cert)
    return encoded + old + schnorr.sign(suite, d, "renew", b"", encoded + old, rand)


def open_renewal(suite: Suite, data: bytes, q_ca: bytes, current: bytes, now: int) -> Request:
    """`current` is the certificate in force of the request's id; neither expired nor, as the caller knows, revoked."""
    _check_request_length(data, 72)
    found = _read_request(suite, Reader(data[:-72]))
    cert = parse_certificate(suite, q_ca, current)
    if found.id != cert.id or data[-72:-64] != cert.kid:
        raise Refused("claim", "not the current certificate of this id")
    if now > cert.not_after:
        raise Refused("certificate", "expired")
    schnorr.check(suite, cert.public, "renew", b"", data[:-64], data[-64:], "renewal")
    return found


# Certificates


@dataclass(frozen=True)
class Certificate:
    encoded: bytes
    flags: int
    not_after: int
    id: str
    C: Point
    Gi: Point
    public: bytes
    kid: bytes
    hash: bytes


def certificate(suite: Suite, flags: int, q_ca: bytes, not_after: int, id: str, C: bytes, Gi: bytes) -> bytes:
    own = id.encode()
    return u8(suite.number) + u8(flags) + issuer(suite, q_ca) + u32(not_after) + u8(len(own)) + own + C + Gi


def parse_certificate(suite: Suite, q_ca: bytes, data: bytes) -> Certificate:
    if len(data) < 15 or len(data) != 15 + data[14] + 66:
        raise Refused("length", "certificate")
    reader = Reader(data)
    if reader.number(1, "suite") != suite.number:
        raise Refused("suite")
    flags = reader.number(1, "flags")
    if flags not in (DEVICE, SIGNER, GATE):
        raise Refused("kind", "flags")
    if reader.take(8, "issuer") != issuer(suite, q_ca):
        raise Refused("issuer")
    not_after = reader.number(4, "not_after")
    id = reader.name("id")
    C = suite.point(reader.take(33, "C"), "C")
    Gi = suite.point(reader.take(33, "Gi"), "Gi")
    reader.end()
    Q = suite.curve.add(suite.curve.multiply(hn(suite, data), C), suite.point(q_ca, "Q_CA"))
    if Q is None:
        raise Refused("point", "Q")
    hashed = cert_hash(suite, data)
    return Certificate(data, flags, not_after, id, C, Gi, suite.pt(Q), hashed[:8], hashed)


@dataclass(frozen=True)
class Issued:
    cert: bytes
    reply: bytes
    e: int
    a: int


def issue(suite: Suite, d_ca: int, encoded_request: bytes, flags: int, not_after: int, k: int) -> Issued:
    """k is new for every certificate; where it makes C or a nothing, ValueError: draw again."""
    wanted = parse_request(suite, encoded_request)
    q_ca = suite.public(d_ca)
    C = suite.pt(suite.curve.add(wanted.R, suite.base(k)))
    cert = certificate(suite, flags, q_ca, not_after, wanted.id, C, suite.pt(wanted.Gi))
    e = hn(suite, cert)
    a = (e * k + d_ca) % suite.curve.q
    if a == 0:
        raise ValueError("a is zero")
    return Issued(cert, u8(suite.number) + u8(flags) + u32(not_after) + C + sc(a), e, a)


def accept(suite: Suite, q_ca: bytes, id: str, flags: int, r: int, Gi: bytes, reply: bytes) -> tuple[int, Certificate]:
    """The device's private key and its certificate, rebuilt from the reply and from what the device asked for."""
    if len(reply) != 71:
        raise Refused("length", "reply")
    reader = Reader(reply)
    if reader.number(1, "suite") != suite.number:
        raise Refused("suite")
    if reader.number(1, "flags") != flags:
        raise Refused("kind", "flags")
    not_after = reader.number(4, "not_after")
    C = reader.take(33, "C")
    suite.point(C, "C")
    a = suite.scalar(reader.take(32, "a"), "a")
    cert = parse_certificate(suite, q_ca, certificate(suite, flags, q_ca, not_after, id, C, Gi))
    d = (hn(suite, cert.encoded) * r + a) % suite.curve.q
    if d == 0 or suite.public(d) != cert.public:
        raise Refused("key", "reply")
    return d, cert


# Shares


def _share_key(suite: Suite, shared: bytes, own_kid: bytes) -> bytes:
    return suite.hkdf(shared, b"", suite.tag("share") + own_kid, 16)


def share(suite: Suite, q_ca: bytes, cert: bytes, d: int, g: int) -> bytes:
    """The box with x = d + g for the authority, 48 bytes."""
    key = _share_key(suite, suite.shared(d, suite.point(q_ca)), kid(suite, cert))
    return suite.seal(key, NO_NONCE, cert, sc((d + g) % suite.curve.q))


def open_share(suite: Suite, d_ca: int, cert: Certificate, box: bytes) -> int:
    """x, for a certificate that this authority issued."""
    if len(box) != 48:
        raise Refused("length", "box")
    key = _share_key(suite, suite.shared(d_ca, suite.point(cert.public)), cert.kid)
    x = suite.scalar(suite.unseal(key, NO_NONCE, cert.encoded, box, "box"), "x")
    if suite.base(x) != suite.curve.add(suite.point(cert.public), cert.Gi):
        raise Refused("key", "share")
    return x
