"""Section 5: group keys, the signed info, rosters, key packets, rekey broadcasts and asks."""

from collections.abc import Iterable
from dataclasses import dataclass

from . import schnorr
from .curves import Point
from .identity import Certificate, cert_hash, kid
from .policy import Policy, parse_policy
from .reading import Reader
from .refusal import Refused
from .suites import NO_NONCE, Suite, sc, u8, u16, u32

PUBLISHER, SUBSCRIBER = 1, 2
LAST_EPOCH = 2**32 - 1


def roster(suite: Suite, certs: Iterable[bytes]) -> bytes:
    return b"".join(sorted({cert_hash(suite, cert) for cert in certs}))


def parse_roster(data: bytes) -> tuple[bytes, ...]:
    if len(data) % 32:
        raise Refused("length", "roster")
    hashes = tuple(data[i : i + 32] for i in range(0, len(data), 32))
    if any(a >= b for a, b in zip(hashes, hashes[1:], strict=False)):
        raise Refused("order", "roster")
    return hashes


def roster_hash(suite: Suite, data: bytes) -> bytes:
    return suite.hash(suite.tag("roster") + data)


def private_key(suite: Suite, shares: Iterable[int], blind: int) -> int:
    """d_P or d_S: the sum of the members' x and of the blind."""
    return (sum(shares) + blind) % suite.curve.q


def public_key(suite: Suite, members: Iterable[Certificate], blinded: Point) -> Point:
    """Q_P or Q_S: the sum of the members' Q + Gi and of blind*G."""
    total = blinded
    for member in members:
        total = suite.curve.add(total, suite.curve.add(suite.point(member.public), member.Gi))
    return total


# Infos


@dataclass(frozen=True)
class Info:
    encoded: bytes
    gid: str
    epoch: int
    issued: int
    not_after: int
    policy: Policy
    B_P: Point
    B_S: Point
    Q_P: Point
    Q_S: Point
    roster_P: bytes
    roster_S: bytes

    def public(self, role: int) -> Point:
        """The group key that a role's members publish under: Q_P of the publishers, Q_S of the subscribers."""
        return self.Q_P if role == PUBLISHER else self.Q_S

    def roster(self, role: int) -> bytes:
        return self.roster_P if role == PUBLISHER else self.roster_S


@dataclass(frozen=True)
class Draft:
    """What the authority decides for an epoch."""

    gid: str
    epoch: int
    issued: int
    not_after: int
    policy: bytes
    publishers: tuple[Certificate, ...]
    subscribers: tuple[Certificate, ...]
    blind_p: int
    blind_s: int


def info(suite: Suite, draft: Draft, d_a: int, rand: bytes) -> bytes:
    B_P, B_S = suite.base(draft.blind_p), suite.base(draft.blind_s)
    gid = draft.gid.encode()
    body = u8(suite.number) + u8(len(gid)) + gid + u32(draft.epoch) + u32(draft.issued) + u32(draft.not_after)
    body += u16(len(draft.policy)) + draft.policy
    body += suite.pt(B_P) + suite.pt(B_S)
    body += suite.pt(public_key(suite, draft.publishers, B_P)) + suite.pt(public_key(suite, draft.subscribers, B_S))
    body += roster_hash(suite, roster(suite, (m.encoded for m in draft.publishers)))
    body += roster_hash(suite, roster(suite, (m.encoded for m in draft.subscribers)))
    return body + schnorr.sign(suite, d_a, "group", b"", body, rand)


def parse_info(suite: Suite, signer: bytes, data: bytes) -> Info:
    """`signer`: the public key of the authority's signer, whose certificate the caller has checked."""
    reader = Reader(data)
    if reader.number(1, "suite") != suite.number:
        raise Refused("suite")
    gid = reader.name("gid")
    epoch, issued, not_after = (reader.number(4, field) for field in ("epoch", "issued", "not_after"))
    policy = reader.take(reader.number(2, "policy"), "policy")
    points = [suite.point(reader.take(33, field), field) for field in ("B_P", "B_S", "Q_P", "Q_S")]
    roster_P, roster_S = reader.take(32, "roster_P"), reader.take(32, "roster_S")
    body = data[: reader.at]
    sig = reader.take(64, "sig")
    reader.end()
    if epoch == 0:
        raise Refused("epoch", "epochs count from 1")
    parsed = parse_policy(policy)
    schnorr.check(suite, signer, "group", b"", body, sig, "info")
    return Info(data, gid, epoch, issued, not_after, parsed, *points, roster_P, roster_S)


