"""One-time claims, and the one file in which a claim reaches its device (section 4; read by microseal.provisioning)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, select

from ..failure import USAGE, Failure
from . import registry, schema, vault
from .keyring import Keyring

CLAIM = 32  # bytes
SEED = 32


def make_claim(
    connection: Connection,
    keyring: Keyring,
    device: str,
    broker: Mapping[str, object] | None = None,
    not_after: int | None = None,
) -> str:
    """A new claim for a device that the registry has; earlier ones, if unused, are withdrawn. The text of its claim file.

    not_after: until when the device must have sent its request, s since 1970; None: any time.
    """
    now = int(time.time())
    registry.withdraw_claims(connection, device, now)
    claim, number = os.urandom(CLAIM), os.urandom(16).hex()
    connection.execute(
        schema.claims.insert().values(
            id=number,
            device=device,
            claim=keyring.seal(claim, "claims", number, "claim"),
            made=now,
            not_after=not_after,
        )
    )
    authority = connection.execute(select(schema.authority)).one()
    document = {
        "suite": authority.suite,
        "id": device,
        "authority": authority.public.hex(),
        "signer": vault.signer_certificate(connection).hex(),
        "claim": claim.hex(),
        "seed": os.urandom(SEED).hex(),
        "broker": dict(broker or json.loads(authority.broker)),
    }
    return json.dumps(document, indent=1) + "\n"


def file_name(device: str) -> str:
    return f"{device}.claim.json"


OPEN = "open"
USED = "used"
EXPIRED = "expired"
WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Claim:
    """A claim as `claim list` shows it. Times in seconds since 1970; not_after: None for one that does not expire."""

    device: str
    state: str
    made: int
    not_after: int | None
    used: int | None


def list_claims(connection: Connection, now: int, device: str | None = None) -> list[Claim]:
    """All claims there ever were, or those of one device, without their secrets."""
    columns = schema.claims.c
    query = select(columns.device, columns.made, columns.not_after, columns.used, columns.withdrawn)
    if device is not None:
        query = query.where(columns.device == device)
    found = []
    for row in connection.execute(query.order_by(columns.device, columns.made, columns.id)):
        if row.used is not None:
            state = USED
        elif row.withdrawn is not None:
            state = WITHDRAWN
        else:
            state = EXPIRED if row.not_after is not None and now > row.not_after else OPEN
        found.append(Claim(row.device, state, row.made, row.not_after, row.used))
    return found


def revoke(connection: Connection, device: str, now: int) -> None:
    """Takes back the device's open claim; Failure if it has none."""
    if not any(claim.state == OPEN for claim in list_claims(connection, now, device)):
        raise Failure(f"{device} has no open claim", "microseal claim list")
    registry.withdraw_claims(connection, device, now)


class ClaimFiles:
    """Files for their owner alone, that are gone again if what they were written for does not come about."""

    def __init__(self) -> None:
        self._written: list[Path] = []

    def create(self, path: Path, replace: bool) -> TextIO:
        """A new file, open to be written; Failure if there is one and `replace` is not set."""
        if replace:
            path.unlink(missing_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            raise Failure(f"there is a file {path} already", "move it away, or --force to replace it") from None
        except OSError as error:
            raise Failure(f"cannot write {path}: {error.strerror}", code=USAGE) from None
        self._written.append(path)
        return open(descriptor, "w", encoding="ascii", newline="")

    def write(self, path: Path, text: str, replace: bool) -> None:
        """A new file with this text, on disk when this returns."""
        with self.create(path, replace) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def take_back(self) -> None:
        for path in self._written:
            path.unlink(missing_ok=True)


def unlocked_claims(
    connection: Connection, keyring: Keyring, device: str, now: int
) -> Iterable[tuple[str, bytes, bool]]:
    """(id, claim, whether it was used) of the device's newest claims that were not withdrawn and have not expired."""
    claims = schema.claims.c
    query = (
        select(schema.claims)
        .where(claims.device == device, claims.withdrawn.is_(None))
        .order_by(claims.made.desc(), claims.id)
        .limit(8)
    )
    for row in connection.execute(query).all():
        if row.not_after is None or now <= row.not_after:
            yield row.id, keyring.open(row.claim, "claims", row.id, "claim"), row.used is not None
