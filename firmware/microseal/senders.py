"""The senders a member hears: their certificates, fetched once, verified, and kept as public keys (section 6)."""

from . import errors
from .errors import Refused
from .identity import DEVICE, Certificate


class Sender:
    """What is kept of a verified certificate. public: Q, 33 bytes."""

    def __init__(self, cert, public):
        self.id = cert.id
        self.not_after = cert.not_after
        self.public = public


class Senders:
    """At most `limit` senders by kid; the certificates of those on no roster any more make room for others."""

    def __init__(self, anchor, limit):
        self._anchor = anchor
        self._limit = limit
        self._known = {}

    def get(self, kid, now):
        """The Sender of kid, or None if its certificate is not at hand. Refused(EXPIRED) past its not_after."""
        sender = self._known.get(kid)
        if sender is not None and now > sender.not_after:
            raise Refused(errors.EXPIRED)
        return sender

    def add(self, kid, raw, now):
        """Takes the certificate `raw` that was asked for by kid."""
        cert = Certificate(raw)
        if cert.kid != kid:
            raise Refused(errors.HASH)
        self._anchor.check(cert, DEVICE, now)
        if kid not in self._known and len(self._known) >= self._limit:
            raise Refused(errors.ROOM)
        self._known[kid] = Sender(cert, self._anchor.public_key(cert))

    def retain(self, on_roster):
        """Forgets the certificates of those for whom on_roster(kid) is False."""
        for kid in [kid for kid in self._known if not on_roster(kid)]:
            del self._known[kid]
