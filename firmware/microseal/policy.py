"""The policy of a group: the least mode, ages, sizes and topics, signed by the authority as part of the info (section 5)."""

from . import errors
from .errors import Refused
from .topics import check_filter, matches
from .wire import Reader, short, u8, u16, u32

QUERY = 1  # kind bit 0: direction 1, from subscribers to publishers
STATE = 2  # kind bit 1: state topic, retained messages and wills are allowed


class Policy:
    """mode 0 to 3; max_age in s, 0 = any; max_size in bytes of M; filters: list of (kind, filter)."""

    def __init__(self, mode, max_age, max_size, filters):
        if mode > 3 or mode == 3 and max_age == 0 or len(filters) > 255:
            raise Refused(errors.POLICY)
        for kind, pattern in filters:
            if kind > 3:
                raise Refused(errors.POLICY)
            try:
                check_filter(pattern)
            except Refused:
                raise Refused(errors.POLICY)
        if 8 + sum(2 + len(pattern) for _, pattern in filters) > 65535:  # an info gives its length as a u16
            raise Refused(errors.POLICY)
        self.mode = mode
        self.max_age = max_age
        self.max_size = max_size
        self.filters = filters

    def encode(self):
        parts = [u8(self.mode), u32(self.max_age), u16(self.max_size), u8(len(self.filters))]
        for kind, pattern in self.filters:
            parts.append(u8(kind) + short(pattern))
        return b"".join(parts)

    def kind_of(self, topic):
        """The kind of a valid topic in this group, None if no filter matches; two kinds for one topic are refused."""
        found = None
        for kind, pattern in self.filters:
            if kind != found and matches(pattern, topic):
                if found is not None:
                    raise Refused(errors.TOPIC)
                found = kind
        return found


def parse_policy(raw):
    """The Policy in `raw`, or Refused."""
    read = Reader(raw)
    mode, max_age, max_size = read.uint(1), read.uint(4), read.uint(2)
    filters = []
    for _ in range(read.uint(1)):
        kind = read.uint(1)
        filters.append((kind, read.take(read.uint(1))))
    read.end()
    return Policy(mode, max_age, max_size, filters)
