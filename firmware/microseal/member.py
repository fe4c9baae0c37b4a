"""A member of groups, without input or output of its own: what is to be subscribed and sent, and what arrived means.

A client (client.py on a device, the host's over its own MQTT library) keeps a connection and, after each packet and at least once a
second:

    member.tick()                                    timers
    subscribe to filters() and unsubscribe from what is no longer there
    publish what take_outgoing() gives, QoS 1        after the subscriptions: answers come at once

and hands over what arrives: topics under `microseal/` to control(), or chunk by chunk to reader() where that gives one; all other
topics to open(). Held messages come out of take_arrived().
"""

import os

from . import errors
from .clock import TimeRequest
from .enrolment import Enrolment, load_identity
from .envelope import ANONYMOUS, SIGNED, seal
from .epoch import sender_role
from .errors import NotReady, Refused
from .fetching import Fetching
from .group import KEY_PACKET, PUBLISHER, SUBSCRIBER, make_ask
from .groups import Groups
from .inbox import AHEAD, Crowded, Inbox, MissingCertificate, UnknownEpoch
from .pairs import Pairs
from .policy import QUERY, STATE
from .provisioning import count_boot
from .renewal import Renewal, load_next, take_over
from .replay import Replay
from .retry import Retry
from .senders import Senders
from .topics import OWN
from .trust import Trust
from .wire import check_name, hexkid, u32, unhexkid

SENDERS = 64  # senders that a device has room for, over all of its groups
GROUPS = 8
_GRACE = 5000  # ms for what is retained to arrive
_HELD = 4  # messages that wait for a certificate
_RESYNC = 3600000  # ms between questions for the time
_FETCH = 60000  # ms between two fetches of the same, the fetch limit; no pause before an attempt is longer
_ROUNDS = 60  # fetches of what says that an epoch has changed for one of the list of the revoked, which may be long
_ROSTERS = {b"p": PUBLISHER, b"s": SUBSCRIBER}  # the last level of a roster's topic
_ROLES = {b"1": PUBLISHER, b"2": SUBSCRIBER}  # the last level of a key packet's and of a broadcast's
_LEVELS = 4  # levels of the longest topic under microseal/; one of thousands is not taken apart
_NEW_BOOT = 0xFFFFFFFF  # the counter at which a new boot value is drawn


