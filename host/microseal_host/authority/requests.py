"""What devices ask of the authority, answered: enrolment, renewal, share, key packets and time (sections 4 and 5).

Every function either returns what is to be sent, with everything stored in the caller's transaction, or raises Refused and has
changed nothing. Arguments are what arrived: any bytes.
"""

from __future__ import annotations

import hashlib
import os

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import IntegrityError

from microseal import errors
from microseal.errors import Refused
from microseal.identity import DEVICE, Certificate, Request
from microseal.wire import check_name, unhexkid

from .. import issuing
from ..failure import Failure
from . import board, claims, epochs, registry, schema
from .vault import Vault, issue

LONGEST_REQUEST = 100 + 72  # a request of a 32-byte id, and a renewal
LONGEST_ASK = 1 + 32 + 4 + 4 + 64


def enroll(connection: Connection, vault: Vault, level: bytes, raw: bytes, now: int) -> tuple[bytes | None, bool]:
    """The reply to the request `raw` on microseal/enroll/‹level›, None while it waits for approval; and whether that is new.

    A claim is good for one request, and so is a certificate that is to be renewed; that one is answered with the same
    stored reply however often it comes.
    """
    device = check_name(level).decode()
    if len(raw) > LONGEST_REQUEST:
        raise Refused(errors.LENGTH)
    row = connection.execute(select(schema.devices).where(schema.devices.c.id == device)).one_or_none()
    if row is None:
        raise Refused(errors.UNKNOWN)
    if row.revoked is not None:
        raise Refused(errors.REVOKED)
    digest = hashlib.sha256(raw).hexdigest()
    known = schema.certificates.c
    stored = connection.execute(
        select(known.reply, known.revoked).where(known.device == device, known.request == digest)
    ).one_or_none()
    if stored is not None:
        if stored.revoked is not None:
            raise Refused(errors.REVOKED)
        return stored.reply, False
    request = Request(raw)
    if request.suite != vault.suite:
        raise Refused(errors.SUITE)
    if request.id != level:
        raise Refused(errors.NAME)
    if len(request.proof) == issuing.RENEWAL:
        _check_renewal(connection, vault, request, device, now)
    else:
        waits = _waits(connection, vault, request, device, raw)
        if waits:
            return None, False
        if waits is None:
            claim = _find_claim(connection, vault, request, device, now)
            connection.execute(update(schema.claims).where(schema.claims.c.id == claim).values(used=now))
        connection.execute(delete(schema.waiting).where(schema.waiting.c.device == device))
        if waits is None and connection.execute(select(schema.authority.c.approval)).scalar_one():
            connection.execute(schema.waiting.insert().values(device=device, request=raw, claim=claim, since=now))
            return None, True
    lifetime = connection.execute(select(schema.authority.c.device_lifetime)).scalar_one()
    return _certify(connection, vault, request, digest, now, now + lifetime), True


def _waits(connection: Connection, vault: Vault, request: Request, device: str, raw: bytes) -> bool | None:
    """Whether this very request waits for approval; False if it has it, None if it is not known; Refused if it was rejected."""
    row = connection.execute(select(schema.waiting).where(schema.waiting.c.device == device)).one_or_none()
    if row is None or row.request != raw:
        return None
    if row.rejected is not None:
        raise Refused(errors.CLAIM)
    if row.approved is None:
        return True
    # Once more: whoever can write to the database, but has no passphrase, could have put a request of its own there.
    sealed = connection.execute(select(schema.claims.c.claim).where(schema.claims.c.id == row.claim)).scalar_one()
    issuing.check_claim(request, vault.keyring.open(sealed, "claims", row.claim, "claim"))
    return False


def grant(connection: Connection, vault: Vault, now: int) -> list[tuple[str, bytes]]:
    """(device, reply) for each request that an operator has approved since. The devices may be away: they ask again."""
    waiting = schema.waiting
    rows = connection.execute(select(waiting).where(waiting.c.approved.is_not(None))).all()
    granted = []
    for row in rows:
        try:
            with connection.begin_nested():
                reply, _ = enroll(connection, vault, row.device.encode(), row.request, now)
        except (Refused, Failure):  # the database was altered: what is not sound now will not be at the next look
            connection.execute(delete(waiting).where(waiting.c.device == row.device))
            continue
        if reply is not None:
            granted.append((row.device, reply))
    return granted


