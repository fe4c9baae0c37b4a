"""Making an authority: its keys, its signer, and the database that they are sealed in."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from microseal import crypto
from microseal.identity import Anchor

from ..failure import USAGE, Failure
from . import board, database, keyring, schema, vault

DAY = 86400


@dataclass(frozen=True)
class Settings:
    """What an authority is made with. Lifetimes in seconds; broker: as it goes into claim files, {"host": …, "port": …}.

    approval: whether a request with a claim waits until an operator has approved it.
    """

    suite: int
    broker: Mapping[str, object]
    device_lifetime: int = 730 * DAY
    signer_lifetime: int = 3650 * DAY
    approval: bool = False
    cost: int = keyring.COST


def found(where: str, settings: Settings, passphrase: str) -> tuple[database.Database, Anchor]:
    """A new authority in the database `where`, a path or URL."""
    suite = settings.suite
    if suite not in crypto.core.SUITES:
        raise Failure(f"there is no suite {suite}", f"--suite is one of {list(crypto.core.SUITES)}", USAGE)
    now = int(time.time())
    private = vault.random_scalar(suite)
    anchor = Anchor(suite, crypto.core.base_mul(suite, private))
    signer = vault.new_signer(anchor, private, now + settings.signer_lifetime)
    ring, wrapped = keyring.create(passphrase, settings.cost)

    def fill(connection: Connection) -> None:
        connection.execute(schema.keyring.insert().values(id=1, salt=wrapped.salt, cost=wrapped.cost, box=wrapped.box))
        connection.execute(
            schema.authority.insert().values(
                id=1,
                suite=suite,
                public=anchor.public,
                private=ring.seal(private, "authority", "1", "private"),
                created=now,
                broker=json.dumps(dict(settings.broker)),
                device_lifetime=settings.device_lifetime,
                signer_lifetime=settings.signer_lifetime,
                approval=settings.approval,
            )
        )
        vault.store_signer(connection, ring, signer, now)
        connection.execute(schema.state.insert().values(id=1, revision=0, lease_until=0.0))
        board.put(connection, {board.SIGNER: signer.cert.raw})

    return database.create(where, fill), anchor
