"""The authority's signer, replaced by itself before its certificate runs out (section 4)."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from microseal.identity import Identity

from . import board, schema
from .vault import MOST_TIME, Vault, new_signer, store_signer

MARGIN = 365 * 86400  # s before not_after, or a quarter of its time if that is less: devices may be away for long


def renew(connection: Connection, vault: Vault, now: int) -> Identity | None:
    """The new signer, if it is time for one, stored and to be published; the caller lets the vault have it after the commit.

    The private key of the one before is gone from the database: devices that are away take the new one's word when they
    are back, since they find its certificate retained beside the infos that it signed.
    """
    signers = schema.signers
    held = connection.execute(select(signers).order_by(signers.c.not_after.desc()).limit(1)).one()
    if now < held.not_after - min(MARGIN, (held.not_after - held.made) // 4):
        return None
    lifetime = connection.execute(select(schema.authority.c.signer_lifetime)).scalar_one()
    until = min(now + lifetime, MOST_TIME)
    if until <= held.not_after:  # devices take only a later one: at the end of the time that u32 has there is none
        return None
    signer = new_signer(vault.anchor, vault.private, until)
    store_signer(connection, vault.keyring, signer, now)
    connection.execute(delete(signers).where(signers.c.kid != signer.kid.hex()))
    board.put(connection, {board.SIGNER: signer.cert.raw})
    return signer
