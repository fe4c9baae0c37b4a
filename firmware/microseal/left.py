"""The groups that a device was in and is out of: of each the last epoch, behind which nothing brings it back (section 5).

A record of entries, 12 bytes each: the first 8 bytes of the gid's hash ‖ u32(epoch). Imported where there is one: most devices
are never taken out of a group.
"""

from .wire import u32

MOST = 64  # entries


def last(record, name):
    """The last epoch known of the group `name` (8 bytes); None where it has no entry."""
    for at in range(0, len(record), 12):
        if record[at : at + 8] == name:
            return int.from_bytes(record[at + 8 : at + 12], "big")
    return None


def put(record, name, epoch):
    """The record with this entry, in place of one of the same name; None if there are too many."""
    others = b"".join([record[at : at + 12] for at in range(0, len(record), 12) if record[at : at + 8] != name])
    return others + name + u32(epoch) if len(others) < 12 * MOST else None
