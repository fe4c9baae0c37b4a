"""Fetching the certificates of senders: which are wanted, and the one message of each that waits for it (section 6)."""

_AGAIN = 60000  # ms: a certificate that does not come is asked for at most once a minute


class Fetching:
    """At most `limit` certificates are asked for at a time; of each sender one message is held, of `held` senders at most."""

    def __init__(self, limit, held):
        self._limit = limit
        self._most_held = held
        self._asked = {}  # kid -> ticks when it was last asked for
        self._held = {}  # kid -> (topic, envelope)
        self.wanted = []  # kids, for whose certificates the client is subscribed

    def want(self, kid, ticks):
        """Asks for the certificate of kid, unless it is being asked for or was within the last minute."""
        if kid in self.wanted:
            return
        last = self._asked.get(kid)
        if last is not None and ticks - last < _AGAIN or len(self.wanted) >= self._limit:
            return
        if last is None and len(self._asked) >= 4 * self._limit:
            self._asked.popitem()
        self._asked[kid] = ticks
        self.wanted.append(kid)

    def hold(self, kid, topic, raw):
        """Keeps a message until the certificate of kid is there, if it is the first of this sender and there is room."""
        if kid in self.wanted and kid not in self._held and len(self._held) < self._most_held:
            self._held[kid] = topic, bytes(raw)

    def done(self, kid):
        """Ends the asking for kid; its held (topic, envelope), or None."""
        self.wanted.remove(kid)
        return self._held.pop(kid, None)

    def give_up(self, ticks):
        """Ends what was not answered within a minute, and lets its message go."""
        for kid in [kid for kid in self.wanted if ticks - self._asked.get(kid, 0) >= _AGAIN]:
            self.done(kid)
