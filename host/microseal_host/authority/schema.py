"""The authority's tables. Secrets in them are sealed by the keyring (columns marked so); times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 2

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

keyring = Table(
    "keyring",
    metadata,
    Column("id", Integer, primary_key=True),  # 1
    Column("salt", LargeBinary, nullable=False),
    Column("cost", Integer, nullable=False),
    Column("box", LargeBinary, nullable=False),
)

authority = Table(
    "authority",
    metadata,
    Column("id", Integer, primary_key=True),  # 1
    Column("suite", Integer, nullable=False),
    Column("public", LargeBinary, nullable=False),  # Q_CA
    Column("private", LargeBinary, nullable=False),  # d_CA, sealed
    Column("created", BigInteger, nullable=False),
    Column("broker", Text, nullable=False),  # JSON, as it goes into claim files
    Column("device_lifetime", BigInteger, nullable=False),  # s, of a device's certificate
    Column("signer_lifetime", BigInteger, nullable=False),  # s, of the signer's
    Column("approval", Boolean, nullable=False),  # whether an operator looks at every enrolment
)

signers = Table(
    "signers",
    metadata,
    Column("kid", String(16), primary_key=True),
    Column("cert", LargeBinary, nullable=False),
    Column("private", LargeBinary, nullable=False),  # d_A, sealed
    Column("made", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("added", BigInteger, nullable=False),
    Column("revoked", BigInteger),
)

claims = Table(
    "claims",
    metadata,
    Column("id", String(32), primary_key=True),  # random
    Column("device", String(32), ForeignKey("devices.id"), nullable=False, index=True),
    Column("claim", LargeBinary, nullable=False),  # sealed
    Column("made", BigInteger, nullable=False),
    Column("not_after", BigInteger),  # NULL: it does not expire
    Column("withdrawn", BigInteger),
    Column("used", BigInteger),
)

# Valid requests that are not answered before an operator says so; at most one a device.
waiting = Table(
    "waiting",
    metadata,
    Column("device", String(32), ForeignKey("devices.id"), primary_key=True),
    Column("request", LargeBinary, nullable=False),  # with its proof, as it came
    Column("claim", String(32), ForeignKey("claims.id"), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("approved", BigInteger),
    Column("rejected", BigInteger),
)

certificates = Table(
    "certificates",
    metadata,
    Column("serial", Integer, primary_key=True, autoincrement=True),
    Column("kid", String(16), nullable=False, unique=True),
    Column("device", String(32), ForeignKey("devices.id"), nullable=False),
    Column("cert", LargeBinary, nullable=False),
    Column("public", LargeBinary, nullable=False),  # Q, for people: keys go to what the certificate says
    Column("issued", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("request", String(64), nullable=False),  # SHA-256 of the request with its proof, in hexadecimal
    Column("reply", LargeBinary, nullable=False),
    Column("share", LargeBinary),  # x, sealed; NULL until the device has shown that it has the key
    Column("box", String(64)),  # SHA-256 of the box that it came in
    Column("replaced", BigInteger),  # by a newer certificate of the device
    Column("revoked", BigInteger),
    Column("asked", BigInteger),  # the t of the last ask that was taken
    UniqueConstraint("device", "request"),
    Index("certificates_device", "device", "serial"),
)

groups = Table(
    "groups",
    metadata,
    Column("gid", String(32), primary_key=True),
    Column("policy", LargeBinary, nullable=False),  # as it stands in the info
    Column("lifetime", BigInteger, nullable=False),  # s, of an epoch
    Column("created", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),  # the last one made, 0 for none; only ever up
)

# Groups that are wished no more. Their rows stay: should a gid be used again, its epochs go on from where they were.
deleted = Table(
    "deleted",
    metadata,
    Column("gid", String(32), ForeignKey("groups.gid"), primary_key=True),
    Column("since", BigInteger, nullable=False),
)

# Who is wished to be in a group.
members = Table(
    "members",
    metadata,
    Column("gid", String(32), ForeignKey("groups.gid"), primary_key=True),
    Column("device", String(32), ForeignKey("devices.id"), primary_key=True),
    Column("publish", Boolean, nullable=False),
    Column("subscribe", Boolean, nullable=False),
)

# The epoch in force of each group, and who is on its rosters.
epochs = Table(
    "epochs",
    metadata,
    Column("gid", String(32), ForeignKey("groups.gid"), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("issued", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("policy", LargeBinary, nullable=False),
    Column("info", LargeBinary, nullable=False),
    Column("signer", String(16), nullable=False),  # kid of who signed it
    Column("key_publishers", LargeBinary, nullable=False),  # d_S, sealed
    Column("key_subscribers", LargeBinary, nullable=False),  # d_P, sealed
    # How many epochs in a row each key has come by broadcast, up to this one; 0: it came by key packets.
    Column("chain_publishers", Integer, nullable=False),
    Column("chain_subscribers", Integer, nullable=False),
)

seats = Table(
    "seats",
    metadata,
    Column("gid", String(32), ForeignKey("groups.gid"), primary_key=True),
    Column("role", Integer, primary_key=True),
    Column("kid", String(16), ForeignKey("certificates.kid"), primary_key=True),
)

# What the broker is to hold as retained messages. An empty payload clears a topic; the row goes once the broker has it.
retained = Table(
    "retained",
    metadata,
    Column("topic", String(160), primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("rank", Integer, nullable=False),  # lower ones are published first
    Column("version", BigInteger, nullable=False),
    Column("dirty", Boolean, nullable=False),  # the broker is not known to have it
    Index("retained_dirty", "dirty", "rank"),
)

# One row. revision goes up with every wish, so that the service notices; lease: which service may issue, and until when.
state = Table(
    "state",
    metadata,
    Column("id", Integer, primary_key=True),  # 1
    Column("revision", BigInteger, nullable=False),
    Column("lease_holder", Text),
    Column("lease_until", Float, nullable=False),
)
