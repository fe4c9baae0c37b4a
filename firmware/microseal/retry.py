"""When to do something again: at once, then after growing pauses, so that an absent authority costs little."""


class Retry:
    """first, most: the shortest and the longest pause in ms. due(ticks) is True when it is time, and counts that as done."""

    def __init__(self, first, most):
        self._first = first
        self._most = most
        self.reset()

    def reset(self):
        """Starts over: due at once."""
        self._pause = self._first
        self._next = None

    def due(self, ticks):
        if self._next is not None and ticks < self._next:
            return False
        self._next = ticks + self._pause
        self._pause = min(2 * self._pause, self._most)
        return True

    def rest(self, pause, ticks):
        """Not due for `pause` ms from now, and then as from the start."""
        self._pause = self._first
        self._next = ticks + pause
