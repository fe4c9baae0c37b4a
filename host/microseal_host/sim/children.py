"""Processes that end with the one that started them, whatever way that ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self


class ChildFailed(Exception):
    """A process ended by itself; the text has its name, its exit code and the end of its log."""


class Child:
    """One running process, with the file that its output goes to."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def log_tail(self, lines: int = 12) -> str:
        text = self.log.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def check(self) -> None:
        """Raises ChildFailed if the process is gone."""
        code = self.process.poll()
        if code is not None:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise ChildFailed(f"{self.name} {how}; {self.log} ends with:\n{self.log_tail()}")


class Children:
    """Context manager; on leaving it every process started through it has ended, with what that one started in turn."""

    GRACE = 2.0  # seconds between asking and killing

    def __init__(self) -> None:
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        log: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Child:
        """Starts argv in a session of its own: a Ctrl-C on the terminal reaches this process alone, which then stops
        the others in order. Must be called from the main thread: the kernel's parent-death signal is tied to the thread
        that forked.
        """
        command = [os.fspath(part) for part in argv]
        setpriv = shutil.which("setpriv")
        if setpriv:
            # For the case that no handler can catch: this process itself is killed.
            command = [setpriv, "--pdeathsig", "KILL", "--", *command]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=None if env is None else dict(env),
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raises ChildFailed for the first process that is gone."""
        for child in self._children:
            child.check()

    def stop(self) -> None:
        """Ends all of them, last started first. Called again it does nothing."""
        children, self._children = self._children[::-1], []
        with _undisturbed():
            for child in children:
                _signal_group(child, signal.SIGTERM)
            deadline = time.monotonic() + self.GRACE
            for child in children:
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0.0, deadline - time.monotonic()))
                # Also after a good end: what the process itself started may still be there.
                _signal_group(child, signal.SIGKILL)
                child.process.wait()


def _signal_group(child: Child, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """An impatient second Ctrl-C must not leave half of the processes behind; what it would break off is short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


class Stopped(BaseException):
    """SIGTERM or SIGHUP arrived. Not an Exception, so that nothing takes it for an error of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def stop_on_signals() -> None:
    """Turns SIGTERM and SIGHUP into Stopped in the main thread, so that `with` blocks are left properly."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
