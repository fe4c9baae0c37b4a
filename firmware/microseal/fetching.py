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
        if kid in self.wanted or len(self.wanted) >= self._limit:
            return
        if len(self._asked) >= 4 * self._limit:
            self._forget(ticks)
        last = self._asked.get(kid)
        if last is not None and ticks - last < _AGAIN or last is None and len(self._asked) >= 4 * self._limit:
            return
        self._asked[kid] = ticks
        self.wanted.append(kid)

    def _forget(self, ticks):
        """Makes room for others: whoever was asked for longer than a minute ago need not be remembered."""
        for kid in [kid for kid, last in self._asked.items() if ticks - last >= _AGAIN and kid not in self.wanted]:
            del self._asked[kid]

    def hold(self, kid, topic, raw):
        """Keeps a message until the certificate of kid is there, if it is the first of this sender and there is room; True if so."""
        if kid not in self.wanted or kid in self._held or len(self._held) >= self._most_held:
            return False
        self._held[kid] = topic, bytes(raw)
        return True

    def done(self, kid):
        """Ends the asking for kid; its held (topic, envelope), or None."""
        self.wanted.remove(kid)
        return self._held.pop(kid, None)

    def give_up(self, ticks):
        """Ends what was not answered within a minute, and lets its message go."""
        for kid in [kid for kid in self.wanted if ticks - self._asked[kid] >= _AGAIN]:
            self.done(kid)
