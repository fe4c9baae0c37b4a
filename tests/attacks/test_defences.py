"""Every defence is seen to fail: with it removed, and nothing else, its attack gets through.

tests/attacks/test_attacks.py shows that the same attacks are stopped, and by what. Where two defences stand behind each other, both
have to go, and each of them is seen to be enough by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import careless
import pytest

from microseal import (
    clock,
    crypto,
    envelope,
    group,
    groups,
    identity,
    inbox,
    member,
    membership,
    replay,
    session,
    trust,
    wire,
)
from microseal.entropy import Entropy
from microseal.envelope import Envelope
from microseal.epoch import Epoch
from microseal.errors import Refused
from microseal.identity import Anchor, Certificate, Signer
from microseal.membership import Membership
from microseal.replay import Replay, Window
from microseal.revocation import Revoked
from microseal.roster import RosterReader
from microseal.senders import Sender, Senders
from microseal.session import Connect, Gate, Session
from microseal.wire import long, short, u32
from microseal_host import issuing
from microseal_host.attacks.catalogue import ATTACKS
from microseal_host.attacks.outcome import Outcome
from microseal_host.attacks.world import World
from microseal_host.attacks.world.authority import Authority
from microseal_host.attacks.world.world import START
from microseal_host.backends import libcrypto

Patch = pytest.MonkeyPatch
Removal = Callable[[Patch], None]


@pytest.fixture(autouse=True)
def core() -> Iterator[None]:
    before = crypto.core
    crypto.use(libcrypto)
    yield
    crypto.use(before)


def set_(owner: Any, name: str, value: Any) -> Removal:
    """Removes a defence that is one function, method or constant."""
    return lambda patch: patch.setattr(owner, name, value, raising=isinstance(value, property) is False)


def nothing(*_arguments: Any, **_more: Any) -> None:
    """A check that lets everything pass."""


def with_core(make: Callable[[], Any]) -> Removal:
    return lambda patch: patch.setattr(crypto, "core", make())


# Removals that take more than a word


def any_certificate(flags: bool = False, issuer: bool = False, suite: bool = False, expiry: bool = False) -> Removal:
    """Anchor.check without looking at some of what it looks at."""

    def removal(patch: Patch) -> None:
        original = Anchor.check

        class Seen:
            def __init__(self, anchor: Anchor, cert: Certificate, wanted: int) -> None:
                self.suite = anchor.suite if suite else cert.suite
                self.issuer = anchor.issuer if issuer else cert.issuer
                self.flags = wanted if flags else cert.flags
                self.not_after = 0xFFFFFFFF if expiry else cert.not_after

        def check(self: Anchor, cert: Certificate, wanted: int, now: int | None) -> Certificate:
            original(self, Seen(self, cert, wanted), wanted, now)
            return cert

        patch.setattr(Anchor, "check", check)

    return removal


def policy_without(**lax: Any) -> Removal:
    """check_policy as if the policy, or the direction of the envelope, were another one."""

    def removal(patch: Patch) -> None:
        original = Membership.check_policy

        def check(self: Membership, epoch: Epoch, message: Envelope, kind: int) -> None:
            policy, before = epoch.info.policy, (vars(epoch.info.policy).copy(), message.direction)
            vars(policy).update({name: value for name, value in lax.items() if name != "direction"})
            if "direction" in lax:
                message.direction = kind & 1
            try:
                original(self, epoch, message, kind)
            finally:
                vars(policy).update(before[0])
                message.direction = before[1]

        patch.setattr(Membership, "check_policy", check)

    return removal


def keys_with(blinds: Callable[[Authority, list[bytes], list[bytes]], tuple[bytes, bytes]]) -> Removal:
    """Group keys with other blinds than two fresh ones."""

    def make_keys(self: Authority, shares_p: list[bytes], shares_s: list[bytes]) -> issuing.GroupKeys:
        return issuing.make_keys(self.suite, shares_p, shares_s, *blinds(self, shares_p, shares_s))

    return set_(Authority, "make_keys", make_keys)


def of_the_list(authority: Authority, shares_p: list[bytes], shares_s: list[bytes]) -> tuple[bytes, bytes]:
    blind = authority.private
    for share in sorted(shares_p + shares_s):
        blind = libcrypto.scalar_reduce(authority.suite, libcrypto.hash(authority.suite, blind, share))
    return blind, libcrypto.scalar_reduce(authority.suite, libcrypto.hash(authority.suite, blind))


def one_blind(authority: Authority, shares_p: list[bytes], shares_s: list[bytes]) -> tuple[bytes, bytes]:
    blind = authority.entropy.scalar()
    return blind, blind


def same_blinds(authority: Authority, shares_p: list[bytes], shares_s: list[bytes]) -> tuple[bytes, bytes]:
    return (b"\0" * 31 + b"\1",) * 2


def no_not_after(self: Membership, ep: int, now: int) -> Epoch | None:
    for epoch in (self.current, self.previous):
        if epoch is not None and epoch.info.epoch & 0xFFFF == ep:
            return epoch
    return None


def any_boot(self: Window, t: int, boot: bytes, counter: int) -> None:
    """The window alone."""
    behind = self.top - counter
    if boot == self.boot and behind >= 0 and (behind >= replay.WINDOW or self.seen >> behind & 1):
        raise Refused("replay")


def chip_alone(self: Any, n: int) -> bytes:
    return self._source(n)


def unchecked_group_key(info: Any, key: bytes, box: bytes, role: int) -> bytes:
    private = bytearray(32)
    if not crypto.core.gcm_open(key, bytes(12), info.hash, box, private):
        raise Refused("decryption")
    return bytes(private)


def constant_packet_key(patch: Patch) -> None:
    for owner in (group, issuing):
        patch.setattr(owner, "packet_key", lambda *_: bytes(16))


def unchecked_certificate(self: Senders, kid: bytes, raw: bytes, now: int) -> None:
    cert = Certificate(raw)
    self._known[kid] = Sender(cert, self._anchor.public_key(cert))


def any_expiry(self: Senders, kid: bytes, now: int) -> Sender | None:
    return self._known.get(kid)


def trusting_signer(self: Any, payload: bytes) -> None:
    signer = Signer(self.anchor, payload)
    if signer.cert.not_after > self.signer.cert.not_after:
        trust.save_signer(self._store, self.anchor, signer)
        self.signer = signer


def remembers_all_groups(patch: Patch) -> None:
    original = Membership.__init__

    def init(self: Membership, *arguments: Any) -> None:
        original(self, *arguments)
        self.number = 0

    patch.setattr(Membership, "__init__", init)


def forgets_its_epoch(patch: Patch) -> None:
    original = Membership.offer_info

    def offer_info(self: Membership, signer: Signer, raw: bytes) -> bool:
        self.number = None
        return original(self, signer, raw)

    patch.setattr(Membership, "offer_info", offer_info)


def starts_anywhen(patch: Patch) -> None:
    def clock_known(self: member.Member) -> None:
        if self.me:
            self._inbox.started = 0

    patch.setattr(member.Member, "_clock_known", clock_known)


def assumes_a_time(self: member.Member) -> int:
    self._inbox.started = 0
    return START + 200


def time_without_signer(self: clock.TimeRequest, signer: Signer, raw: bytes, ticks_ms: int) -> int:
    signer.check(b"time", self.challenge, raw[:4], raw[4:])
    return int.from_bytes(raw[:4], "big")


def any_issued(patch: Patch) -> None:
    original, count = Revoked.__init__, iter(range(2**32 - 10**6, 2**32))

    def init(self: Revoked, signer: Signer | None, raw: bytes) -> None:
        original(self, signer, raw)
        self.issued = next(count)

    patch.setattr(Revoked, "__init__", init)


def forgets_at_once(patch: Patch) -> None:
    original = Replay.accept_anonymous
    patch.setattr(Replay, "accept_anonymous", lambda self, Z, kid, until: original(self, Z, kid, 0))


def inner_size_unseen(patch: Patch) -> None:
    original = Envelope.open_anonymous

    def open_anonymous(self: Envelope, epoch: Epoch, topic: bytes, find: Any) -> Any:
        return original(self, epoch, topic, lambda kid, size: find(kid, 0))

    patch.setattr(Envelope, "open_anonymous", open_anonymous)


def lax_padding(inner: bytearray) -> int:
    end = len(bytes(inner).rstrip(b"\0"))
    return end - 1 if end and inner[end - 1] == 0x80 else end


def tells_who_sent(patch: Patch) -> None:
    """In mode 3 too, the one certificate that is missing is fetched."""
    original = inbox.MissingCertificate.__init__
    patch.setattr(
        inbox.MissingCertificate, "__init__", lambda self, kid, group, anonymous: original(self, kid, group, False)
    )


def last_match(self: groups.Groups, topic: bytes) -> Any:
    found = None
    for joined in self.by_gid.values():
        kind = joined.current and joined.current.info.policy.kind_of(topic)
        if kind is not None:
            found = joined, kind
    return found


def wants_everything(patch: Patch) -> None:
    class Everything(list):
        def __contains__(self, kid: object) -> bool:
            return True

        def remove(self, kid: object) -> None:
            pass

    from microseal.fetching import Fetching

    original = Fetching.__init__

    def init(self: Fetching, limit: int, held: int) -> None:
        original(self, limit, held)
        self.wanted = Everything()

    patch.setattr(Fetching, "__init__", init)


class Anything:
    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def unsorted_revoked(patch: Patch) -> None:
    """Revoked without a look at the order: its kids compare as ascending, whatever they are."""

    class Kids(bytes):
        def __getitem__(self, index: Any) -> Any:
            found = super().__getitem__(index)
            return Entry(found) if isinstance(index, slice) else found

    class Entry(bytes):
        def __ge__(self, other: object) -> bool:
            return False

    original = wire.Reader.take
    patch.setattr("microseal.revocation.Reader.take", lambda self, n: Kids(original(self, n)))


def any_renewal(patch: Patch) -> None:
    """check_renewal as if the request were for the id of the certificate that it comes with."""
    original = issuing.check_renewal

    def check_renewal(anchor: Anchor, request: Any, cert: Certificate, now: int) -> None:
        own, request.id = request.id, cert.id
        try:
            original(anchor, request, cert, now)
        finally:
            request.id = own

    patch.setattr(issuing, "check_renewal", check_renewal)


def any_ask(patch: Patch) -> None:
    """verify_ask as if nothing had been taken before, and every t were now."""
    original = issuing.verify_ask

    def verify_ask(anchor: Anchor, cert: Certificate, raw: bytes, now: int, last: int | None) -> Any:
        at = 1 + raw[0] + 4
        return original(anchor, cert, raw, int.from_bytes(raw[at : at + 4], "big"), None)

    patch.setattr(issuing, "verify_ask", verify_ask)


def any_name(patch: Patch) -> None:
    for user in (wire, identity):  # it is imported by its name
        patch.setattr(user, "check_name", lambda name: name)


def wraps_around(patch: Patch) -> None:
    """The counter begins again at 0 with the same boot value."""
    original = member.Member._boot_time

    def boot_time(self: member.Member, now: int) -> int:
        if self._boot is not None and self._counter == 0xFFFFFFFF:
            self._counter = 0
        return original(self, now)

    patch.setattr(member.Member, "_boot_time", boot_time)


def room_for_all(patch: Patch) -> None:
    original = groups.Groups.__init__
    patch.setattr(
        groups.Groups,
        "__init__",
        lambda self, me, store, limit, senders: original(self, me, store, limit, 100 * senders),
    )


def always(value: Any) -> property:
    """An attribute that cannot be set."""
    return property(lambda self: value, lambda self, new: None)


def opens_anything(self: Any, box: bytes) -> bytes:
    return u32(START)


SIGNATURE = set_(Envelope, "_check_signature", nothing)
SIGNER = set_(Signer, "check", nothing)
ROSTER = set_(Epoch, "check_sender", nothing)
GROUP_SIGNATURE = with_core(lambda: careless.Unverified(b"m3g"))

# attack: what has to be removed for it to succeed. Several: each of them stops it.
REMOVALS: dict[str, tuple[Removal, ...]] = {
    # Section 10
    "forge": (SIGNATURE,),
    "same-z": (with_core(careless.OneNonce),),
    "circular": (with_core(careless.LooseInner),),
    "broker-key": (SIGNER,),
    "old-key": (keys_with(of_the_list),),
    "difference": (keys_with(one_blind),),
    "key-stream": (set_(Entropy, "fresh", chip_alone),),
    "replay": (set_(Window, "check", nothing),),
    "subtracted": (keys_with(same_blinds),),
    "topic": (set_(Epoch, "context", lambda self, topic: short(self.info.gid) + u32(self.info.epoch)),),
    "outsider": (ROSTER,),
    "mode": (SIGNER, with_core(careless.NoTag)),  # H(info) is in the aad of the key packet
    # Signatures and mode 3
    "s-range": (with_core(careless.AnyRange),),
    "label": (with_core(careless.NoLabels),),
    "two-publishers": (with_core(careless.RandomNonce),),
    "inner": (with_core(lambda: careless.Unverified(b"m3i")),),
    "mode-3-replay": (set_(Replay, "check_anonymous", nothing),),
    "mode-3-no-age": (forgets_at_once,),
    "mode-3-outsider": (GROUP_SIGNATURE, ROSTER, tells_who_sent),
    # Group keys
    "made-up-signer": (set_(trust.Trust, "take_signer", trusting_signer),),
    "other-signer": (SIGNER,),
    "wrong-packet": (set_(group, "_open_group_key", unchecked_group_key),),
    "stolen-packet": (constant_packet_key,),
    "foreign-groups": (remembers_all_groups, set_(groups.Groups, "_leave", nothing)),
    # Randomness
    "weak-source": (set_(Entropy, "fresh", chip_alone),),
    # Time and replay
    "window": (set_(replay, "WINDOW", 10**6),),
    "two-boots": (set_(Window, "check", any_boot),),
    "week": (set_(inbox.Inbox, "_check_time", nothing),),
    "week-state": (set_(Replay, "check_state", nothing),),
    "year-ahead": (set_(inbox, "AHEAD", 10**9),),
    "year-later": (set_(Membership, "held", no_not_after),),
    "restart": (starts_anywhen,),
    "no-clock": (set_(member.Member, "now", assumes_a_time),),
    "held-answer": (set_(clock, "ANSWER_MS", 10**9),),
    "other-answer": (SIGNER,),
    "future-time": (set_(clock.TimeRequest, "accept", time_without_signer),),
    "info-held-back": (set_(Membership, "held", no_not_after),),
    "overlap": (set_(Membership, "check_sender", lambda self, epoch, way, kid: epoch.check_sender(way, kid)),),
    "old-info": (forgets_its_epoch,),
    "old-revoked": (any_issued,),
    # Membership
    "outsider-d_S": (ROSTER, tells_who_sent),
    "evicted": (ROSTER,),
    "evicted-3": (GROUP_SIGNATURE, ROSTER),
    "evicted-reader": (keys_with(same_blinds),),
    "wrong-role": (ROSTER,),
    "wrong-role-3": (GROUP_SIGNATURE, ROSTER, tells_who_sent),
    "wrong-role-d_S": (ROSTER, tells_who_sent),
    "direction": (policy_without(direction=True),),
    "revoked": (set_(Revoked, "__contains__", lambda self, kid: False),),
    "two-groups": (set_(groups.Groups, "find", last_match),),
    "own-topics": (set_(groups, "check_topic", nothing),),
    "lower-mode": (policy_without(mode=0),),
    "too-long": (policy_without(max_size=10**9),),
    # Certificates and enrolment
    "expired": (set_(Senders, "get", any_expiry),),
    "expired-unseen": (any_certificate(expiry=True), set_(Senders, "get", any_expiry)),
    "other-use": (any_certificate(flags=True),),
    "as-signer": (any_certificate(flags=True),),
    "other-authority": (any_certificate(issuer=True),),
    "other-suite": (any_certificate(suite=True), any_certificate(issuer=True)),
    "swapped": (set_(Senders, "add", unchecked_certificate),),
    "collision": (SIGNATURE,),
    "unasked": (wants_everything,),
    "stolen-id": (set_(issuing, "check_claim", nothing),),
    "forged-reply": (with_core(careless.AnyReply),),
    "other-flags": (any_certificate(flags=True),),
    "wrong-reply": (with_core(careless.AnyReply),),
    "renewal": (with_core(lambda: careless.Unverified(b"renew")),),
    "late-renewal": (any_certificate(expiry=True),),
    "renewal-id": (any_renewal,),
    "ask-replay": (any_ask,),
    "rogue-share": (set_(issuing, "add", lambda *_: Anything()),),
    # Encodings
    "points": (set_(crypto, "check_point", lambda suite, point: point),),
    "points-3": (with_core(careless.AnyPoint),),
    "bits": (SIGNATURE,),
    "names": (any_name,),
    "order": (set_(RosterReader, "_last", always(b"")),),
    "revoked-order": (unsorted_revoked,),
    "roster": (set_(RosterReader, "close", nothing),),
    # Limits
    "counter-end": (wraps_around,),
    "last-counter": (set_(Window, "check", nothing),),
    "last-epoch": (
        set_(
            Epoch,
            "context",
            lambda self, topic: short(self.info.gid) + u32(self.info.epoch & 0xFFFF) + long(topic),
        ),
    ),
    "far-epoch": (set_(membership, "_STEP", 10**6),),
    "flood": (set_(groups.Groups, "_drop_unborn", nothing),),
    "senders": (room_for_all,),
    "session-end": (set_(session, "_LAST", 2**32),),
    # Sessions
    "hello-time": (set_(Gate, "_check_time", lambda self, t, now: now),),
    "will": (set_(Connect, "prologue", lambda self, suite, device, gate: b""),),
    "hello-replay": (set_(Gate, "_remembered", lambda self, kid, now: {}),),
    "hello-name": (set_(session._Noise, "open", opens_anything),),
    "as-gate": (any_certificate(flags=True),),
    "welcome": (set_(session._Noise, "open", opens_anything),),
    "frames": (with_core(careless.AllEqual),),
    "frame-replay": (set_(Session, "_last", always(-1)),),
    "unconfirmed": (with_core(careless.AllEqual),),
}

# Nothing of these can be removed in one place; why.
KEPT = {
    "lengths": "every parser counts; test_each_parser_refuses_what_is_left_over removes the one check they share",
    "longest": "no attack: the largest and smallest there is must go through",
    "largest": "the size, as too-long; beside it that nothing is copied before it is checked",
}

ATTACK = {attack.name: attack for attack in ATTACKS}


def test_every_attack_has_a_defence_that_can_be_removed() -> None:
    assert set(REMOVALS) | set(KEPT) == set(ATTACK)
    assert not set(REMOVALS) & set(KEPT)


def run(name: str) -> Outcome:
    with World() as world:
        return ATTACK[name].microseal(world)


@pytest.mark.parametrize("name", REMOVALS)
def test_without_its_defence_the_attack_succeeds(name: str, monkeypatch: Patch) -> None:
    for removal in REMOVALS[name]:
        removal(monkeypatch)
    outcome = run(name)
    assert outcome.succeeded, outcome.detail
    assert not outcome.detail.startswith("nothing")


@pytest.mark.parametrize(
    ("name", "kept"),
    [(name, kept) for name, removals in REMOVALS.items() if len(removals) > 1 for kept in range(len(removals))],
)
def test_either_of_two_defences_is_enough(name: str, kept: int, monkeypatch: Patch) -> None:
    for index, removal in enumerate(REMOVALS[name]):
        if index != kept:
            removal(monkeypatch)
    assert not run(name).succeeded


# Defences that one attack has several of


@pytest.mark.parametrize(
    "removal", [set_(envelope, "_unpadded", lax_padding), inner_size_unseen], ids=["padding", "size"]
)
def test_the_other_defences_of_mode_3s_inner_part(removal: Removal, monkeypatch: Patch) -> None:
    removal(monkeypatch)
    assert run("inner").succeeded


@pytest.mark.parametrize("mode", [1, 2])
def test_a_signature_is_checked_before_the_message_is_opened(mode: int, monkeypatch: Patch) -> None:
    """Without the signature an altered mode 2 message still fails by its tag, an altered mode 1 message does not."""
    SIGNATURE(monkeypatch)
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk")
        world.form("plant", [pump], [desk], mode=mode, topics=["plant/#"])
        pump.publish("plant/level", b"4.2")
        world.settle()
        raw = bytearray(pump.seal("plant/level", b"4.2"))
        raw[27] ^= 1
        if mode == 1:
            assert desk.open("plant/level", bytes(raw)).payload == b"5.2"
        else:
            with pytest.raises(Refused, match="decryption"):
                desk.open("plant/level", bytes(raw))


def test_each_parser_refuses_what_is_left_over(monkeypatch: Patch) -> None:
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk")
        world.form("plant", [pump], [desk], topics=["plant/#"])
        info = world.authority.groups["plant"].info.raw
        signer = Signer(world.authority.anchor, world.authority.signer.cert.raw)
        for parse in (
            lambda: Certificate(pump.me.cert.raw + b"\0"),
            lambda: group.Info(1, info + b"\0", signer),
        ):
            with pytest.raises(Refused, match="length"):
                parse()
        monkeypatch.setattr(wire.Reader, "end", nothing)
        Certificate(pump.me.cert.raw + b"\0")
        group.Info(1, info + b"\0", signer)
