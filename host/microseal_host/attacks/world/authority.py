"""The authority in memory: what issuing.py computes, with what an authority has to remember, and no database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from microseal import crypto, errors
from microseal.entropy import Entropy
from microseal.errors import Refused
from microseal.group import PUBLISHER, SUBSCRIBER, Info
from microseal.identity import DEVICE, SIGNER, Anchor, Certificate, Identity, Request, accept_reply, make_request
from microseal.policy import Policy
from microseal.wire import hexkid
from microseal_host import issuing

from .broker import Packet

YEAR = 365 * 86400  # s


@dataclass
class Enrolled:
    """A device as the authority knows it; share: its x, secret, None until its box has come."""

    cert: Certificate
    public: bytes
    share: bytes | None = None


@dataclass
class Group:
    """A group in its newest epoch; publishers and subscribers are ids."""

    policy: Policy
    publishers: tuple[str, ...]
    subscribers: tuple[str, ...]
    epoch: int
    keys: issuing.GroupKeys
    info: Info
    seats: list[tuple[Enrolled, int]]  # (member, role)


class Authority:
    """entropy: where its random values come from; now: its clock. Whatever a method returns is to be published."""

    def __init__(self, suite: int, entropy: Entropy, now: Callable[[], int]) -> None:
        self.suite = suite
        self.entropy = entropy
        self.now = now
        self.lifetime = YEAR  # s, of the certificates that it issues over the air
        self.private = entropy.scalar()
        self.anchor = Anchor(suite, crypto.core.base_mul(suite, self.private))
        self.signer = self.identity("authority", SIGNER)
        self.enrolled: dict[str, Enrolled] = {}
        self.groups: dict[str, Group] = {}
        self.revoked: set[bytes] = set()
        self._renewed: dict[str, Enrolled] = {}  # whose share has not come yet: until then the one before counts
        self._asked: dict[bytes, int] = {}  # kid -> t of its last ask
        self._claims: dict[str, bytes] = {}
        self._replies: dict[bytes, bytes] = {}
        self._revoked_issued = 0

    def _issue(self, request: Request, flags: int, not_after: int) -> tuple[bytes, bytes]:
        return issuing.issue(self.anchor, self.private, request, self.entropy.scalar(), flags, not_after)

    def identity(self, id: str, flags: int = DEVICE, lifetime: int = YEAR) -> Identity:
        """A certificate over the cable, with its key: the signer, a gate, or a certified device that nobody let into a group."""
        r, g = self.entropy.scalar(), self.entropy.scalar()
        request = Request(make_request(self.suite, id.encode(), r, g))
        _, reply = self._issue(request, flags, self.now() + lifetime)
        return accept_reply(self.anchor, reply, request.id, r, request.share_point, flags)

    def claim(self, id: str) -> str:
        """The claim file for a device."""
        self._claims[id] = claim = self.entropy.fresh(32)
        return json.dumps(
            {
                "suite": self.suite,
                "id": id,
                "authority": self.anchor.public.hex(),
                "signer": self.signer.cert.raw.hex(),
                "claim": claim.hex(),
                "seed": self.entropy.fresh(32).hex(),
                "broker": {"host": "in-memory", "port": 1883},
            }
        )

    # What devices ask

    def answer(self, packet: Packet) -> list[Packet]:
        """Enrolment, share, time and key packets; whatever is refused gets no answer."""
        levels = packet.topic.split(b"/")
        try:
            if levels[1] == b"enroll":
                return self.enrol(packet.payload)
            if levels[1] == b"share":
                self._share(levels[2], packet.payload)
            if levels[1] == b"ask":
                return self._ask(levels[2], packet.payload)
            if levels[1] == b"clock":
                answer = issuing.sign_time(self.signer, packet.payload, self.now(), self.entropy.fresh(32))
                return [Packet(b"microseal/time/" + levels[2], answer)]
        except Refused:
            pass
        return []

    def enrol(self, raw: bytes) -> list[Packet]:
        """The reply to a request with a claim or a renewal, or Refused."""
        request = Request(raw)
        id = request.id.decode()
        if raw not in self._replies:
            if len(request.proof) == issuing.RENEWAL:
                self._certify(request, self._renewal_of(request, id))
            else:
                if id not in self._claims:
                    raise Refused(errors.CLAIM)
                issuing.check_claim(request, self._claims[id])
                del self._claims[id]
                self._certify(request, self.enrolled)
        return [Packet(b"microseal/reply/" + request.id, self._replies[raw])]

    def _renewal_of(self, request: Request, id: str) -> dict[str, Enrolled]:
        """Where the certificate belongs that a renewal earns."""
        current = self._renewed.get(id) or self.enrolled.get(id)
        if current is None:
            raise Refused(errors.CLAIM)
        if current.cert.kid in self.revoked:
            raise Refused(errors.REVOKED)
        issuing.check_renewal(self.anchor, request, current.cert, self.now())
        return self._renewed

    def _certify(self, request: Request, place: dict[str, Enrolled]) -> None:
        raw, reply = self._issue(request, DEVICE, self.now() + self.lifetime)
        cert = Certificate(raw)
        self._replies[request.raw + request.proof] = reply
        place[request.id.decode()] = Enrolled(cert, self.anchor.public_key(cert))

    def _share(self, kid: bytes, box: bytes) -> None:
        for place in (self.enrolled, self._renewed):
            for id, device in list(place.items()):
                if hexkid(device.cert.kid) == kid:
                    device.share = issuing.open_share(self.anchor, self.private, device.cert, box)
                    if place is self._renewed:
                        self.enrolled[id] = place.pop(id)

    def _ask(self, kid: bytes, raw: bytes) -> list[Packet]:
        """The key packets of the asker once more."""
        for gid, group in self.groups.items():
            seats = [(device, role) for device, role in group.seats if hexkid(device.cert.kid) == kid]
            if seats and raw[1 : 1 + raw[0]] == gid.encode():
                cert = seats[0][0].cert
                _, _, t = issuing.verify_ask(self.anchor, cert, raw, self.now(), self._asked.get(kid))
                self._asked[kid] = t
                return [self._key_packet(gid.encode(), device, role, group.info, group.keys) for device, role in seats]
        raise Refused(errors.ROLE)

    # Groups

    def form(
        self,
        gid: str,
        publishers: Iterable[str],
        subscribers: Iterable[str],
        policy: Policy,
        lifetime: int = YEAR,
        epoch: int | None = None,
    ) -> list[Packet]:
        """A new epoch, the next one if no number is given: info, rosters, certificates, a key packet for each role of each member."""
        name, old = gid.encode(), self.groups.get(gid)
        members = {PUBLISHER: tuple(publishers), SUBSCRIBER: tuple(subscribers)}
        shares = {role: [self._share_of(id) for id in ids] for role, ids in members.items()}
        rosters = {
            role: issuing.make_roster(self.enrolled[id].cert.hash for id in ids) for role, ids in members.items()
        }
        if epoch is None:
            epoch = old.epoch + 1 if old else 1
        keys = self.make_keys(shares[PUBLISHER], shares[SUBSCRIBER])
        now = self.now()
        raw = issuing.make_info(
            self.signer,
            name,
            epoch,
            now,
            now + lifetime,
            policy.encode(),
            keys,
            rosters[PUBLISHER],
            rosters[SUBSCRIBER],
            self.entropy.fresh(32),
        )
        info = Info(self.suite, raw, None)
        seats = [(self.enrolled[id], role) for role, ids in members.items() for id in ids]
        self.groups[gid] = Group(policy, members[PUBLISHER], members[SUBSCRIBER], epoch, keys, info, seats)
        base = b"microseal/group/" + name
        out = [Packet(base + b"/info", raw, True)]
        out += [Packet(base + b"/p", rosters[PUBLISHER], True), Packet(base + b"/s", rosters[SUBSCRIBER], True)]
        for id in dict.fromkeys(members[PUBLISHER] + members[SUBSCRIBER]):
            cert = self.enrolled[id].cert
            out.append(Packet(b"microseal/cert/" + hexkid(cert.kid), cert.raw, True))
        out += [self._key_packet(name, device, role, info, keys) for device, role in seats]
        return out

    def make_keys(self, shares_p: list[bytes], shares_s: list[bytes]) -> issuing.GroupKeys:
        return issuing.make_keys(self.suite, shares_p, shares_s, self.entropy.scalar(), self.entropy.scalar())

    def _share_of(self, id: str) -> bytes:
        share = self.enrolled[id].share
        if share is None:
            raise ValueError(f"the share of {id} has not come")
        return share

    def _key_packet(self, gid: bytes, to: Enrolled, role: int, info: Info, keys: issuing.GroupKeys) -> Packet:
        kid, u = to.cert.kid, self.entropy.scalar()
        raw = issuing.make_key_packet(self.suite, kid, to.public, role, info.epoch, info.hash, keys.private[role], u)
        return Packet(b"microseal/key/" + gid + b"/" + hexkid(kid) + b"/%d" % role, raw, True)

    # What it takes back

    def revoke(self, kids: Iterable[bytes]) -> Packet:
        """The revoked list with `kids` added."""
        self.revoked.update(kids)
        self._revoked_issued = max(self._revoked_issued + 1, self.now())
        raw = issuing.make_revoked(self.signer, self._revoked_issued, self.revoked, self.entropy.fresh(32))
        return Packet(b"microseal/revoked", raw, True)

    def replace_signer(self, lifetime: int = 2 * YEAR) -> Packet:
        """A new signer; what it says from now on needs its certificate."""
        self.signer = self.identity("authority", SIGNER, lifetime)
        return Packet(b"microseal/signer", self.signer.cert.raw, True)
