"""An epoch of a group as a member holds it: the info, the group keys of its roles, and the rosters of those it receives from."""

from . import crypto, errors
from .errors import Refused
from .group import PUBLISHER, SUBSCRIBER
from .kids import contains
from .wire import long, short, u8, u32


def sender_role(direction):
    """Who sends in a direction: publishers in 0, subscribers in 1 (section 6)."""
    return SUBSCRIBER if direction else PUBLISHER


def receiver_role(direction):
    return PUBLISHER if direction else SUBSCRIBER


class Epoch:
    """keys[role]: the group key (32 bytes, secret) that members of `role` hold, for the roles of this member.

    senders[role]: the kids of `role`'s roster (8 bytes each, ascending), where this member receives from them. limit: how many
    agreed keys are kept, one for each sender and direction. me: the Identity that is the member, where it is known.
    """

    def __init__(self, info, keys, senders, limit, me=None):
        self.info = info
        self.me = me
        self.suite = info.suite
        self.keys = keys
        self.senders = senders
        self._limit = limit
        self._context = short(info.gid) + u32(info.epoch)
        self._agreed = {}  # (direction, kid) -> [X(d·Q_P), boot value, K2]

    def context(self, topic):
        """gctx: what every signature of an envelope covers beside its bytes."""
        return self._context + long(topic)

    def check_sender(self, direction, kid):
        """Refused(ROLE) unless kid is on the roster of those who send in this direction."""
        if not contains(self.senders.get(sender_role(direction), b""), kid):
            raise Refused(errors.ROLE)

    def signing_key(self, direction):
        """(private, public) of the group key that signs mode 3 in this direction; held by its senders."""
        role = sender_role(direction)
        return self.keys[role], self.info.public[role]

    def sealing_key(self, direction, kid, boot, private=None, public=None):
        """K2 for messages of `kid` with the boot value `boot` (8 bytes) in the nonce.

        The sender gives its own d as `private`, a receiver the sender's Q as `public`. The point multiplication is done once an
        epoch and sender, K2 is derived anew only when the boot value changes.
        """
        entry = self._agreed.get((direction, kid))
        if entry is None:
            role = receiver_role(direction)
            if private is not None:
                secret = crypto.core.ecdh(self.suite, private, self.info.public[role])
            else:
                secret = crypto.core.ecdh(self.suite, self.keys[role], public)
            if len(self._agreed) >= self._limit:
                self._agreed.popitem()
            entry = self._agreed[direction, kid] = [secret, None, None]
        if entry[1] != boot:
            info = crypto.tag(b"pub", self.suite) + self._scope(direction) + kid
            entry[1], entry[2] = boot, crypto.core.hkdf(self.suite, entry[0], boot, info, 16)
        return entry[2]

    def anonymous_key(self, direction, secret, ephemeral):
        """K3 for the shared secret X(z·Q_P) = X(d_P·Z) and Z = `ephemeral`."""
        info = crypto.tag(b"anon", self.suite) + self._scope(direction)
        return crypto.core.hkdf(self.suite, secret, ephemeral, info, 16)

    def _scope(self, direction):
        return u8(direction) + short(self.info.gid) + u32(self.info.epoch)
