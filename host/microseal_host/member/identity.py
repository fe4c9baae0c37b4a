"""The directory in which a member's keys and state lie: for its owner alone, and for one process at a time."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from microseal import errors
from microseal.clock import SystemClock
from microseal.errors import Refused, StorageError
from microseal.member import Member
from microseal.provisioning import install, load_broker
from microseal.store import Store

from ..failure import DENIED, NOT_READY, Failure
from ..mqtt import Address, from_claim

SENDERS = 4096  # a host has room for more than a device
GROUPS = 256


class IdentityDirectory:
    """Context manager; inside it no other process uses the directory. One counter of nonces must not be counted twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._umask = 0o022

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = self.path.stat().st_mode
        except OSError as error:
            raise Failure(f"cannot use {self.path}: {error.strerror}", code=NOT_READY) from None
        if stat.S_IMODE(mode) & 0o077:
            raise Failure(f"{self.path} is open to other users", f"chmod 700 {self.path}", DENIED)
        try:
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Failure(f"cannot use {self.path}: {error.strerror}", code=DENIED) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self._lock = None
            raise Failure(
                f"the identity in {self.path} is in use by another process",
                "stop that one, or enrol another identity: --identity DIR --claim FILE",
                NOT_READY,
            ) from None
        self._store = Store(str(self.path))
        # Nobody else can enter the directory; what is copied out of it stays private as well.
        self._umask = os.umask(0o077)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.umask(self._umask)
            os.close(self._lock)
            self._lock = None

    @property
    def is_provisioned(self) -> bool:
        return bool(self._store.load("identity") or self._store.load("enrol"))

    def provision(self, claim: Path) -> None:
        """Takes in a claim file and removes it: the claim in it is good for this identity alone now."""
        try:
            mode = claim.stat().st_mode
            text = claim.read_text(encoding="utf-8")
        except OSError as error:
            raise Failure(f"cannot read {claim}: {error.strerror}", code=NOT_READY) from None
        except UnicodeDecodeError:
            text = ""
        if stat.S_ISREG(mode) and stat.S_IMODE(mode) & 0o077:
            raise Failure(f"{claim} is open to other users", f"chmod 600 {claim}", DENIED)
        try:
            install(self._store, text)
        except Refused as refusal:
            what = "no claim file" if refusal.reason == errors.CLAIM else f"refused: {refusal.reason}"
            raise Failure(f"{claim} is {what}", "it is what `microseal device add` writes") from None
        if stat.S_ISREG(mode):
            claim.write_text(" " * len(text))
            claim.unlink()

    def address(self) -> Address:
        """Where the claim file said that the broker is."""
        return from_claim(load_broker(self._store))

    def member(self) -> Member:
        """The Member; it counts a start."""
        try:
            return Member(self._store, SystemClock(), senders=SENDERS, groups=GROUPS)
        except StorageError as error:
            raise Failure(f"{self.path}: {error}", "enrol with --claim FILE", NOT_READY) from None
