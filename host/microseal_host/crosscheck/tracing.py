"""Watches an envelope being opened: which primitive or check said no after the group signature.

Outside, what fails there is one and the same error (section 6), so that nobody learns from it; that each defence does its own work is
seen here, in the run that is being checked. In the subset of Python that MicroPython runs.
"""

from microseal import errors
from microseal.envelope import _unpadded
from microseal.errors import Refused


class Trace:
    """Stands in for `core`: passes every call on, and keeps the last one's name and outcome, and what was decrypted.

    group, senders: the member's Membership and Senders; why they refuse a sender is kept too.
    """

    def __init__(self, core, group, senders):
        self.core = core
        self._last = None
        self._failed = False
        self._plain = None
        self._reason = None
        group.check_sender = self._watched(group.check_sender)
        senders.get = self._watched(senders.get)

    def __getattr__(self, name):
        function = getattr(self.core, name)
        if not callable(function):
            return function

        def call(*args):
            self._last, self._failed = name, True
            result = function(*args)
            self._failed = result is False
            if name == "gcm_open" and result:
                self._plain = bytes(args[4])
            return result

        return call

    def _watched(self, function):
        def call(*args):
            try:
                return function(*args)
            except Refused as refused:
                self._reason = refused.reason
                raise

        return call

    def inner_cause(self):
        """Why a mode 3 message was refused after its group signature: a reason of `errors`, or "padding"."""
        if self._failed:
            return {"ecdh": errors.POINT, "gcm_open": errors.DECRYPTION, "verify": errors.SIGNATURE}[self._last]
        if self._reason:
            return self._reason
        try:
            _unpadded(self._plain)
        except Refused:
            return "padding"
        return errors.REPLAY if self._last == "verify" else errors.SIZE
