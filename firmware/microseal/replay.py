"""Replay windows: rules 2 to 4 of section 6. Checks change nothing; what was accepted is recorded apart, after all other checks."""

from . import crypto, errors
from .errors import Refused

WINDOW = 64  # messages
STATES = 16  # state topics on which one sender is heard
_MASK = (1 << WINDOW) - 1
_TOPIC = 64  # bytes of a topic that is kept as it is; of a longer one, of up to 65,496, its hash is


class Window:
    """What is remembered of one sender (kid), over all groups and directions."""

    def __init__(self, t, boot, counter):
        self.t = t  # the newest t accepted
        self.boot = boot  # the boot value in use
        self.top = counter  # its highest counter
        self.seen = 1  # bit i: counter top - i was accepted
        self.floor = -1  # the newest t of the boot values before: what is not above it belongs to one of them

    def check(self, t, boot, counter):
        if boot != self.boot:
            if t <= self.t:
                raise Refused(errors.REPLAY)
        elif t <= self.floor:  # a value that came back after another one replaced it
            raise Refused(errors.REPLAY)
        elif counter <= self.top:
            behind = self.top - counter
            if behind >= WINDOW or self.seen >> behind & 1:
                raise Refused(errors.REPLAY)

    def accept(self, t, boot, counter):
        if boot != self.boot:
            self.boot, self.top, self.seen, self.floor = boot, counter, 1, self.t
        elif counter > self.top:
            self.seen = (self.seen << min(counter - self.top, WINDOW) | 1) & _MASK
            self.top = counter
        else:
            self.seen |= 1 << self.top - counter
        if t > self.t:
            self.t = t


class Replay:
    """The windows of all senders, the mode 3 messages seen, and the newest t delivered on state topics.

    Each table has at most `limit` entries; nothing is forgotten to make room, the newcomer is refused instead.
    """

    def __init__(self, limit):
        self._limit = limit
        self._windows = {}  # kid -> Window
        self._anonymous = {}  # Z ‖ kid -> t after which it may be forgotten
        self._states = {}  # kid -> {topic, or its hash: newest t delivered}

    def check(self, kid, t, nonce):
        """Rule 2 for a mode 1 or 2 message. nonce: boot value ‖ u32 counter."""
        window = self._windows.get(kid)
        if window is not None:
            window.check(t, nonce[:8], int.from_bytes(nonce[8:], "big"))
        elif len(self._windows) >= self._limit:
            raise Refused(errors.ROOM)

    def accept(self, kid, t, nonce):
        boot, counter = nonce[:8], int.from_bytes(nonce[8:], "big")
        window = self._windows.get(kid)
        if window is None:
            self._windows[kid] = Window(t, boot, counter)
        else:
            window.accept(t, boot, counter)

    def check_anonymous(self, ephemeral, kid, now):
        """Rule 4 for a mode 3 message."""
        if ephemeral + kid in self._anonymous:
            raise Refused(errors.REPLAY)
        if len(self._anonymous) >= self._limit:
            for key in [key for key, until in self._anonymous.items() if until < now]:
                del self._anonymous[key]
            if len(self._anonymous) >= self._limit:
                raise Refused(errors.ROOM)

    def accept_anonymous(self, ephemeral, kid, until):
        self._anonymous[ephemeral + kid] = until

    def check_state(self, kid, topic, t, stale):
        """Rule 3: a state may be delivered again, marked stale, but not if it is older than what was delivered."""
        states = self._states.get(kid, {})
        newest = states.get(_kept(topic))
        if newest is None:
            if len(states) >= STATES or not states and len(self._states) >= self._limit:
                raise Refused(errors.ROOM)
        elif stale and t < newest:
            raise Refused(errors.STALE)

    def accept_state(self, kid, topic, t):
        states = self._states.setdefault(kid, {})
        topic = _kept(topic)
        states[topic] = max(t, states.get(topic, 0))

    def retain(self, on_roster):
        """Forgets senders for which on_roster(kid) is False: no epoch in which they could be heard is held any more."""
        for table in (self._windows, self._states):
            for kid in [kid for kid in table if not on_roster(kid)]:
                del table[kid]


def _kept(topic):
    """What is kept of a topic: members choose their own, and one of them is not to fill the memory of all others."""
    return topic if len(topic) <= _TOPIC else crypto.core.hash(crypto.core.SUITES[0], topic)
