"""The groups that a member is in or is about to join, and which of them a topic belongs to (section 5)."""

from . import crypto, errors
from .errors import Refused
from .membership import Membership
from .topics import check_topic

_CACHED = 32  # topics whose group is remembered
_CACHED_TOPIC = 128  # bytes of the longest of them: anybody can send on thousands of long topics


class Groups:
    """At most `limit` groups of at most `senders` senders each, kept in `store` as records `group-‹hash of gid›`."""

    def __init__(self, identities, store, limit, senders):
        self._identities = identities
        self._store = store
        self._limit = limit
        self._senders = senders
        self._cache = {}  # topic -> (Membership, kind)
        self.by_gid = {}

    def _record(self, gid):
        # Not the gid itself: it may have characters that a FAT file system does not take.
        return "group-" + crypto.core.hash(self._identities[0].suite, gid)[:8].hex()

    def restore(self):
        """Takes up the groups that `switch` stored."""
        for entry in _entries(self._store.load("groups") or b""):
            gid = entry[1:]
            content = self._store.load(self._record(gid))
            if content:
                self.by_gid[gid] = group = Membership(self._identities, gid, self._senders)
                group.restore(content)

    def get(self, gid):
        """The Membership of gid, which is new if this is the first that is heard of it; Refused(ROOM) if there are too many."""
        group = self.by_gid.get(gid)
        if group is None:
            if len(self.by_gid) >= self._limit:
                self._drop_unborn()
            group = self.by_gid[gid] = Membership(self._identities, gid, self._senders)
        return group

    def _drop_unborn(self):
        """Makes room by forgetting a gid that never had a valid info: anybody can make up a key packet's topic."""
        for gid, group in self.by_gid.items():
            if group.number is None and group.pending is None:
                del self.by_gid[gid]
                return
        raise Refused(errors.ROOM)

    def switch(self, group, now):
        """Lets `group` switch to its pending epoch if it can; True if it did. Stored before it takes effect."""
        others = sum(other.heard() for other in self.by_gid.values() if other is not group)
        if not group.try_switch(now, self._senders - others, lambda content: self._save(group.gid, content)):
            return False
        self._cache.clear()
        return True

    def _save(self, gid, content):
        index = self._store.load("groups") or b""
        entry = bytes((len(gid),)) + gid
        # First, so that no record is forgotten; restore() passes over a name that has none yet.
        if entry not in list(_entries(index)):
            self._store.save("groups", index + entry)
        self._store.save(self._record(gid), content)

    def find(self, topic):
        """(Membership, kind) of the one group whose filters match the topic (bytes); Refused(TOPIC) for none, two, or two kinds."""
        found = self._cache.get(topic)
        if found is None:
            check_topic(topic)
            for group in self.by_gid.values():
                if group.current is not None:
                    kind = group.current.info.policy.kind_of(topic)
                    if kind is not None:
                        if found is not None:
                            raise Refused(errors.TOPIC)
                        found = group, kind
            if found is None:
                raise Refused(errors.TOPIC)
            if len(topic) <= _CACHED_TOPIC:
                if len(self._cache) >= _CACHED:
                    self._cache.popitem()
                self._cache[topic] = found
        return found

    def hears(self, kid):
        """Whether kid is on a roster of any held epoch."""
        return any(group.hears(kid) for group in self.by_gid.values())


def _entries(index):
    """The entries (u8(len) ‖ gid) of the index record."""
    at = 0
    while at < len(index):
        yield index[at : at + 1 + index[at]]
        at += 1 + index[at]