class Member:
    """store: Store; clock: TickClock or SystemClock; senders, groups: limits; source(n): the chip's random bytes."""

    def __init__(self, store, clock, senders=SENDERS, groups=GROUPS, source=os.urandom, resync=_RESYNC):
        self._store = store
        self._clock = clock
        self._limits = senders, groups
        self._resync = resync
        self._trust = Trust(store, clock, self._fetch_signed)
        self._anchor = self._trust.anchor
        self._entropy = count_boot(store, self._anchor.suite, source)
        self._pairs = Pairs(self._anchor.suite, self._entropy)
        self._outgoing = []
        self._arrived = []
        self._time_request = None
        self._time_retry = Retry(6000, _FETCH)
        self._send_retry = Retry(5000, _FETCH)
        self._started = None  # s since 1970, known once the clock is
        self._boot = None
        self.me = None
        self._enrolment = None
        self._refetch = []
        self.switches = 0  # how often an epoch came into force
        found = load_identity(store, self._anchor)
        if found:
            self._begin(*found)
        else:
            self._enrolment = Enrolment(store, self._anchor, self._entropy)
        self._clock_known()

    def _begin(self, me, box):
        senders, groups = self._limits
        self.me = me
        self._box = box
        self._identities = [me]  # and, while a renewed certificate takes the place of this one, that one
        following = load_next(self._store, self._anchor, me)
        self._renewal = Renewal(self._store, self._anchor, me, self._entropy)
        if following:
            self._identities.append(following[0])
            self._box = following[1]
        self._shared = False  # whether the authority is known to have the share
        self._senders = Senders(self._anchor, 2 * senders)  # in the overlap, those of two epochs
        self._replay = Replay(4 * senders)
        self._fetching = Fetching(senders, _HELD)
        self.groups = Groups(self._identities, self._store, groups, senders)
        self.groups.restore()
        self._take_over()  # in case the power went between the last switch and this
        newest = self._identities[-1]
        self._shared = any(group.current and group.current.me is newest for group in self.groups.by_gid.values())
        self._asks = {}  # gid -> Retry, for groups that lack nothing but key packets
        self._last_ask = 0  # s since 1970
        self._asked = {}  # gid -> ticks of the last fetch of what is retained for it; None -> of what the signer signs
        self._refreshed = self._clock.ticks_ms()
        self._refreshes = 0
        self._inbox = Inbox(self.groups, self._senders, self._replay, self._trust.is_revoked, self._raise_floor)
        self._floor = int.from_bytes(self._store.load("floor") or b"", "big")

    # Readiness

    def _clock_known(self):
        """Notes the moment of the start, as soon as there is a clock: rule 5 is measured from it.

        Messages may be dated ahead of the clock. What was accepted before the start may so be dated after it: by as much as the
        clock's slack at any time, and by more only up to the floor, which open() stores before it accepts such a message.
        """
        if self._started is None:
            self._started = self._clock.now()
        if self._started is not None and self.me and self._inbox.started is None:
            self._inbox.started = max(self._started + self._clock.slack, self._floor)

    @property
    def enrolled(self):
        return self.me is not None

    @property
    def id(self):
        """This device's id, bytes."""
        return self.me.id if self.me else self._enrolment.id

    def now(self):
        """Seconds since 1970; NotReady while there is no clock."""
        now = self._clock.now()
        if now is None:
            raise NotReady("no clock yet: the authority's signed time has not arrived")
        self._clock_known()
        return now

    @property
    def deaf_until(self):
        """The second up to which messages are not taken, because they may have been before the start; None without a clock."""
        return self._inbox.started

    def can_seal(self):
        """Whether there is an identity and a clock, and the second in which this start, or a new boot value, fell is over.

        Messages of an earlier start may be dated up to that second, and receivers take a new boot value only with a later one.
        """
        now = self._clock.now()
        return self.me is not None and now is not None and now > self._boot_time(now)

    def _boot_time(self, now):
        """When the boot value of the nonces in use was drawn."""
        if self._boot is None or self._counter == _NEW_BOOT:
            self._boot = self._entropy.fresh(8)
            self._counter = 0
            self._drawn = now
        return self._drawn

    def ticks_ms(self):
        """Milliseconds since the start."""
        return self._clock.ticks_ms()

    def random_name(self):
        """A random client id, 16 bytes of hexadecimal digits."""
        return hexkid(self._entropy.fresh(8))

    # Sending

    def mode_of(self, topic, mode=None):
        """The mode in which a message on `topic` is to be sealed: the group's least, or `mode` where that is higher."""
        group, _ = self.find(topic)
        return _mode(group.current.info.policy, mode)

    def find(self, topic):
        """(Membership, kind) of the group that `topic` (bytes) belongs to."""
        if self.me is None:
            raise NotReady("not enrolled yet: the authority has not answered")
        return self.groups.find(topic)

    def seal(self, topic, message, retain=False, mode=None):
        """The envelope (bytearray) to publish on `topic` (bytes) for `message` (bytes-like).

        NotReady without identity, clock or group key; Refused for a topic that is no group's, or what the policy does not allow.
        """
        group, kind = self.find(topic)
        now = self.now()
        epoch = group.current
        policy = epoch.info.policy
        me = epoch.me
        if now > epoch.info.not_after or now > me.cert.not_after:
            raise Refused(errors.EXPIRED)
        direction = kind & QUERY
        if sender_role(direction) not in epoch.keys:
            raise Refused(errors.ROLE)
        if retain and not kind & STATE:
            raise Refused(errors.POLICY)
        if len(message) > policy.max_size:
            raise Refused(errors.SIZE)
        mode = _mode(policy, mode)
        if mode > ANONYMOUS:
            raise Refused(errors.MODE)
        if mode == ANONYMOUS:
            if not policy.max_age:  # section 5: receivers would have to remember every message for the whole epoch
                raise Refused(errors.POLICY)
            return seal(epoch, me, direction, mode, topic, now - now % 30, message, None, self._entropy, self._pairs)
        if now <= self._boot_time(now):
            raise NotReady("the second of the start is not over yet")
        nonce = self._boot + u32(self._counter)
        self._counter += 1
        return seal(epoch, me, direction, mode, topic, now, message, nonce, self._entropy, self._pairs)

    def idle(self):
        """Does a part of what can be done ahead of the next messages, some 10 ms on a board; True if there is more of it."""
        return self.me is not None and self._pairs.refill()

    def take_outgoing(self):
        """[(topic, payload)] to publish now with QoS 1, not retained."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def tick(self):
        """Does what is due."""
        ticks = self._clock.ticks_ms()
        if self.me is None:
            if self._send_retry.due(ticks):
                self._outgoing.append((OWN + b"enroll/" + self._enrolment.id, self._enrolment.request))
            return
        if not self._shared and self._send_retry.due(ticks):
            self._outgoing.append((OWN + b"share/" + hexkid(self._identities[-1].kid), self._box))
        if self._clock.signed:
            self._ask_time(ticks)
        now = self._clock.now()
        if now is not None:
            self._renew(now, ticks)
            self._ask_keys(now, ticks)
        self._fetching.give_up(ticks)
        for gid, group in self.groups.by_gid.items():
            if group.pending is not None and self._is_due(gid, ticks):
                self._fetch_group(group)
            elif group.lacks_info() and self._is_due(gid, ticks):
                self._fetch((_info_topic(gid),))
        if ticks - self._refreshed >= _FETCH:
            self._refresh(ticks)

    # Fetching what is retained once more

    def _refresh(self, ticks):
        """Fetches what says that something has changed. Who only publishes would not notice otherwise that it missed an epoch."""
        self._refreshed = ticks
        self._refreshes += 1
        if not self._refreshes % _ROUNDS:
            self._fetch((OWN + b"revoked",))
        self._fetch(self._key_filters())
        self._fetch(self._info_topics())

    def _fetch_group(self, group):
        """Fetches what is retained for a group: what is missing may have been lost, or have come in a forged form first."""
        self._fetch((_info_topic(group.gid),))
        if group.pending is not None:
            self._fetch(self._key_filters())
            self._fetch(_roster_topics(group.gid))

    def _fetch_signed(self):
        """Fetches what the signer signs, and its certificate."""
        if self.me is not None and self._is_due(None, self._clock.ticks_ms()):
            self._fetch((OWN + b"signer", OWN + b"revoked"))
            self._fetch(self._info_topics())

    def _fetch(self, filters):
        for pattern in filters:
            if pattern not in self._refetch:
                self._refetch.append(pattern)

    def _is_due(self, gid, ticks):
        """Whether the last fetch for this group (None: of what is signed) is a minute ago; counts as one if it is."""
        last = self._asked.get(gid)
        if last is not None and ticks - last < _FETCH:
            return False
        self._asked[gid] = ticks
        return True

    def _info_topics(self):
        return [_info_topic(gid) for gid in self.groups.by_gid]

    def _key_filters(self):
        return [OWN + b"key/+/" + hexkid(me.kid) + b"/+" for me in self._identities]

    # What is to be sent

    def _ask_time(self, ticks):
        if self._time_retry.due(ticks):
            self._time_request = TimeRequest(self._entropy.fresh(16), ticks)
            self._outgoing.append((OWN + b"clock/" + hexkid(self.me.kid), self._time_request.challenge))

    def _renew(self, now, ticks):
        if len(self._identities) == 2:
            self._take_over()
        elif self._renewal.due(now, ticks):
            self._outgoing.append((OWN + b"enroll/" + self.me.id, self._renewal.request))

    def _ask_keys(self, now, ticks):
        """Asks for key packets that do not come by themselves; what is retained has some seconds to arrive."""
        for gid, group in self.groups.by_gid.items():
            me = group.lacks_keys()
            if me is None:
                self._asks.pop(gid, None)
                continue
            if gid not in self._asks:
                self._asks[gid] = Retry(10000, _FETCH)
                self._asks[gid].rest(_GRACE, ticks)
            # The authority takes an ask only if its t is above the last one of this kid.
            if now > self._last_ask and self._asks[gid].due(ticks):
                self._last_ask = now
                held = group.current.info.epoch if group.current is not None else 0
                ask = make_ask(me, gid, held, now, self._entropy.fresh(32))
                self._outgoing.append((OWN + b"ask/" + hexkid(me.kid), ask))

    # Receiving

    def filters(self):
        """The filters (bytes) under microseal/ that are to be subscribed now. Rosters are fetched when an info is pending."""
        if self.me is None:
            return [OWN + b"reply/" + self._enrolment.id]
        kid = hexkid(self.me.kid)
        found = [OWN + b"signer", OWN + b"revoked", OWN + b"time/" + kid]
        found.extend(self._key_filters())
        if self._renewal.request is not None:
            found.append(OWN + b"reply/" + self.me.id)
        for gid, group in self.groups.by_gid.items():
            found.append(_info_topic(gid))
            if group.pending is not None:
                found.extend(_roster_topics(gid))
                found.extend(OWN + b"group/" + gid + b"/" + level for level in _ROLES if group.follows(_ROLES[level]))
        found.extend(OWN + b"cert/" + hexkid(kid) for kid in self._fetching.wanted)
        return found

    def take_refetch(self):
        """Filters to subscribe once more, for what is retained there."""
        refetch, self._refetch = self._refetch, []
        return refetch

    def reader(self, topic):
        """What takes the payload on `topic` chunk by chunk (write(chunk), close()), None where control() or open() takes it whole."""
        levels = topic.split(b"/", _LEVELS)
        if len(levels) == 4 and topic.startswith(OWN + b"group/") and levels[3] in _ROSTERS and self.me:
            group = self.groups.by_gid.get(levels[2])
            role = _ROSTERS[levels[3]]
            reader = group and group.roster_reader(role)
            return _RosterSink(self, group, role, reader) if reader else None
        return None

    def control(self, topic, payload):
        """Takes a message under microseal/; Refused if it is not what it should be, which changes nothing."""
        levels = topic[len(OWN) :].split(b"/", _LEVELS)
        kind = levels[0]
        if self.me is None:
            if levels != [b"reply", self._enrolment.id]:
                raise Refused(errors.UNKNOWN)
            self._begin(*self._enrolment.accept(payload))
            self._enrolment = None
            self._send_retry.reset()
            self._clock_known()
        elif kind == b"reply" and levels[1:] == [self.me.id]:
            if self._renewal.request is not None:  # otherwise a reply that was sent twice
                following, self._box = self._renewal.accept(payload)
                self._identities.append(following)
                self._shared = False
                self._send_retry.reset()
                self._take_over()
        elif not payload:
            pass  # a retained message was cleared
        elif kind == b"time" and levels[1:] == [hexkid(self.me.kid)]:
            self._take_time(payload)
        elif kind == b"revoked" and len(levels) == 1:
            self._trust.take_revoked(payload)
        elif kind == b"signer" and len(levels) == 1:
            self._trust.take_signer(payload)
        elif kind == b"cert" and len(levels) == 2:
            self._take_certificate(unhexkid(levels[1]), payload)
        elif kind == b"key" and len(levels) == 4 and levels[3] in _ROLES:
            me = self._own(levels[2])
            if len(payload) != KEY_PACKET:  # before room is made for its group
                raise Refused(errors.LENGTH)
            group = self.groups.get(check_name(levels[1]))
            group.offer_packet(me, _ROLES[levels[3]], payload)
            self._try_switch(group)
        elif kind == b"group" and len(levels) == 3 and levels[1] in self.groups.by_gid:
            self._take_group(self.groups.by_gid[levels[1]], levels[2], payload)
        else:
            raise Refused(errors.UNKNOWN)

    def _own(self, kid):
        """The Identity of this device with this kid in hexadecimal digits."""
        for me in self._identities:
            if hexkid(me.kid) == kid:
                return me
        raise Refused(errors.UNKNOWN)

    def _take_over(self):
        """Lets a renewed identity be the only one, once no group needs the one before."""
        now = self._clock.now()
        if len(self._identities) == 2 and not any(group.needs(self.me, now) for group in self.groups.by_gid.values()):
            self.me = self._identities.pop()
            self._identities[0] = self.me  # the list is the one that the groups look at
            take_over(self._store, self.me, self._box)
            self._renewal = Renewal(self._store, self._anchor, self.me, self._entropy)

    def _take_time(self, payload):
        ticks = self._clock.ticks_ms()
        if self._time_request is None:
            raise Refused(errors.UNKNOWN)
        request = self._time_request
        t = self._trust.by_signer(lambda signer: request.accept(signer, payload, ticks))
        self._time_request = None
        self._time_retry.rest(self._resync, ticks)
        self._clock.set(t)
        self._clock_known()
        refusal = _refusal_of(self._trust.clock_set)
        if refusal:
            self._fetch((OWN + b"revoked",))  # a forged one may have come after the one that is retained
        for group in list(self.groups.by_gid.values()):  # one that is left is taken out of it
            refusal = _refusal_of(lambda: self._try_switch(group)) or refusal  # noqa: B023  called at once
        if refusal:
            raise refusal

    def _take_certificate(self, kid, payload):
        if kid not in self._fetching.wanted:
            raise Refused(errors.UNKNOWN)
        self._senders.add(kid, payload, self.now())
        held = self._fetching.done(kid)
        if held:
            self._arrived.append(self._inbox.open(held[0], held[1], self.now()))

    def _take_group(self, group, level, payload):
        if level == b"info":
            if self._trust.by_signer(lambda signer: group.offer_info(signer, payload)):
                self._try_switch(group)
        elif level in _ROLES:
            group.offer_rekey(_ROLES[level], payload)
            self._try_switch(group)
        elif level not in _ROSTERS:  # a roster that was already read
            raise Refused(errors.UNKNOWN)

    def _try_switch(self, group):
        now = self._clock.now()
        if now is None or not self.groups.switch(group, now):  # without a clock the overlap has no end
            return
        self.switches += 1
        self._asks.pop(group.gid, None)
        self._senders.retain(self.groups.hears)
        self._replay.retain(self.groups.hears)
        if group.current is not None:
            self._shared = self._shared or group.current.me is self._identities[-1]
            if group.current.info.policy.mode == ANONYMOUS:
                self._fetch_roster(group)
        self._take_over()

    def _fetch_roster(self, group):
        """Fetches the certificates of a whole roster, those at hand too: which ones are asked for tells nothing of who has sent."""
        ticks = self._clock.ticks_ms()
        for kids in group.current.senders.values():
            for at in range(0, len(kids), 8):
                self._fetching.want(kids[at : at + 8], ticks)

    def open(self, topic, raw):
        """The Message in the envelope `raw` on `topic` (bytes); None if it waits for its sender's certificate; or Refused.

        Refused(ROOM), INNER in mode 3: it cannot wait. Crowded, a kind of these: because another message does.
        """
        if self.me is None:
            raise NotReady("not enrolled yet: the authority has not answered")
        now, ticks = self.now(), self._clock.ticks_ms()
        try:
            message = self._inbox.open(topic, raw, now)
        except MissingCertificate as missing:
            if missing.anonymous:
                self._fetch_roster(missing.group)
            else:
                self._fetching.want(missing.kid, ticks)
            if self._fetching.hold(missing.kid, topic, raw):
                return None
            reason = errors.INNER if missing.anonymous else errors.ROOM
            raise Crowded(reason) if missing.kid in self._fetching.wanted else Refused(reason)
        except UnknownEpoch as unknown:
            if self._is_due(unknown.gid, ticks):
                self._fetch_group(self.groups.by_gid[unknown.gid])
            raise
        return message

    def _raise_floor(self, t, now):
        """Called before a message dated t is accepted. A sender far ahead costs one write in two minutes, all others none."""
        if t > now + self._clock.slack and t > self._floor:
            floor = t + AHEAD  # so that two minutes pass before one can be dated after it
            self._store.save("floor", u32(floor))
            self._floor = floor

    def take_arrived(self):
        """Messages that were held for a certificate and have passed every check since."""
        arrived, self._arrived = self._arrived, []
        return arrived


class _RosterSink:
    """Reads a roster for the info that was pending when it began to arrive."""

    def __init__(self, member, group, role, reader):
        self._member = member
        self._group = group
        self._role = role
        self._info = group.pending
        self._reader = reader
        self.write = reader.write

    def close(self):
        self._reader.close()
        self._group.offer_roster(self._info, self._role, self._reader)
        self._member._try_switch(self._group)


def _mode(policy, mode):
    """The least mode of the policy, or `mode` (None: whatever) where that is higher."""
    return max(policy.mode, mode or SIGNED, SIGNED)


def _info_topic(gid):
    return OWN + b"group/" + gid + b"/info"


def _roster_topics(gid):
    return [OWN + b"group/" + gid + b"/" + level for level in _ROSTERS]


def _refusal_of(take):
    """The Refused that take() raised, or None: one bad thing does not keep the others from being taken."""
    try:
        take()
    except Refused as refusal:
        return refusal
    return None