def check_sums(
    suite: Suite, found: Info, publishers: Iterable[Certificate], subscribers: Iterable[Certificate]
) -> None:
    """Whoever holds all certificates checks both sums and both rosters."""
    for role, members, blinded in (
        (PUBLISHER, list(publishers), found.B_P),
        (SUBSCRIBER, list(subscribers), found.B_S),
    ):
        if public_key(suite, members, blinded) != found.public(role):
            raise Refused("key", "sum")
        check_roster(suite, found, role, roster(suite, (m.encoded for m in members)))


def check_roster(suite: Suite, found: Info, role: int, data: bytes) -> tuple[bytes, ...]:
    hashes = parse_roster(data)
    if roster_hash(suite, data) != found.roster(role):
        raise Refused("key", "roster")
    return hashes


# Keys on their way. A packet's role names who gets it; what a role gets is the other one's private key.


def _packet_head(suite: Suite, found: Info, role: int, packet: bytes, length: int) -> None:
    if len(packet) != length:
        raise Refused("length", "packet")
    if packet[0] != role:
        raise Refused("kind", "role")
    if int.from_bytes(packet[1:5], "big") != found.epoch:
        raise Refused("epoch", "packet")


def _held(suite: Suite, found: Info, role: int, opened: bytes) -> int:
    d = suite.scalar(opened, "group key")
    other = SUBSCRIBER if role == PUBLISHER else PUBLISHER
    if suite.base(d) != found.public(other):
        raise Refused("key", "group key")
    return d


def _packet_key(suite: Suite, shared: bytes, U: bytes, role: int, member_kid: bytes) -> bytes:
    return suite.hkdf(shared, U, suite.tag("grpkey") + u8(role) + member_kid, 16)


def key_packet(suite: Suite, found: bytes, epoch: int, role: int, member: Certificate, d: int, u: int) -> bytes:
    U = suite.public(u)
    key = _packet_key(suite, suite.shared(u, suite.point(member.public)), U, role, member.kid)
    return u8(role) + u32(epoch) + U + suite.seal(key, NO_NONCE, suite.hash(found), sc(d))


def open_key_packet(suite: Suite, found: Info, role: int, own_cert: bytes, own_d: int, packet: bytes) -> int:
    _packet_head(suite, found, role, packet, 86)
    U = packet[5:38]
    shared = suite.shared(own_d, suite.point(U, "U"))
    key = _packet_key(suite, shared, U, role, kid(suite, own_cert))
    return _held(suite, found, role, suite.unseal(key, NO_NONCE, suite.hash(found.encoded), packet[38:], "key packet"))


def _rekey_key(suite: Suite, found: bytes, gid: str, epoch: int, role: int, old: int) -> bytes:
    tail = u8(role) + u8(len(gid)) + gid.encode() + u32(epoch)
    return suite.hkdf(sc(old), suite.hash(found), suite.tag("rekey") + tail, 16)


def rekey(suite: Suite, found: bytes, gid: str, epoch: int, role: int, old: int, new: int) -> bytes:
    key = _rekey_key(suite, found, gid, epoch, role, old)
    return u8(role) + u32(epoch) + suite.seal(key, NO_NONCE, suite.hash(found), sc(new))


def open_rekey(suite: Suite, found: Info, role: int, old: int, packet: bytes) -> int:
    _packet_head(suite, found, role, packet, 53)
    key = _rekey_key(suite, found.encoded, found.gid, found.epoch, role, old)
    return _held(suite, found, role, suite.unseal(key, NO_NONCE, suite.hash(found.encoded), packet[5:], "rekey"))


# Asks


def ask(suite: Suite, gid: str, held: int, t: int, d: int, rand: bytes) -> bytes:
    msg = u8(len(gid)) + gid.encode() + u32(held) + u32(t)
    return msg + schnorr.sign(suite, d, "ask", b"", msg, rand)


@dataclass(frozen=True)
class Ask:
    gid: str
    held: int
    time: int


def open_ask(suite: Suite, sender: Certificate, data: bytes, now: int, last: int = 0) -> Ask:
    """`last`: the time of the last ask that was taken from this kid."""
    reader = Reader(data)
    gid = reader.name("gid")
    held, t = reader.number(4, "epoch held"), reader.number(4, "t")
    sig = reader.take(64, "sig")
    reader.end()
    if abs(t - now) > 120:
        raise Refused("time", "ask")
    if t <= last:
        raise Refused("replay", "ask")
    schnorr.check(suite, sender.public, "ask", b"", data[:-64], sig, "ask")
    return Ask(gid, held, t)
