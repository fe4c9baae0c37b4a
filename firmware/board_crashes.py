"""How often in a row this program has crashed, and of what: after too many it does not start by itself again.

Flash is written once a crash, and once when all has been well again for long enough; never at a start or an end as they should be.
What counts is an exception that nobody caught, or a watchdog; a loss of power is none.
"""

import io
import sys

from microseal.errors import StorageError

MOST = 5  # crashes in a row after which it stays away
WELL = 600000  # ms of running after which the count begins anew
TEXT = 1500  # bytes that are kept of a traceback: the last ones
_RECORD = "crash"  # u8(count) ‖ text


class Crashes:
    """store: microseal.store.Store of the state."""

    def __init__(self, store):
        self._store = store
        try:
            content = store.load(_RECORD) or b""
        except StorageError:
            content = b""
        self.count = content[0] if content else 0
        self.text = content[1:].decode() if _is_text(content[1:]) else ""

    @property
    def too_many(self):
        return self.count >= MOST

    def note(self, text):
        """Counts a crash. That it cannot be written (no room, no state yet) is no reason for another one."""
        self.count = min(self.count + 1, 255)
        raw = text[-TEXT:].encode()[-TEXT:]
        while raw and raw[0] & 0xC0 == 0x80:  # the rest of a character that was cut
            raw = raw[1:]
        self.text = raw.decode()
        try:
            self._store.save(_RECORD, bytes((self.count,)) + raw)
        except StorageError:
            pass

    def well(self):
        """All has been well for long enough, or one wake-up's work is done."""
        if self.count:
            self.count = 0
            try:
                self._store.erase(_RECORD)
            except StorageError:
                pass


def describe(error):
    """The traceback of an exception, as text."""
    if hasattr(sys, "print_exception"):
        out = io.StringIO()
        sys.print_exception(error, out)
        return out.getvalue()
    return repr(error)


def _is_text(raw):
    try:
        raw.decode()
    except UnicodeError:
        return False
    return True
