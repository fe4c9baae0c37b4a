"""Rosters: who publishes and who subscribes in an epoch of a group, bound to its signed info by a hash (section 5)."""

from . import crypto, errors
from .errors import Refused


def roster_hash(suite, roster):
    """roster: cert_hashes of 32 bytes, ascending, no duplicates, joined."""
    return crypto.core.hash(suite, crypto.tag(b"roster", suite), roster)


class RosterReader:
    """Takes a roster as it streams in, in chunks of any size; `close` tells whether it was the one that the info names.

    own: the reader's own cert_hashes, to learn which of them are on the roster (`found`). limit: how many kids there is room for; a
    longer roster is still checked to its end, but `kids` is None then. A roster of n members keeps 8n bytes, ascending.
    """

    def __init__(self, suite, expected, own, limit):
        self._expected = expected
        self._own = own
        self._limit = limit
        self._state = crypto.core.hash_new(suite)
        crypto.core.hash_update(self._state, crypto.tag(b"roster", suite))
        self._part = b""
        self._last = b""
        self.kids = bytearray()
        self.found = []

    def write(self, chunk):
        crypto.core.hash_update(self._state, chunk)
        data = self._part + bytes(chunk)
        end = len(data) - len(data) % 32
        for at in range(0, end, 32):
            entry = data[at : at + 32]
            if entry <= self._last:
                raise Refused(errors.ORDER)
            self._last = entry
            if entry in self._own:
                self.found.append(entry)
            if self.kids is not None:
                if len(self.kids) == 8 * self._limit:
                    self.kids = None
                else:
                    self.kids.extend(entry[:8])
        self._part = data[end:]

    def close(self):
        if self._part:
            raise Refused(errors.LENGTH)
        if crypto.core.hash_digest(self._state) != self._expected:
            raise Refused(errors.HASH)
