"""What goes wrong in a way that the user can do something about: the text says what, the hint says what to do."""

from __future__ import annotations

OK = 0
NEGATIVE = 1  # the question was answered, with no
USAGE = 2  # the command was called wrongly
NOT_READY = 3  # something that it needs is not there, not reachable or not ready yet
DENIED = 4  # a wrong passphrase, or permissions that are too wide or too narrow
INTERRUPTED = 130  # Ctrl-C


class Failure(Exception):
    """An expected error. code: the exit code of the command that it ends; hint: what to do, shown on a line of its own."""

    def __init__(self, message: str, hint: str = "", code: int = NEGATIVE) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code
