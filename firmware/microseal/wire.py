"""Reading bytes that somebody else wrote: one pass, every length checked, nothing left over (section 2)."""

from . import errors
from .errors import Refused

_NAME = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


class Reader:
    """Takes fields off the front of `raw` (bytes-like); whatever does not fit raises Refused(LENGTH)."""

    def __init__(self, raw):
        self.raw = memoryview(raw)
        self.at = 0

    def take(self, n):
        """The next n bytes, copied."""
        end = self.at + n
        if end > len(self.raw):
            raise Refused(errors.LENGTH)
        field = bytes(self.raw[self.at : end])
        self.at = end
        return field

    def uint(self, size):
        """An unsigned big-endian integer of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def point(self):
        """33 bytes; whether they are a point is checked where the suite is known (`check_point`)."""
        return self.take(33)

    def name(self):
        """u8(len) ‖ an id or gid."""
        return check_name(self.take(self.uint(1)))

    def end(self):
        if self.at != len(self.raw):
            raise Refused(errors.LENGTH)


def u8(n):
    return n.to_bytes(1, "big")


def u16(n):
    return n.to_bytes(2, "big")


def u32(n):
    return n.to_bytes(4, "big")


def short(field):
    """u8(len) ‖ field."""
    return u8(len(field)) + field


def long(field):
    """u16(len) ‖ field."""
    return u16(len(field)) + field


def check_name(name):
    """`name` (bytes) if it is an id or gid of section 2: 1 to 32 bytes of A-Z a-z 0-9 . _ : -"""
    if not 1 <= len(name) <= 32:
        raise Refused(errors.NAME)
    for byte in name:
        if byte not in _NAME:
            raise Refused(errors.NAME)
    return name


def check_client_id(client_id, device):
    """`client_id` if it is the id `device`, alone or followed by `/` and 1 to 30 more characters (section 2)."""
    if client_id != device:
        tail = client_id[len(device) + 1 :]
        if client_id[: len(device) + 1] != device + b"/" or len(tail) > 30:
            raise Refused(errors.NAME)
        check_name(tail)
    return client_id


def hexkid(kid):
    """A kid (8 bytes) as it stands in topics: 16 lower-case hexadecimal digits, as bytes."""
    return kid.hex().encode()


def unhexkid(text):
    """The kid in a topic level (bytes); Refused(NAME) if it is anything but 16 lower-case hexadecimal digits."""
    if len(text) != 16:
        raise Refused(errors.NAME)
    for byte in text:
        if byte not in b"0123456789abcdef":
            raise Refused(errors.NAME)
    return bytes(int(text[i : i + 2], 16) for i in range(0, 16, 2))
