"""Broker sessions: hello, welcome and MACed frames (section 7), by the Noise pattern KK (rev 34, section 5). No input or output.

A device makes an Initiator for each connection, puts `hello` into its CONNECT and gives the welcome to `finish`. A gate answers a
hello by `Gate.answer`. Both get a Session, which frames and unframes messages until the connection ends.
"""

from . import crypto, errors
from .errors import NotReady, Refused
from .identity import DEVICE, GATE
from .wire import Reader, check_client_id, long, short, u8, u16, u32

USER = b"microseal"  # user name (MQTT 3.1.1) and authentication method (MQTT 5)
SLACK = 120  # s by which the time in a hello may be off
NO_CLOCK = 86400  # s for which the E of a hello without a time is remembered

_HELLO = 4
_WELCOME = 5
_NAMES = {1: b"Noise_KK_P256_SM4GCM_SHA256", 2: b"Noise_KK_SM2_SM4GCM_SM3"}
_HELLOS = 64  # hellos of one device that a gate remembers at a time
_LAST = 0xFFFFFFFF
_MAC = 8


class Connect:
    """What a CONNECT says of itself; all of it is authenticated by both sides.

    client_id: bytes; flags, keep_alive: the packet's own; will_topic, will: bytes, both empty without a will.
    """

    def __init__(self, client_id, flags, keep_alive, will_topic=b"", will=b""):
        self.client_id = client_id
        self.flags = flags
        self.keep_alive = keep_alive
        self.will_topic = will_topic
        self.will = will

    def prologue(self, suite, device, gate):
        """device, gate: the Certificates of the two sides."""
        return b"".join(
            (
                crypto.tag(b"session", suite) + short(gate.id) + short(self.client_id),
                u8(self.flags) + u16(self.keep_alive) + long(self.will_topic) + long(self.will),
                device.hash + gate.hash,
            )
        )


class _Noise:
    """Noise's SymmetricState. Its HKDF with two outputs is RFC 5869 with ck as the salt, no info and 64 bytes."""

    def __init__(self, suite, prologue, initiator, responder):
        name = _NAMES[suite]
        self.suite = suite
        self.hash = self._chain = name + bytes(32 - len(name))
        for data in (prologue, initiator, responder):
            self.mix_hash(data)

    def mix_hash(self, data):
        self.hash = crypto.core.hash(self.suite, self.hash, data)

    def mix_key(self, secret):
        out = crypto.core.hkdf(self.suite, secret, self._chain, b"", 64)
        self._chain, self._key = out[:32], out[32:48]

    # Each key that mix_key makes is used once, so Noise's nonce is always 0.

    def seal(self, data):
        box = bytearray(len(data) + 16)
        crypto.core.gcm_seal(self._key, bytes(12), self.hash, data, box)
        self.mix_hash(box)
        return bytes(box)

    def open(self, box):
        data = bytearray(len(box) - 16)
        if not crypto.core.gcm_open(self._key, bytes(12), self.hash, box, data):
            raise Refused(errors.DECRYPTION)
        self.mix_hash(box)
        return bytes(data)

    def split(self):
        """(k_up, k_down), 16 bytes each."""
        out = crypto.core.hkdf(self.suite, b"", self._chain, b"", 64)
        self._chain = self._key = None
        return out[:16], out[32:48]


def _head(read, suite, kind):
    first = read.uint(1)
    if first >> 4 != suite:
        raise Refused(errors.SUITE)
    if first & 15 != kind:
        raise Refused(errors.MODE)


class Hello:
    """A parsed hello (62 bytes) for a gate of `suite`: kid, by which to find the device's certificate, and E."""

    def __init__(self, suite, raw):
        if len(raw) != 62:
            raise Refused(errors.LENGTH)
        read = Reader(raw)
        _head(read, suite, _HELLO)
        self.kid = read.take(8)
        self.ephemeral = crypto.check_point(suite, read.point())
        self.box = read.take(20)


