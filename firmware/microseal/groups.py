"""The groups that a member is in or is about to join, and which of them a topic belongs to (section 5)."""

from . import crypto, errors
from .errors import Refused, StorageError
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
        self._left = store.load("left") or b""  # see left.py
        self.by_gid = {}

    def _name(self, gid):
        # Not the gid itself: it may have characters that a FAT file system does not take.
        return crypto.core.hash(self._identities[0].suite, gid)[:8]

    def _record(self, gid):
        return "group-" + self._name(gid).hex()

    def restore(self):
        """Takes up the groups that `switch` stored."""
        for entry in _entries(self._store.load("groups") or b""):
            gid = entry[1:]
            content = self._store.load(self._record(gid))
            if content:
                self.by_gid[gid] = group = Membership(self._identities, gid, self._senders)
                group.restore(content)
                if group.current is None:  # the power may have gone before `_leave` was done with it
                    try:
                        self._leave(group)
                    except StorageError:
                        pass  # no room on the flash is no reason not to start; the next start tries again

    def get(self, gid):
        """The Membership of gid, which is new if this is the first that is heard of it; Refused(ROOM) if there are too many."""
        group = self.by_gid.get(gid)
        if group is None:
            if len(self.by_gid) >= self._limit:
                self._drop_unborn()
            group = self.by_gid[gid] = Membership(self._identities, gid, self._senders, self._last(gid))
        return group

    def _drop_unborn(self):
        """Makes room by forgetting a gid that had no valid info since: anybody can make up a key packet's topic."""
        for gid, group in self.by_gid.items():
            if group.current is None and group.pending is None and group.number == self._last(gid):
                del self.by_gid[gid]
                return
        raise Refused(errors.ROOM)

    def _last(self, gid):
        """The last epoch known of a group that this device is out of; None where none is."""
        if not self._left:
            return None
        from .left import last

        return last(self._left, self._name(gid))

    def _leave(self, group):
        """Frees the place of a group that this device is out of; of it stays the epoch's number, behind which there is no way back.

        Safe to repeat after a power cut: that is stored before the group's record goes.
        """
        from .left import put

        gid, store = group.gid, self._store
        left = put(self._left, self._name(gid), group.number)
        if left is not None:  # one more than it has room for keeps its place
            store.save("left", left)
            self._left = left
            del self.by_gid[gid]
            store.erase(self._record(gid))
            store.save("groups", b"".join([entry for entry in _entries(store.load("groups")) if entry[1:] != gid]))

    def switch(self, group, now):
        """Lets `group` switch to its pending epoch if it can; True if it did. Stored before it takes effect."""
        others = sum(other.heard() for other in self.by_gid.values() if other is not group)
        if not group.try_switch(now, self._senders - others, lambda content: self._save(group.gid, content)):
            return False
        self._cache.clear()
        if group.current is None:
            self._leave(group)
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
