"""Which service may issue: one row in the database, held for a few seconds at a time, checked in every transaction.

Two services on one database would otherwise both answer, and both make the next epoch.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ..failure import NOT_READY, Failure
from . import schema
from .database import Database
from .keyring import altered

TIME = 8.0  # s that a lease lasts
RENEW = 2.0  # s between renewals

_state = schema.state.c


class LeaseLost(Exception):
    """Another service has taken over, because this one did not renew in time."""


class Lease:
    """The lease as this process holds it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        pid = os.getpid()
        self._holder = json.dumps(_place() | {"pid": pid, "started": _start_of(pid), "id": os.urandom(8).hex()})

    def take(self) -> None:
        """Failure if another service has it."""
        with self._database.write() as connection:
            row = self._row(connection)
            if _is_held(row.lease_holder, row.lease_until, self._database.now(connection)):
                holder = _parse(row.lease_holder)
                raise Failure(
                    f"an authority service is running on this database: process {holder['pid']} on {holder['host']}",
                    "only one may; stop that one first",
                    NOT_READY,
                )
            self._extend(connection)

    def hold(self, connection: Connection) -> None:
        """To be called in every transaction of the service that writes; LeaseLost if it may not go on.

        From here to the end of the transaction nobody can take the lease.
        """
        if self._row(connection).lease_holder != self._holder:
            raise LeaseLost

    def look(self, connection: Connection) -> None:
        """LeaseLost if another service has it. Enough for what writes nothing, and spares the database a write of its own."""
        if connection.execute(select(_state.lease_holder)).scalar_one() != self._holder:
            raise LeaseLost

    def renew(self) -> None:
        with self._database.write() as connection:
            self.hold(connection)
            self._extend(connection)

    def release(self) -> None:
        """Lets the next service start at once."""
        with self._database.write() as connection:
            if self._row(connection).lease_holder == self._holder:
                connection.execute(update(schema.state).values(lease_holder=None, lease_until=0.0))

    def _row(self, connection: Connection) -> Row[tuple[str | None, float]]:
        return connection.execute(select(_state.lease_holder, _state.lease_until).with_for_update()).one()

    def _extend(self, connection: Connection) -> None:
        until = self._database.now(connection) + TIME
        connection.execute(update(schema.state).values(lease_holder=self._holder, lease_until=until))


def is_running(database: Database) -> bool:
    """Whether a service holds the lease now."""
    with database.read() as connection:
        row = connection.execute(select(_state.lease_holder, _state.lease_until)).one()
        return _is_held(row.lease_holder, row.lease_until, database.now(connection))


def _is_held(holder: str | None, until: float, now: float) -> bool:
    if holder is None or until <= now:
        return False
    # A service on this machine that was killed left its lease behind: that one need not be waited for.
    known = _parse(holder)
    here = _place()
    return any(known[name] != here[name] for name in here) or _start_of(known["pid"]) == known["started"]


def _parse(holder: str) -> dict[str, Any]:
    try:
        known = json.loads(holder)
        if not {"host", "namespace", "pid", "started"} <= set(known):
            raise ValueError
    except (ValueError, TypeError):
        raise altered("state/1/lease_holder") from None
    return known


def _place() -> dict[str, str]:
    """Where process numbers mean what they mean here: containers that share a host name have their own."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return {"host": socket.gethostname(), "namespace": namespace}


def _start_of(pid: int) -> str | None:
    """When a process of this machine started, as the kernel counts it; None if there is none. A pid alone is used again."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # After the name in parentheses, which may contain anything, state is the first field; the start time the 20th.
    return f"{boot}:{stat.rpartition(')')[2].split()[19]}"