class Initiator:
    """The device's side of one handshake.

    me: its Identity; gate: the gate's Certificate, from provisioning; connect: what the CONNECT will say; e: a fresh random scalar,
    for this handshake only, secret, and `ephemeral` = e·G if that was made ahead of time. `kept` is X(d·Q_B), the same for every
    session of these two certificates: give it again to save a multiplication. now: s since 1970, None without a clock; revoked:
    has the kids that the authority took back.
    """

    def __init__(self, me, gate, connect, e, ephemeral=None, kept=None, now=None, revoked=()):
        core, suite = crypto.core, me.suite
        me.anchor.check(gate, GATE, now)
        if gate.kid in revoked:
            raise Refused(errors.REVOKED)
        check_client_id(connect.client_id, me.id)
        self._me = me
        self._gate = gate
        self._e = e
        self._client_id = connect.client_id
        public = me.anchor.public_key(gate)
        self.kept = kept or core.ecdh(suite, me.private, public)
        self._ephemeral = ephemeral or core.base_mul(suite, e)
        self._noise = noise = _Noise(suite, connect.prologue(suite, me.cert, gate), me.public, public)
        noise.mix_hash(self._ephemeral)
        noise.mix_key(core.ecdh(suite, e, public))
        noise.mix_key(self.kept)

    def hello(self, t):
        """The 62 bytes for the CONNECT, once. t: s since 1970, 0 without a clock."""
        if self._ephemeral is None:
            raise NotReady("a handshake has one hello: make another one")
        me, ephemeral = self._me, self._ephemeral
        self._ephemeral = None
        return u8(me.suite << 4 | _HELLO) + me.kid + ephemeral + self._noise.seal(u32(t))

    def finish(self, raw):
        """(Session, t of the gate) from the welcome (54 bytes), once: after a refusal the connection is to be given up."""
        core, suite = crypto.core, self._me.suite
        noise, e = self._noise, self._e
        if noise is None or self._ephemeral is not None:
            raise Refused(errors.UNKNOWN)
        self._noise = self._e = None
        if len(raw) != 54:
            raise Refused(errors.LENGTH)
        read = Reader(raw)
        _head(read, suite, _WELCOME)
        ephemeral = crypto.check_point(suite, read.point())
        noise.mix_hash(ephemeral)
        noise.mix_key(core.ecdh(suite, e, ephemeral))
        noise.mix_key(core.ecdh(suite, self._me.private, ephemeral))
        t = int.from_bytes(noise.open(read.take(20)), "big")
        if t > self._gate.not_after:
            raise Refused(errors.EXPIRED)
        up, down = noise.split()
        return Session(suite, self._client_id, up, down, noise.hash), t


class Gate:
    """The broker's side: answers hellos and remembers their E, so that none is taken twice.

    me: the gate's Identity (flags 2). started: when this gate started, s since 1970; since: from when on no E was lost, later than
    `started` never, earlier where `seen` was kept over a restart.
    """

    def __init__(self, me, started, since=None, seen=None):
        me.anchor.check(me.cert, GATE, None)
        self._me = me
        self._started = started
        self._since = started if since is None else since
        self.seen = {} if seen is None else seen  # kid -> {E: until when it is remembered}

    def answer(self, hello, cert, connect, now, e, revoked=()):
        """(welcome, Session, t) for a Hello that came with `connect` from the holder of `cert`, found by hello.kid.

        t: s since 1970 by the device, 0 if it has no clock. e: a fresh random scalar, for this welcome only, secret. revoked: has
        the kids that the authority took back. Whatever is refused changes nothing.
        """
        me, core = self._me, crypto.core
        suite, anchor = me.suite, me.anchor
        if cert.kid != hello.kid:
            raise Refused(errors.HASH)
        anchor.check(cert, DEVICE, now)
        anchor.check(me.cert, GATE, now)
        if cert.kid in revoked or me.kid in revoked:
            raise Refused(errors.REVOKED)
        check_client_id(connect.client_id, cert.id)
        known = self._remembered(cert.kid, now)
        if hello.ephemeral in known:
            raise Refused(errors.REPLAY)
        public = anchor.public_key(cert)
        noise = _Noise(suite, connect.prologue(suite, cert, me.cert), public, me.public)
        noise.mix_hash(hello.ephemeral)
        noise.mix_key(core.ecdh(suite, me.private, hello.ephemeral))
        noise.mix_key(core.ecdh(suite, me.private, public))
        t = int.from_bytes(noise.open(hello.box), "big")
        until = self._check_time(t, now)
        if len(known) >= _HELLOS:  # of this device alone: no other is shut out by it
            raise Refused(errors.ROOM)
        ephemeral = core.base_mul(suite, e)
        noise.mix_hash(ephemeral)
        noise.mix_key(core.ecdh(suite, e, hello.ephemeral))
        noise.mix_key(core.ecdh(suite, e, public))
        welcome = u8(suite << 4 | _WELCOME) + ephemeral + noise.seal(u32(now))
        up, down = noise.split()
        known[hello.ephemeral] = until
        self.seen[cert.kid] = known
        return welcome, Session(suite, connect.client_id, down, up, noise.hash), t

    def _remembered(self, kid, now):
        """The E of kid that are still to be remembered, with their times."""
        known = self.seen.get(kid, {})
        return {ephemeral: until for ephemeral, until in known.items() if until >= now}

    def _check_time(self, t, now):
        """Until when the E is to be remembered; Refused(TIME) for a hello that is off, or older than this gate's memory."""
        if t == 0:
            if now < self._since + NO_CLOCK:
                raise Refused(errors.TIME)
            return now + NO_CLOCK
        if not -SLACK <= t - now <= SLACK or t <= self._started:
            raise Refused(errors.TIME)
        return t + SLACK

    def forget(self, now):
        """Gives up the memory of hellos that need not be remembered any more; to be called now and then."""
        for kid in list(self.seen):
            known = self._remembered(kid, now)
            if known:
                self.seen[kid] = known
            else:
                del self.seen[kid]


