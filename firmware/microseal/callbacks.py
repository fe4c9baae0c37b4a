"""Handing over what a client has received: one callback at a time, and nothing lost by what it raises."""

from . import errors
from .transport import BACKLOG


class Callbacks:
    """message: the Message that the callback is being called for; refused: reason -> how many; on_refused: f(topic, reason) or None."""

    def __init__(self):
        self.message = None
        self.refused = {}
        self.on_refused = None
        self._callback = None
        self._heard = 0  # counts messages handed over
        self._events = []  # what waits for a callback: Messages and (topic, reason)
        self._handing = False  # a callback is running
        self._raised = []  # what callbacks have raised

    def set_callback(self, f):
        """f(topic, message), both bytes, for each message that passed every check; `self.message` tells the rest about it."""
        self._callback = f

    def lost_one(self):
        """Counts a message for which there was no room while a callback was running; a channel calls it, too."""
        self._count(errors.ROOM)

    def _count(self, reason):
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def _refuse(self, topic, reason):
        self._count(reason)
        if self.on_refused:
            self._queue((topic, reason))

    def _queue(self, event):
        """For a callback: at once, unless one is running."""
        if len(self._events) < BACKLOG:
            self._events.append(event)
            self._hand_over()
        else:
            self.lost_one()

    def _hand_over(self):
        """Calls back for what is waiting. What comes meanwhile is for the next call, so that every call comes to an end."""
        if self._handing or not self._events:
            return
        self._handing = True
        try:
            for _ in range(len(self._events)):
                self._call_back(self._events.pop(0))
        finally:
            self._handing = False
            self.message = None

    def _call_back(self, event):
        try:
            if isinstance(event, tuple):
                self.on_refused(*event)
                return
            self._heard += 1
            if self._callback:
                self.message = event
                self._callback(event.topic, event.payload)
        except Exception as error:
            self._raised.append(error)

    def _raise(self):
        """Raises what a callback has raised; within one, that is left to the call that ran it."""
        if self._raised and not self._handing:
            raise self._raised.pop(0)
