"""Enrolment as a device does it: one request for one claim, kept on flash until its reply is taken (section 4)."""

from .errors import StorageError
from .identity import Certificate, Identity, accept_reply, claim_request, make_request, make_share, own_share_point
from .store import pack, unpack

IDENTITY = "identity"  # record: certificate, d, Q, box


class Enrolment:
    """An enrolment under way. `request` is what goes to `microseal/enroll/‹id›`, the same bytes however often it is sent.

    r, g and the request are stored before the request is first sent: the authority answers one request a claim, so a device that
    forgot them after a power cut could never enrol again.
    """

    def __init__(self, store, anchor, entropy):
        self._store = store
        self._anchor = anchor
        self.id, claim, self._r, self._g, self.request = unpack(_load(store), 5)
        if not self.request:
            suite = anchor.suite
            self._r, self._g = entropy.scalar(), entropy.scalar()
            self.request = claim_request(suite, make_request(suite, self.id, self._r, self._g), claim)
            store.save("enrol", pack((self.id, claim, self._r, self._g, self.request)))

    def accept(self, raw):
        """The (Identity, box) that the reply makes; stored, and r, g and the claim erased, before this returns."""
        me = accept_reply(self._anchor, raw, self.id, self._r, own_share_point(self.request))
        box = make_share(me, self._g)
        self._store.save(IDENTITY, encode_identity(me, box))
        self._store.erase("enrol")
        return me, box


def load_identity(store, anchor):
    """(Identity, box) as enrolment stored it, None before that."""
    content = store.load(IDENTITY)
    if content is None:
        return None
    store.erase("enrol")  # the power may have gone before accept was done with it
    return decode_identity(anchor, content)


def encode_identity(me, box):
    """The record of an Identity and its share box."""
    return pack((me.cert.raw, me.private, me.public, box))


def decode_identity(anchor, content):
    """(Identity, box) from their record."""
    raw, private, public, box = unpack(content, 4)
    return Identity(anchor, Certificate(raw), private, public), box


def stored_id(store):
    """The id (bytes) that this device was provisioned with; StorageError if it was not."""
    content = store.load(IDENTITY)
    if content is not None:
        return Certificate(unpack(content, 4)[0]).id
    return unpack(_load(store), 5)[0]


def _load(store):
    content = store.load("enrol")
    if content is None:
        raise StorageError("not provisioned: put the claim file of `microseal device add` here as claim.json")
    return content
