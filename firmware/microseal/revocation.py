"""The authority's list of certificates that it took back before their time (section 4, section 5)."""

from . import errors
from .errors import Refused
from .kids import contains
from .wire import Reader


class Revoked:
    """A verified revoked list. issued: u32; `kid in revoked` tells whether a kid is on it.

    signer: whose signature over it is checked; None only for a list that this device stored after checking it.
    """

    def __init__(self, signer, raw):
        size = len(raw) - 4 - 64
        if size < 0 or size % 8:
            raise Refused(errors.LENGTH)
        read = Reader(raw)
        self.issued = read.uint(4)
        self.kids = read.take(size)
        signature = read.take(64)
        read.end()
        for at in range(8, size, 8):
            if self.kids[at - 8 : at] >= self.kids[at : at + 8]:
                raise Refused(errors.ORDER)
        if signer is not None:
            signer.check(b"revoked", b"", read.raw[: 4 + size], signature)
        self.raw = bytes(raw)

    def __contains__(self, kid):
        return contains(self.kids, kid)
