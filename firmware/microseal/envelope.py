"""Envelopes: what a PUBLISH carries in modes 1 to 3 (section 6), to the byte.

Sealing builds one bytearray and works in it. Opening is in steps, so that the receiver (inbox.py) can take them in the order of the
protocol: parse, then verify and decrypt once it has found group, epoch and sender.
"""

from . import crypto, errors
from .epoch import receiver_role, sender_role
from .errors import Refused
from .wire import u8, u16, u32

SIGNED = 1  # signed
SECRET = 2  # signed and sealed
ANONYMOUS = 3  # signed and sealed; who sent it is sealed too

_LABELS = {SIGNED: b"m1", SECRET: b"m2"}
_HEAD = 27  # h ‖ ep ‖ kid ‖ t ‖ n of modes 1 and 2
_AAD = 15  # the part of it before n
_HEAD_ANONYMOUS = 40  # h ‖ ep ‖ t ‖ pt(Z)
_INNER = 72  # kid ‖ sig_i
_SIG = 64
_TAG = 16


def seal(epoch, me, direction, mode, topic, t, message, nonce, entropy, pairs=None):
    """The envelope (bytearray) of `message` (bytes-like) on `topic` (bytes) at time t.

    epoch: an Epoch with the keys that the mode needs; me: the sender's Identity; nonce: 12 bytes, boot value ‖ u32 counter, never
    used before (modes 1 and 2); entropy: its scalar() and fresh() are drawn in the order z, rand of the sender, rand of the group.
    pairs: Pairs, if there are any, of which one makes the sender's signature; its rand is not drawn then.
    """
    if mode == ANONYMOUS:
        return _seal_anonymous(epoch, me, direction, topic, t, message, entropy, pairs)
    size = len(message)
    tag = _TAG if mode == SECRET else 0
    end = _HEAD + size + tag
    out = bytearray(end + _SIG)
    out[0:_HEAD] = _first(epoch, direction, mode) + me.kid + u32(t) + nonce
    view = memoryview(out)
    context = epoch.context(topic)
    if mode == SECRET:
        key = epoch.sealing_key(direction, me.kid, nonce[:8], private=me.private)
        crypto.core.gcm_seal(key, nonce, context + bytes(view[:_AAD]), message, view[_HEAD:end])
    else:
        out[_HEAD:end] = message
    out[end:] = _sign(me, _LABELS[mode], context, view[:end], entropy, pairs)
    return out


def _sign(me, label, context, message, entropy, pairs):
    """The sender's signature: 64 bytes."""
    pair = pairs.take() if pairs is not None else None
    if pair is None:
        return me.sign(label, context, message, entropy.fresh(32))
    return me.sign_pair(label, context, message, pair)


