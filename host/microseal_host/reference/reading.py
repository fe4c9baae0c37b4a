"""Taking bytes apart: every length is checked, and nothing may be left over."""

import string

from .refusal import Refused

_NAME_CHARACTERS = frozenset((string.ascii_letters + string.digits + "._:-").encode("ascii"))


class Reader:
    """Reads fields from the front; `end` refuses what is left."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, length: int, where: str) -> bytes:
        if len(self.data) - self.at < length:
            raise Refused("length", where)
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, length: int, where: str) -> int:
        return int.from_bytes(self.take(length, where), "big")

    def name(self, where: str) -> str:
        """u8(length) || an id or gid."""
        return name(self.take(self.number(1, where), where), where)

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at, "rest")

    def end(self) -> None:
        if self.at != len(self.data):
            raise Refused("length", "bytes left over")


def name(data: bytes, where: str) -> str:
    """An id or gid: 1 to 32 of the characters that section 2 lists."""
    if not 1 <= len(data) <= 32 or not set(data) <= _NAME_CHARACTERS:
        raise Refused("text", where)
    return data.decode("ascii")


def client_id(text: str) -> str:
    """The device id in a client id: alone, or followed by / and 1 to 30 more such characters."""
    own, slash, more = text.partition("/")
    name(own.encode(), "client id")
    if slash and (not 1 <= len(more.encode()) <= 30 or not set(more.encode()) <= _NAME_CHARACTERS):
        raise Refused("text", "client id")
    return own
