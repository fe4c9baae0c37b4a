"""Section 6 on receipt: a member's groups, the checks in their order, and the rules of time and replay."""

from dataclasses import dataclass, field

from . import schnorr
from .envelopes import Envelope, anonymous_mode_key, context, parse, public_mode_key, receiver_role, sender_role
from .groups import Info, check_roster
from .identity import DEVICE, Certificate, parse_certificate
from .policy import DIRECTION, STATE
from .refusal import Refused
from .suites import NO_NONCE, Suite

AHEAD = 120
OVERLAP = 120
WINDOW = 64


@dataclass
class Epoch:
    """One epoch of a group as a member holds it: `keys` and `rosters` by role, those that its own roles need."""

    info: Info
    keys: dict[int, int] = field(default_factory=dict)
    rosters: dict[int, frozenset[bytes]] = field(default_factory=dict)

    @classmethod
    def held(cls, suite: Suite, info: Info, keys: dict[int, int], rosters: dict[int, bytes]) -> "Epoch":
        """`keys`: the private key under each role's public one (d_P under 1); `rosters` as they travel."""
        for role, d in keys.items():
            if suite.base(d) != info.public(role):
                raise Refused("key", "group key")
        kids = {role: frozenset(h[:8] for h in check_roster(suite, info, role, r)) for role, r in rosters.items()}
        return cls(info, dict(keys), kids)


@dataclass
class Group:
    current: Epoch
    previous: Epoch | None = None
    switched: int = 0


@dataclass
class Sender:
    """Rule 2's state for one kid, over all groups and directions."""

    newest: int
    boot: bytes
    highest: int
    seen: set[int]


@dataclass(frozen=True)
class Opened:
    message: bytes
    kid: bytes
    time: int
    mode: int
    stale: bool