def _seal_anonymous(epoch, me, direction, topic, t, message, entropy, pairs):
    core, suite = crypto.core, epoch.suite
    context = epoch.context(topic)
    z = entropy.scalar()
    ephemeral = core.base_mul(suite, z)
    head = _first(epoch, direction, ANONYMOUS) + u32(t) + ephemeral
    size = len(message)
    length = -(-(_INNER + size + 1) // 32) * 32
    end = _HEAD_ANONYMOUS + length + _TAG
    out = bytearray(end + _SIG)
    view = memoryview(out)
    out[0:_HEAD_ANONYMOUS] = head
    at = _HEAD_ANONYMOUS
    out[at : at + 8] = me.kid
    out[at + 8 : at + _INNER] = _sign(me, b"m3i", context, head + bytes(message), entropy, pairs)
    out[at + _INNER : at + _INNER + size] = message
    out[at + _INNER + size] = 0x80
    key = epoch.anonymous_key(direction, core.ecdh(suite, z, epoch.info.public[receiver_role(direction)]), ephemeral)
    core.gcm_seal(key, bytes(12), context + head, view[at : at + length], view[at:end])
    private, public = epoch.signing_key(direction)
    out[end:] = core.sign(suite, private, public, b"m3g", context, view[:end], entropy.fresh(32))
    return out


def _first(epoch, direction, mode):
    """h ‖ ep"""
    return u8(epoch.suite << 4 | direction << 3 | mode) + u16(epoch.info.epoch & 0xFFFF)


class Envelope:
    """A parsed envelope; `raw` is a memoryview of it. Modes 1 and 2 have kid and nonce, mode 3 has ephemeral (Z).

    least, most: between them (both included) lies the size of the message; they are the same in modes 1 and 2.
    """

    def __init__(self, raw):
        if not len(raw):
            raise Refused(errors.LENGTH)
        self.raw = raw = memoryview(raw)
        self.suite = raw[0] >> 4
        self.direction = raw[0] >> 3 & 1
        self.mode = mode = raw[0] & 7
        if self.suite not in crypto.core.SUITES:
            raise Refused(errors.SUITE)
        if not 1 <= mode <= 3:
            raise Refused(errors.MODE)
        size = len(raw)
        if mode == ANONYMOUS:
            inner = size - _HEAD_ANONYMOUS - _TAG - _SIG
            if inner < 96 or inner % 32:
                raise Refused(errors.LENGTH)
            self.kid = self.nonce = None
            self.t = int.from_bytes(raw[3:7], "big")
            self.ephemeral = bytes(raw[7:_HEAD_ANONYMOUS])
            self.most = inner - _INNER - 1
            self.least = self.most - 31
        else:
            self.most = self.least = size - _HEAD - _SIG - (_TAG if mode == SECRET else 0)
            if self.most < 0:
                raise Refused(errors.LENGTH)
            self.kid = bytes(raw[3:11])
            self.t = int.from_bytes(raw[11:_AAD], "big")
            self.nonce = bytes(raw[_AAD:_HEAD])
            self.ephemeral = None
        self.ep = raw[1] << 8 | raw[2]

    def _check_signature(self, public, label, context, reason):
        end = len(self.raw) - _SIG
        if not crypto.core.verify(self.suite, public, label, context, self.raw[:end], self.raw[end:]):
            raise Refused(reason)

    def open(self, epoch, topic, public):
        """The message (bytes) of a mode 1 or 2 envelope whose sender has the public key `public`."""
        context = epoch.context(topic)
        self._check_signature(public, _LABELS[self.mode], context, errors.SIGNATURE)
        body = self.raw[_HEAD : len(self.raw) - _SIG]
        if self.mode == SIGNED:
            return bytes(body)
        key = epoch.sealing_key(self.direction, self.kid, self.nonce[:8], public=public)
        message = bytearray(len(body) - _TAG)
        if not crypto.core.gcm_open(key, self.nonce, context + bytes(self.raw[:_AAD]), body, message):
            raise Refused(errors.DECRYPTION)
        return bytes(message)

    def open_anonymous(self, epoch, topic, find):
        """(kid, message) of a mode 3 envelope. find(kid, size) gives the public key of a sender that may send it, or raises.

        What fails after the group signature is Refused(INNER), whatever it was (section 6).
        """
        core = crypto.core
        context = epoch.context(topic)
        role = sender_role(self.direction)
        self._check_signature(epoch.info.public[role], b"m3g", context, errors.SIGNATURE)
        try:
            head = bytes(self.raw[:_HEAD_ANONYMOUS])
            secret = core.ecdh(self.suite, epoch.keys[receiver_role(self.direction)], self.ephemeral)
            key = epoch.anonymous_key(self.direction, secret, self.ephemeral)
            box = self.raw[_HEAD_ANONYMOUS : len(self.raw) - _SIG]
            inner = bytearray(len(box) - _TAG)
            if not core.gcm_open(key, bytes(12), context + head, box, inner):
                raise Refused(errors.INNER)
            end = _unpadded(inner)
            kid, message = bytes(inner[:8]), bytes(inner[_INNER:end])
            public = find(kid, len(message))
            if not core.verify(self.suite, public, b"m3i", context, head + message, inner[8:_INNER]):
                raise Refused(errors.INNER)
            return kid, message
        except (Refused, ValueError):  # ValueError: Z is not a point
            raise Refused(errors.INNER)


def _unpadded(inner):
    """Where the message in `inner` ends: before 0x80 and at most 31 zeros."""
    end = len(inner) - 1
    while end > len(inner) - 32 and inner[end] == 0:
        end -= 1
    if inner[end] != 0x80 or end < _INNER:
        raise Refused(errors.INNER)
    return end
