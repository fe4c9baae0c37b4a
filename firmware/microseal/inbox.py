"""Opening what arrives: every check of section 6, "On receipt" and "Time and replay", in the order that stands there."""

from . import errors
from .envelope import ANONYMOUS, Envelope
from .errors import Refused
from .policy import STATE

AHEAD = 120  # s that a sender's clock may be ahead


class MissingCertificate(Exception):
    """The sender is on the roster, but its certificate is not at hand: fetch it, then open the message again.

    anonymous: the message is of mode 3. To fetch this one certificate would tell the broker who sent it: fetch the whole roster's.
    """

    def __init__(self, kid, group, anonymous):
        super().__init__("certificate not at hand")
        self.kid = kid
        self.group = group
        self.anonymous = anonymous


class UnknownEpoch(Refused):
    """An epoch that is not held: the group's info may be newer than the one at hand."""

    def __init__(self, gid):
        super().__init__(errors.EPOCH)
        self.gid = gid


class Crowded(Refused):
    """Another message of this sender waits for its certificate already; this one may be opened when that is there."""


class Message:
    """A message that passed every check.

    topic, payload, sender (id), gid: bytes; kid: 8 bytes; mode: 1 to 3; direction: 0 or 1; t: when it was sealed, s since 1970;
    stale: True for the last state of a state topic that is to be read, not acted on.
    """

    def __init__(self, topic, payload, gid, sender, kid, envelope, stale):
        self.topic = topic
        self.payload = payload
        self.gid = gid
        self.sender = sender
        self.kid = kid
        self.mode = envelope.mode
        self.direction = envelope.direction
        self.t = envelope.t
        self.stale = stale


class Inbox:
    """groups: has find(topic) -> (group, kind); senders: Senders; replay: Replay; is_revoked(kid) -> bool.

    accepting(t, now) is called when a message dated t has passed all checks, before it counts as seen.
    """

    def __init__(self, groups, senders, replay, is_revoked, accepting):
        self._groups = groups
        self._senders = senders
        self._replay = replay
        self._is_revoked = is_revoked
        self._accepting = accepting
        self.started = None  # when the receiver started, s since 1970; set before the first open()

    def open(self, topic, raw, now):
        """The Message in the envelope `raw` on `topic`, or Refused, or MissingCertificate; nothing changes unless it is returned."""
        envelope = Envelope(raw)
        group, kind = self._groups.find(topic)
        epoch = group.held(envelope.ep, now)
        if epoch is None:
            raise UnknownEpoch(group.gid)
        if envelope.suite != epoch.suite:
            raise Refused(errors.SUITE)
        group.check_policy(epoch, envelope, kind)
        late = self._check_time(epoch.info.policy, envelope, kind, now)
        if envelope.mode == ANONYMOUS:
            return self._open_anonymous(topic, envelope, group, epoch, kind, late, now)
        return self._open_signed(topic, envelope, group, epoch, kind, late, now)

    def _check_time(self, policy, envelope, kind, now):
        """Rules 1 and 5; whether the message can be a state at most."""
        if envelope.t > now + AHEAD:
            raise Refused(errors.TIME)
        late = policy.max_age and now - envelope.t > policy.max_age or envelope.t <= self.started
        if late and not kind & STATE:
            raise Refused(errors.TIME)
        return bool(late)

    def _find_sender(self, group, epoch, direction, kid, now):
        """The Sender of kid, or None when its certificate is not at hand."""
        group.check_sender(epoch, direction, kid)
        if self._is_revoked(kid):
            raise Refused(errors.REVOKED)
        return self._senders.get(kid, now)

    def _open_signed(self, topic, envelope, group, epoch, kind, late, now):
        kid, t, nonce, replay = envelope.kid, envelope.t, envelope.nonce, self._replay
        sender = self._find_sender(group, epoch, envelope.direction, kid, now)
        if sender is None:
            raise MissingCertificate(kid, group, False)
        stale = late
        if not stale:
            try:
                replay.check(kid, t, nonce)
            except Refused:
                if not kind & STATE:
                    raise
                stale = True
        if kind & STATE:
            replay.check_state(kid, topic, t, stale)
        payload = envelope.open(epoch, topic, sender.public)
        self._accepting(t, now)
        if not stale:
            replay.accept(kid, t, nonce)
        if kind & STATE:
            replay.accept_state(kid, topic, t)
        return Message(topic, payload, group.gid, sender.id, kid, envelope, stale)

    def _open_anonymous(self, topic, envelope, group, epoch, kind, late, now):
        replay, policy = self._replay, epoch.info.policy

        def find(kid, size):
            if size > policy.max_size:
                raise Refused(errors.SIZE)
            sender = self._find_sender(group, epoch, envelope.direction, kid, now)
            if sender is None:
                raise MissingCertificate(kid, group, True)
            return sender.public

        kid, payload = envelope.open_anonymous(epoch, topic, find)
        try:
            if not late:
                replay.check_anonymous(envelope.ephemeral, kid, now)
            if kind & STATE:
                replay.check_state(kid, topic, envelope.t, late)
        except Refused:
            raise Refused(errors.INNER)
        self._accepting(envelope.t, now)
        if not late:
            # Without a max_age a message never grows too old: it is remembered for as long as its epoch may be used.
            until = envelope.t + policy.max_age if policy.max_age else epoch.info.not_after
            replay.accept_anonymous(envelope.ephemeral, kid, until)
        if kind & STATE:
            replay.accept_state(kid, topic, envelope.t)
        return Message(topic, payload, group.gid, self._senders.get(kid, now).id, kid, envelope, late)
