"""One group as a member sees it: the epoch in force, the one before, and the one to come (section 5)."""

from . import errors
from .epoch import Epoch, receiver_role
from .errors import Refused
from .group import KEY_PACKET, PUBLISHER, SUBSCRIBER, Info, open_key_packet, open_rekey
from .policy import QUERY
from .roster import RosterReader, roster_hash
from .store import pack, unpack

OVERLAP = 120  # s for which the epoch before is accepted
_STEP = 65535  # by how much an epoch may be above the current one
_ROLES = (PUBLISHER, SUBSCRIBER)


class Membership:
    """The state of one gid. limit: senders there is room for. It says by `trouble` (a reason or None) why it stays out, if it does.

    identities: this device's own, the oldest first; two while a renewed certificate is taking the place of the one before.
    """

    def __init__(self, identities, gid, limit, number=None):
        self._identities = identities
        self._suite = identities[0].suite
        self._limit = limit
        self.gid = gid
        self.number = number  # the highest epoch ever taken, None: none; there is no way back behind it
        self.current = None
        self.previous = None
        self.trouble = None
        self._previous_until = 0
        self.pending = None  # an Info
        self._rosters = {}  # role -> a finished RosterReader, for the pending info
        self._keys = {}  # role -> group key, for the pending info
        self._packets = {}  # role -> (Identity, key packet), the newest, as it came: its info may come later

    # What comes in

    def offer_info(self, signer, raw):
        """Takes a newer info as pending; True if it did. What is not newer changes nothing."""
        if (
            self.current is not None
            and raw == self.current.info.raw
            or self.pending is not None
            and raw == self.pending.raw
        ):
            return False
        info = Info(self._suite, raw, signer)
        if info.gid != self.gid:
            raise Refused(errors.NAME)
        if self.number is not None and not self.number < info.epoch <= self.number + _STEP:
            raise Refused(errors.EPOCH)
        if self.pending is not None and info.epoch <= self.pending.epoch:
            raise Refused(errors.EPOCH)
        self.pending = info
        self._rosters = {}
        self._keys = {}
        empty = roster_hash(info.suite, b"")
        for role in _ROLES:
            if info.rosters[role] == empty:  # an empty roster cannot arrive: retained, it is no message at all
                self._rosters[role] = self._new_reader(role)
        self.trouble = None
        return True

    def roster_reader(self, role):
        """A RosterReader for the pending info's roster of `role`; None when there is nothing to read it for."""
        if self.pending is None or role in self._rosters:
            return None
        return self._new_reader(role)

    def _new_reader(self, role):
        own = [me.cert.hash for me in self._identities]
        return RosterReader(self._suite, self.pending.rosters[role], own, self._limit)

    def offer_roster(self, info, role, reader):
        """Takes a finished reader, if the info that it was made for is still the pending one."""
        if info is self.pending:
            self._rosters[role] = reader

    def offer_packet(self, me, role, raw):
        """Keeps a key packet to the Identity `me` until its info is there (86 bytes; what is no packet fails then)."""
        if len(raw) != KEY_PACKET:
            raise Refused(errors.LENGTH)
        if self.number is None or _epoch_of(raw) > self.number:
            self._packets[role] = me, bytes(raw)

    def follows(self, role):
        """Whether a rekey broadcast of `role` for the pending epoch, if there is one, is for this member."""
        current = self.current
        return current is not None and role in current.keys and self.pending.epoch == current.info.epoch + 1

    def offer_rekey(self, role, raw):
        """Opens a rekey broadcast with the current key of `role`."""
        if self.pending is None or self.current is None or self.pending.epoch != self.current.info.epoch + 1:
            raise Refused(errors.EPOCH)
        if role not in self.current.keys:
            raise Refused(errors.ROLE)
        if role not in self._keys:
            self._keys[role] = open_rekey(self.pending, raw, role, self.current.keys[role])

    # The switch

    def _place(self):
        """(Identity, roles) of this member in the pending epoch: of its newest identity that is on a roster; (None, []) if none is."""
        for me in reversed(self._identities):
            roles = [role for role in _ROLES if me.cert.hash in self._rosters[role].found]
            if roles:
                return me, roles
        return None, []

    def lacks_keys(self):
        """The Identity of this member in the pending epoch, if all that is missing for the switch is a key packet to it; else None."""
        if self.pending is None or len(self._rosters) < 2:
            return None
        me, roles = self._place()
        return me if any(role not in self._keys for role in roles) else None

    def lacks_info(self):
        """Whether a key packet has come for an epoch whose info has not."""
        return self.number is not None and self.pending is None and bool(self._packets)

    def _receives(self, roles):
        """The roles whose roster this member needs, because it receives from them."""
        needs = []
        if SUBSCRIBER in roles:
            needs.append(PUBLISHER)
        if PUBLISHER in roles and any(kind & QUERY for kind, _ in self.pending.policy.filters):
            needs.append(SUBSCRIBER)
        return needs

    def try_switch(self, now, room, store):
        """Switches to the pending epoch if all of it is there; True if the epoch in force changed.

        room: senders that the other groups leave room for; store(content): writes what is to be in force, in one step.
        """
        if self.pending is None or len(self._rosters) < 2:
            return False
        if now > self.pending.usable_until:
            self.pending = None
            raise Refused(errors.EXPIRED)
        info, (me, roles) = self.pending, self._place()
        if not roles and self.number is None:
            # Never a member. If that were remembered, a broker could fill this device with other groups.
            self.pending = None
            self.trouble = errors.ROLE
            return False
        for role in roles:
            if role not in self._keys:
                to, packet = self._packets.get(role, (None, None))
                if to is not me or _epoch_of(packet) != info.epoch:
                    return False
                del self._packets[role]  # opened once, whatever comes of it
                self._keys[role] = open_key_packet(me, info, packet, role)
        needs = self._receives(roles)
        rosters = [self._rosters[role].kids for role in needs]
        if None in rosters or sum(len(kids) for kids in rosters) > 8 * room:
            self.trouble = errors.ROOM
            raise Refused(errors.ROOM)
        senders = {role: bytes(self._rosters[role].kids) for role in needs}
        keys = {role: self._keys[role] for role in roles}
        store(_encode(info, keys, senders, me))
        self._take(Epoch(info, keys, senders, self._limit, me), now)
        return True

    def _take(self, epoch, now):
        if epoch.keys:
            self.previous, self.current = self.current, epoch
        else:  # on neither roster: out of the group, and not back behind this epoch
            self.previous = self.current = None
            self.trouble = errors.ROLE
        self._previous_until = now + OVERLAP
        self.number = epoch.info.epoch
        self.pending = None
        self._rosters, self._keys = {}, {}
        for role in [role for role, (_, packet) in self._packets.items() if _epoch_of(packet) <= self.number]:
            del self._packets[role]

    def restore(self, content):
        """Takes up what try_switch stored."""
        raw, d_s, d_p, kids_p, kids_s, kid = unpack(content, 6)
        me = None
        for identity in self._identities:
            if identity.kid == kid:
                me = identity
        info = Info(self._suite, raw, None)
        keys = {role: key for role, key in ((PUBLISHER, d_s), (SUBSCRIBER, d_p)) if key and me}
        self._take(Epoch(info, keys, {PUBLISHER: kids_p, SUBSCRIBER: kids_s}, self._limit, me), 0)

    # What an envelope is checked against

    def held(self, ep, now):
        """The Epoch whose low 16 bits are ep, if it is held and in force at `now`; None otherwise."""
        for epoch, until in ((self.current, None), (self.previous, self._previous_until)):
            if epoch is not None and epoch.info.epoch & 0xFFFF == ep:
                if now > epoch.info.not_after or until is not None and now > until:
                    return None
                return epoch
        return None

    def needs(self, me, now):
        """Whether this device is in the group by its Identity `me`, in an epoch that can still be used. now: None without a clock."""
        epoch = self.current
        if epoch is None or epoch.me is not me:
            return False
        return now is None or now <= epoch.info.not_after and now <= me.cert.not_after

    def check_policy(self, epoch, envelope, kind):
        """Mode, direction and size, in this order."""
        policy = epoch.info.policy
        if envelope.mode < policy.mode:
            raise Refused(errors.MODE)
        if envelope.direction != kind & QUERY or receiver_role(envelope.direction) not in epoch.keys:
            raise Refused(errors.DIRECTION)
        if envelope.least > policy.max_size:
            raise Refused(errors.SIZE)

    def check_sender(self, epoch, direction, kid):
        """The kid must be on the roster of the direction; in the epoch before, on the current one's as well."""
        epoch.check_sender(direction, kid)
        if epoch is not self.current:
            self.current.check_sender(direction, kid)

    def heard(self):
        """How many senders there are in the current epoch."""
        return sum(len(kids) // 8 for kids in self.current.senders.values()) if self.current is not None else 0

    def hears(self, kid):
        """Whether kid is on a roster of a held epoch."""
        for epoch in (self.current, self.previous):
            if epoch is not None:
                for direction in (0, 1):
                    try:
                        epoch.check_sender(direction, kid)
                        return True
                    except Refused:
                        pass
        return False


def _epoch_of(packet):
    """The epoch in a key packet, not yet opened."""
    return int.from_bytes(packet[1:5], "big")


def _encode(info, keys, senders, me):
    return pack(
        (
            info.raw,
            keys.get(PUBLISHER, b""),
            keys.get(SUBSCRIBER, b""),
            senders.get(PUBLISHER, b""),
            senders.get(SUBSCRIBER, b""),
            me.kid if me is not None else b"",
        )
    )