class Receiver:
    """A member that receives. `certs`: encoded certificates by kid; `started`: the moment of its start."""

    def __init__(self, suite: Suite, q_ca: bytes, groups: list[Group], certs: dict[bytes, bytes]) -> None:
        self.suite = suite
        self.q_ca = q_ca
        self.groups = groups
        self.certs = certs
        self.revoked: set[bytes] = set()
        self.started = 0
        self.senders: dict[bytes, Sender] = {}
        self.anonymous: dict[tuple[bytes, bytes], int] = {}
        self.states: dict[tuple[bytes, str], int] = {}

    def open(self, topic: str, data: bytes, now: int | None) -> Opened:
        """The message, or Refused; nothing changes unless everything passes."""
        e = parse(self.suite, data)
        group, kind = self._group(topic)
        epoch = self._epoch(group, e, now)
        self._policy(epoch, kind, e)
        fresh = self._time(epoch, kind, e, now)
        gctx = context(epoch.info.gid, epoch.info.epoch, topic)
        if e.mode == 3:
            found = self._open_anonymous(group, epoch, e, gctx, now)
        else:
            sender = self._sender(group, epoch, e.direction, e.kid, now)
            fresh = self._not_replayed(e, kind, fresh) and fresh
            schnorr.check(self.suite, sender.public, f"m{e.mode}", gctx, e.body, e.sig, "envelope")
            found = Opened(self._content(epoch, e, sender, gctx), e.kid, e.time, e.mode, False)
        stale = not fresh
        if stale and e.time < self.states.get((found.kid, topic), 0):
            raise Refused("replay", "state")
        self._commit(topic, kind, epoch, e, found.kid, stale, now)
        return Opened(found.message, found.kid, found.time, found.mode, stale)

    # The checks, in the order of section 6

    def _group(self, topic: str) -> tuple[Group, int]:
        matching = [(g, kind) for g in self.groups for kind in g.current.info.policy.kinds(topic)]
        if len(matching) != 1:
            raise Refused("topic", "no group" if not matching else "more than one")
        return matching[0]

    def _epoch(self, group: Group, e: Envelope, now: int | None) -> Epoch:
        if now is None:
            raise Refused("time", "no clock")
        held = [group.current]
        if group.previous is not None and now <= group.switched + OVERLAP:
            held.append(group.previous)
        for epoch in held:
            if epoch.info.epoch & 0xFFFF == e.ep and now <= epoch.info.not_after:
                return epoch
        raise Refused("epoch", "envelope")

    def _policy(self, epoch: Epoch, kind: int, e: Envelope) -> None:
        policy = epoch.info.policy
        if e.mode < policy.mode:
            raise Refused("policy", "mode")
        if e.direction != kind & DIRECTION:
            raise Refused("policy", "direction")
        # In mode 3 up to 31 bytes of it are padding; what M really is is seen later.
        least = e.size - 31 if e.mode == 3 else e.size
        if least > policy.max_size:
            raise Refused("policy", "size")
        if sender_role(e.direction) not in epoch.rosters:
            raise Refused("policy", "not for this role")

    def _time(self, epoch: Epoch, kind: int, e: Envelope, now: int) -> bool:
        """Whether the message is young enough to be an event; on a state topic it may be older."""
        max_age = epoch.info.policy.max_age
        if e.time > now + AHEAD:
            raise Refused("time", "ahead")
        young = (max_age == 0 or now - e.time <= max_age) and e.time > self.started
        if not young and not kind & STATE:
            raise Refused("time", "too old")
        return young

    def _sender(self, group: Group, epoch: Epoch, direction: int, kid: bytes, now: int) -> Certificate:
        role = sender_role(direction)
        if kid not in epoch.rosters[role]:
            raise Refused("member", "roster")
        if epoch is group.previous and kid not in group.current.rosters.get(role, frozenset()):
            raise Refused("member", "roster of the epoch after")
        if kid in self.revoked:
            raise Refused("revoked", "sender")
        encoded = self.certs.get(kid)
        if encoded is None:
            raise Refused("certificate", "not at hand")
        cert = parse_certificate(self.suite, self.q_ca, encoded)
        if cert.kid != kid or cert.flags != DEVICE or now > cert.not_after:
            raise Refused("certificate", "sender")
        return cert

    def _not_replayed(self, e: Envelope, kind: int, fresh: bool) -> bool:
        """Rule 2: whether this is new; if not, only a state topic may still take it."""
        known = self.senders.get(e.kid)
        counter = int.from_bytes(e.n[8:], "big")
        if known is None:
            new = True
        elif known.boot == e.n[:8]:
            new = counter not in known.seen and counter > known.highest - WINDOW
        else:
            new = e.time > known.newest
        if not new and not kind & STATE:
            raise Refused("replay", "counter")
        return new

    def _content(self, epoch: Epoch, e: Envelope, sender: Certificate, gctx: bytes) -> bytes:
        if e.mode == 1:
            return e.content
        shared = self.suite.shared(epoch.keys[sender_role(e.direction)], self.suite.point(sender.public))
        key = public_mode_key(self.suite, shared, e.n, e.direction, epoch.info, e.kid)
        return self.suite.unseal(key, e.n, gctx + e.head, e.content, "envelope")

    def _open_anonymous(self, group: Group, epoch: Epoch, e: Envelope, gctx: bytes, now: int) -> Opened:
        """What comes after the group signature fails with one error outside; the reference says which it was."""
        group_public = self.suite.pt(epoch.info.public(receiver_role(e.direction)))
        schnorr.check(self.suite, group_public, "m3g", gctx, e.body, e.sig, "group signature")
        try:
            return self._open_inner(group, epoch, e, gctx, now)
        except Refused as refused:
            refused.inner = True
            raise

    def _open_inner(self, group: Group, epoch: Epoch, e: Envelope, gctx: bytes, now: int) -> Opened:
        suite, info = self.suite, epoch.info
        shared = suite.shared(epoch.keys[sender_role(e.direction)], suite.point(e.Z, "Z"))
        key = anonymous_mode_key(suite, shared, e.Z, e.direction, info)
        inner = suite.unseal(key, NO_NONCE, gctx + e.head, e.content, "envelope")
        unpadded = inner.rstrip(b"\0")
        if not unpadded.endswith(b"\x80") or len(inner) - len(unpadded) > 31 or len(unpadded) < 73:
            raise Refused("padding", "envelope")
        kid, sig, message = inner[:8], inner[8:72], unpadded[72:-1]
        if len(message) > info.policy.max_size:
            raise Refused("policy", "size")
        sender = self._sender(group, epoch, e.direction, kid, now)
        schnorr.check(suite, sender.public, "m3i", gctx, e.head + message, sig, "inner signature")
        if self.anonymous.get((e.Z, kid), -1) >= now:
            raise Refused("replay", "Z")
        return Opened(message, kid, e.time, e.mode, False)

    def _commit(self, topic: str, kind: int, epoch: Epoch, e: Envelope, kid: bytes, stale: bool, now: int) -> None:
        if kind & STATE:
            self.states[kid, topic] = max(e.time, self.states.get((kid, topic), 0))
        if stale:
            return
        if e.mode == 3:
            self.anonymous = {key: until for key, until in self.anonymous.items() if until >= now}
            self.anonymous[e.Z, kid] = e.time + epoch.info.policy.max_age
            return
        boot, counter = e.n[:8], int.from_bytes(e.n[8:], "big")
        known = self.senders.get(kid)
        if known is None or known.boot != boot:
            self.senders[kid] = Sender(e.time, boot, counter, {counter})
            return
        known.newest = max(known.newest, e.time)
        known.highest = max(known.highest, counter)
        known.seen = {c for c in known.seen | {counter} if c > known.highest - WINDOW}
