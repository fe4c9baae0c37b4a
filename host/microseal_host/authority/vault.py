"""The authority with its keys at hand: what issues, signs and opens secrets."""

from __future__ import annotations

import os

from sqlalchemy import Connection, Select, select

from microseal import crypto
from microseal.identity import SIGNER, Anchor, Certificate, Identity, Request, accept_reply, make_request

from .. import issuing
from ..failure import DENIED, NOT_READY, Failure
from . import keyring, schema

MOST_TIME = 0xFFFFFFFF  # times are u32
SIGNER_ID = b"signer"


def random_scalar(suite: int) -> bytes:
    """A scalar x, 0 < x < q, from the system's random source."""
    while True:
        x = crypto.core.scalar_reduce(suite, os.urandom(48))
        if crypto.core.is_scalar(suite, x):
            return x


def issue(anchor: Anchor, d_ca: bytes, request: Request, flags: int, not_after: int) -> tuple[bytes, bytes]:
    """(certificate, reply) with a k of its own, drawn until C and a are what they must be."""
    while True:
        try:
            return issuing.issue(anchor, d_ca, request, random_scalar(anchor.suite), flags, min(not_after, MOST_TIME))
        except issuing.DrawAgain:
            continue


def new_signer(anchor: Anchor, d_ca: bytes, not_after: int) -> Identity:
    """A key pair for the authority's signer, certified like any other: flags 1."""
    suite = anchor.suite
    r, g = random_scalar(suite), random_scalar(suite)
    request = Request(make_request(suite, SIGNER_ID, r, g))
    _, reply = issue(anchor, d_ca, request, SIGNER, not_after)
    return accept_reply(anchor, reply, SIGNER_ID, r, request.share_point, SIGNER)


def store_signer(connection: Connection, ring: keyring.Keyring, signer: Identity, now: int) -> None:
    kid = signer.kid.hex()
    connection.execute(
        schema.signers.insert().values(
            kid=kid,
            cert=signer.cert.raw,
            private=ring.seal(signer.private, "signers", kid, "private"),
            made=now,
            not_after=signer.cert.not_after,
        )
    )


class Vault:
    """anchor: the authority's public side; private: d_CA; signer: the Identity that signs; keyring: for secrets at rest."""

    def __init__(self, anchor: Anchor, private: bytes, signer: Identity, ring: keyring.Keyring) -> None:
        self.anchor = anchor
        self.suite: int = anchor.suite
        self.private = private
        self.signer = signer
        self.keyring = ring


def load_anchor(connection: Connection) -> Anchor:
    """The authority's suite and public key; no passphrase needed."""
    row = connection.execute(select(schema.authority.c.suite, schema.authority.c.public)).one()
    if row.suite not in crypto.core.SUITES:
        raise Failure(f"this build of microseal has no suite {row.suite}", code=NOT_READY)
    return Anchor(row.suite, row.public)


def unlock_keyring(connection: Connection, passphrase: str) -> keyring.Keyring:
    row = connection.execute(select(schema.keyring)).one()
    return keyring.unlock(keyring.Wrapped(row.salt, row.cost, row.box), passphrase)


def open_vault(connection: Connection, passphrase: str) -> Vault:
    """The Vault; Failure for a wrong passphrase, or keys that do not belong together."""
    ring = unlock_keyring(connection, passphrase)
    anchor = load_anchor(connection)
    sealed = connection.execute(select(schema.authority.c.private)).scalar_one()
    private = ring.open(sealed, "authority", "1", "private")
    altered = Failure("the database was altered: its keys do not match", "restore it from a backup", DENIED)
    if crypto.core.base_mul(anchor.suite, private) != anchor.public:
        raise altered
    row = connection.execute(select(schema.signers).order_by(schema.signers.c.not_after.desc()).limit(1)).one()
    cert = anchor.check(Certificate(row.cert), SIGNER, None)
    signer = Identity(anchor, cert, ring.open(row.private, "signers", row.kid, "private"))
    if signer.public != anchor.public_key(cert):
        raise altered
    return Vault(anchor, private, signer, ring)


def signer_certificate(connection: Connection) -> bytes:
    """The newest signer's certificate: public, so it takes no passphrase."""
    query = select(schema.signers.c.cert).order_by(schema.signers.c.not_after.desc()).limit(1)
    return connection.execute(query).scalar_one()


def broker_query() -> Select[tuple[str]]:
    """Where devices find the broker, JSON."""
    return select(schema.authority.c.broker)