class Session:
    """The frames of one connection, both ways. client_id: bytes; send, receive: the keys (16 bytes, secret) of the two ways.

    hash: Noise's handshake hash, the same on both sides. dropped: how many frames were refused.
    """

    def __init__(self, suite, client_id, send, receive, handshake_hash):
        self.suite = suite
        self.hash = handshake_hash
        self.dropped = 0
        self._up = b"microseal/up/" + client_id
        self._send, self._receive = send, receive
        self._next = 0
        self._last = -1

    def frame(self, topic, message):
        """The frame of `message` (bytes-like) on `topic` (bytes), 13 bytes longer. NotReady when it is time to reconnect."""
        if self._next == _LAST:
            raise NotReady("the session is used up: reconnect")
        counter = self._next
        self._next += 1
        head = u8(self.suite << 4) + u32(counter)
        return head + bytes(message) + self._mac(self._send, head, topic, message)

    def open(self, topic, raw):
        """The message in a frame that came on `topic`. Refused changes nothing but `dropped`."""
        try:
            read = Reader(raw)
            _head(read, self.suite, 0)
            counter = read.uint(4)
            message = read.take(max(0, len(raw) - 5 - _MAC))
            mac = read.take(_MAC)
            read.end()
            if counter <= self._last:
                raise Refused(errors.COUNTER)
            head = u8(self.suite << 4) + u32(counter)
            if not crypto.core.equal(mac, self._mac(self._receive, head, topic, message)):
                raise Refused(errors.MAC)
        except Refused:
            self.dropped += 1
            raise
        self._last = counter
        return message

    def confirm(self):
        """(topic, frame) that the device sends after the welcome, before anything else."""
        if self._next:
            raise NotReady("only the first frame confirms a session")
        return self._up, self.frame(self._up, b"")

    def check_confirmed(self, topic, raw):
        """Refused unless this is the device's frame 0: until it has come, a gate grants nothing and delivers but the welcome."""
        if topic != self._up or self._last != -1 or len(raw) != 5 + _MAC or bytes(raw[1:5]) != bytes(4):
            self.dropped += 1
            raise Refused(errors.UNKNOWN)
        self.open(topic, raw)

    def _mac(self, key, head, topic, message):
        return crypto.core.cmac(key, head, u16(len(topic)), topic, message)[:_MAC]


def welcome_topic(client_id):
    """Where MQTT 3.1.1 carries the welcome: the first message, unasked. client_id: bytes."""
    return b"microseal/session/" + client_id
