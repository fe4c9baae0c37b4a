"""Whom a device believes: the signer whose signatures count, the one that follows it, and the list of those who were revoked."""

from . import errors
from .errors import Refused
from .identity import Signer
from .provisioning import load_authority, save_signer
from .revocation import Revoked

_UNVERIFIED = (errors.SIGNATURE, errors.EXPIRED)  # why a signer is not the one who signed something


class Trust:
    """store: Store; clock: as Member's; fetch(): asks for what the signer signs once more."""

    def __init__(self, store, clock, fetch):
        self._store = store
        self._clock = clock
        self._fetch = fetch
        self.anchor, self.signer = load_authority(store)
        self._announced = None  # the Signer that is to replace it, once a signature shows that it is genuine
        self._early = None  # a revoked list that came before there was a clock
        raw = store.load("revoked")
        self.revoked = Revoked(None, raw) if raw else None

    def by_signer(self, take):
        """take(signer) with the signer in use, or else with the one announced, which replaces it once it has verified something."""
        try:
            return take(self._live(self.signer))
        except Refused as refusal:
            if refusal.reason not in _UNVERIFIED:
                raise
            if self._announced is None:
                self._fetch()
                raise
        try:
            taken = take(self._live(self._announced))
        except Refused as refusal:
            if refusal.reason in _UNVERIFIED:
                self._fetch()  # a forged announcement may have come in the place of the one that this needed
            raise
        if self._announced.proven:
            save_signer(self._store, self.anchor, self._announced)
            self.signer, self._announced = self._announced, None
        return taken

    def _live(self, signer):
        """`signer`, unless its certificate has run out; without a clock nothing that it signed takes effect yet."""
        now = self._clock.now()
        if now is not None and now > signer.cert.not_after:
            raise Refused(errors.EXPIRED)
        return signer

    def take_signer(self, payload):
        """An implicit certificate proves nothing by itself: anybody can write one, with any not_after. So it waits for a signature."""
        if payload == self.signer.cert.raw:
            return
        signer = Signer(self.anchor, payload)
        if signer.cert.not_after <= self.signer.cert.not_after:
            raise Refused(errors.STALE)
        self._announced = signer

    def take_revoked(self, payload):
        """Takes a newer list of the revoked; one that comes before there is a clock waits for clock_set."""
        if self._clock.now() is None:
            self._early = payload  # whether its signer's certificate has run out shows when there is a clock
            return
        held = self.revoked
        if held is not None and payload == held.raw:
            return
        revoked = self.by_signer(lambda signer: Revoked(signer, payload))
        if held is not None and revoked.issued <= held.issued:
            raise Refused(errors.STALE)
        self._store.save("revoked", revoked.raw)
        self.revoked = revoked

    def clock_set(self):
        """Takes the list that waited for the clock. Refused if it is none; another may have come before it, and is to be fetched."""
        if self._early is not None:
            early, self._early = self._early, None
            self.take_revoked(early)

    def is_revoked(self, kid):
        return self.revoked is not None and kid in self.revoked
