"""Renewal: a new certificate in time, requested by the key that it replaces (section 4).

The old identity stays in use until every group of this device has an epoch with the new one; then it is erased.
"""

from .enrolment import IDENTITY, decode_identity, encode_identity
from .identity import accept_reply, make_request, make_share, own_share_point, renew_request
from .retry import Retry
from .store import pack, unpack
from .wire import u32

MARGIN = 30 * 86400  # s before not_after, or a quarter of what is left when the date is set, if that is less
_RENEWAL = "renewal"  # record: request, r, g
_DATE = "renew-at"  # record: u32
_NEXT = "next"  # record: the identity that is to take over


class Renewal:
    """The renewal of `me`. request is None until it is due; then the same bytes, sent again until the reply is taken.

    To be made after load_next, which does away with a request that was answered.
    """

    def __init__(self, store, anchor, me, entropy):
        self._store = store
        self._anchor = anchor
        self._me = me
        self._entropy = entropy
        self._date = None
        self._retry = Retry(10000, 60000)
        self.request = None
        content = store.load(_RENEWAL)
        if content is not None:
            self.request, self._r, self._g = unpack(content, 3)

    def due(self, now, ticks):
        """Whether the request is to be sent now. The first time it is made, and stored before it is sent.

        Once made it is sent until it is answered, also past not_after: the authority may have taken it in time, and its reply was lost.
        """
        if self.request is None:
            if now > self._me.cert.not_after:
                return False  # too late, or a clock that is wrong: no date is to be set by it
            if self._date is None:
                self._date = self._find_date(now)
            if now < self._date:
                return False
            self._make()
        return self._retry.due(ticks)

    def _find_date(self, now):
        content = self._store.load(_DATE)
        if content is not None:
            return int.from_bytes(content, "big")
        not_after = self._me.cert.not_after
        date = not_after - min(MARGIN, (not_after - now) // 4)
        self._store.save(_DATE, u32(date))
        return date

    def _make(self):
        suite, entropy = self._anchor.suite, self._entropy
        self._r, self._g = entropy.scalar(), entropy.scalar()
        plain = make_request(suite, self._me.id, self._r, self._g)
        self.request = renew_request(self._me, plain, entropy.fresh(32))
        self._store.save(_RENEWAL, pack((self.request, self._r, self._g)))

    def accept(self, raw):
        """The (Identity, box) that the reply makes, stored; r and g are erased before this returns."""
        me = accept_reply(self._anchor, raw, self._me.id, self._r, own_share_point(self.request))
        box = make_share(me, self._g)
        self._store.save(_NEXT, encode_identity(me, box))
        self._store.erase(_RENEWAL)
        self.request = self._r = self._g = None
        return me, box


def load_next(store, anchor, me):
    """(Identity, box) of the identity that is to take the place of `me`, or None."""
    content = store.load(_NEXT)
    if content is None:
        store.erase(_NEXT)  # in case the power went between its two writes
        return None
    store.erase(_RENEWAL)  # the power may have gone before accept was done with it
    following, box = decode_identity(anchor, content)
    if following.kid == me.kid:
        take_over(store, me, box)  # or before take_over was
        return None
    return following, box


def take_over(store, me, box):
    """Makes the next identity the only one. Safe to repeat after a power cut."""
    store.save(IDENTITY, encode_identity(me, box))
    store.save(IDENTITY, encode_identity(me, box))  # both slots, so that nothing of the old key is left in either
    store.erase(_DATE)
    store.erase(_NEXT)