def _find_claim(connection: Connection, vault: Vault, request: Request, device: str, now: int) -> str:
    """The id of the unused claim that the request proves; Refused(CLAIM) if there is none."""
    for number, claim, used in claims.unlocked_claims(connection, vault.keyring, device, now):
        try:
            issuing.check_claim(request, claim)
        except Refused:
            continue
        if used:
            break
        return number
    raise Refused(errors.CLAIM)


def _check_renewal(connection: Connection, vault: Vault, request: Request, device: str, now: int) -> None:
    """Refused unless the request is signed by the device's current certificate, which is in force."""
    known = schema.certificates.c
    query = select(known.cert, known.revoked).where(known.device == device, known.replaced.is_(None))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise Refused(errors.CLAIM)
    if row.revoked is not None:
        raise Refused(errors.REVOKED)
    issuing.check_renewal(vault.anchor, request, Certificate(row.cert), now)


def _certify(connection: Connection, vault: Vault, request: Request, digest: str, now: int, not_after: int) -> bytes:
    device = request.id.decode()
    known = schema.certificates.c
    connection.execute(
        update(schema.certificates).where(known.device == device, known.replaced.is_(None)).values(replaced=now)
    )
    while True:
        raw, reply = issue(vault.anchor, vault.private, request, DEVICE, not_after)
        cert = Certificate(raw)
        kid = cert.kid.hex()
        try:
            with connection.begin_nested():
                connection.execute(
                    schema.certificates.insert().values(
                        kid=kid,
                        device=device,
                        cert=raw,
                        public=vault.anchor.public_key(cert),
                        issued=now,
                        not_after=cert.not_after,
                        request=digest,
                        reply=reply,
                    )
                )
        except IntegrityError:
            continue  # a kid that there is already: 64 bits meet once in 2^32 certificates
        board.put(connection, {board.cert_topic(kid): raw})
        registry.touch(connection)
        return reply


def share(connection: Connection, vault: Vault, level: bytes, raw: bytes, now: int) -> str | None:
    """Takes the box `raw` on microseal/share/‹level›. The id of the device, which may join its groups now; None if it could before."""
    kid = unhexkid(level).hex()
    if len(raw) != 48:
        raise Refused(errors.LENGTH)
    row = connection.execute(select(schema.certificates).where(schema.certificates.c.kid == kid)).one_or_none()
    if row is None:
        raise Refused(errors.UNKNOWN)
    if row.revoked is not None:
        raise Refused(errors.REVOKED)
    if now > row.not_after:
        raise Refused(errors.EXPIRED)
    digest = hashlib.sha256(raw).hexdigest()
    if row.share is not None:
        if row.box == digest:
            return None
        # One x fits a certificate and one box carries it, so this needs no opening.
        raise Refused(errors.DECRYPTION)
    x = issuing.open_share(vault.anchor, vault.private, Certificate(row.cert), raw)
    connection.execute(
        update(schema.certificates)
        .where(schema.certificates.c.kid == kid)
        .values(share=vault.keyring.seal(x, "certificates", kid, "share"), box=digest)
    )
    registry.touch(connection)
    return row.device


def ask(connection: Connection, vault: Vault, level: bytes, raw: bytes, now: int) -> list[str]:
    """Publishes the asker's key packets of the epoch in force. The topics of them; an ask counts once."""
    kid = unhexkid(level).hex()
    if len(raw) > LONGEST_ASK:
        raise Refused(errors.LENGTH)
    row = connection.execute(select(schema.certificates).where(schema.certificates.c.kid == kid)).one_or_none()
    if row is None:
        raise Refused(errors.UNKNOWN)
    if row.revoked is not None:
        raise Refused(errors.REVOKED)
    if now > row.not_after:
        raise Refused(errors.EXPIRED)
    gid, _, t = issuing.verify_ask(vault.anchor, Certificate(row.cert), raw, now, row.asked)
    topics = epochs.give_keys(connection, vault, gid.decode(), kid, row.cert)
    if not topics:
        raise Refused(errors.ROLE)
    connection.execute(update(schema.certificates).where(schema.certificates.c.kid == kid).values(asked=t))
    return topics


def clock(connection: Connection, vault: Vault, level: bytes, raw: bytes, now: int) -> bytes:
    """The signed time for the challenge `raw` on microseal/clock/‹level›; only holders of a certificate are answered."""
    kid = unhexkid(level).hex()
    if len(raw) != 16:
        raise Refused(errors.LENGTH)
    known = schema.certificates.c.kid
    if connection.execute(select(known).where(known == kid)).first() is None:
        raise Refused(errors.UNKNOWN)
    return issuing.sign_time(vault.signer, raw, now, os.urandom(32))
