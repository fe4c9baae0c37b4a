"""New epochs: when one is due, and making it (section 5)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, update

from microseal import crypto
from microseal.group import PUBLISHER, SUBSCRIBER
from microseal.identity import Certificate

from .. import issuing
from . import board, registry, schema
from .keyring import altered
from .vault import MOST_TIME, Vault, random_scalar

ROLES = (PUBLISHER, SUBSCRIBER)
CHAIN = 63  # broadcasts in a row: the epoch after them goes by key packets, which is at the latest every 64th
LAST = 0xFFFFFFFF  # an epoch that is not followed by another
LEAST_LIFETIME = 30  # s between two epochs that differ in nothing but their dates

_KEYS = {PUBLISHER: "key_publishers", SUBSCRIBER: "key_subscribers"}  # columns of an epoch
_CHAINS = {PUBLISHER: "chain_publishers", SUBSCRIBER: "chain_subscribers"}

Seats = frozenset[tuple[int, str]]  # (role, kid)


@dataclass(frozen=True)
class Due:
    """A group that needs a new epoch. urgent: it cannot wait for further changes, somebody leaves or the time is up."""

    gid: str
    seats: Seats
    joined: int
    left: int
    urgent: bool
    why: str


def find_due(connection: Connection, now: int) -> list[Due]:
    """The groups whose epoch in force is not what the operator wishes, or soon runs out."""
    eligible = registry.eligible_certificates(connection, now)
    wished: dict[str, set[tuple[int, str]]] = {}
    for row in connection.execute(select(schema.members)):
        kid = eligible.get(row.device)
        if kid is not None:
            seats = wished.setdefault(row.gid, set())
            if row.publish:
                seats.add((PUBLISHER, kid))
            if row.subscribe:
                seats.add((SUBSCRIBER, kid))
    present: dict[str, set[tuple[int, str]]] = {}
    for row in connection.execute(select(schema.seats)):
        present.setdefault(row.gid, set()).add((row.role, row.kid))
    signer = connection.execute(
        select(schema.signers.c.kid).order_by(schema.signers.c.not_after.desc()).limit(1)
    ).scalar_one()
    current = {row.gid: row for row in connection.execute(select(schema.epochs))}
    forgotten = set(_forgotten(connection, now))
    found = []
    for group in connection.execute(select(schema.groups).order_by(schema.groups.c.gid)):
        to, at = frozenset(wished.get(group.gid, ())), present.get(group.gid, set())
        epoch = current.get(group.gid)
        joined, left = len(to - at), len(at - to)
        # At half its time, so that nothing stops when the authority is away for less than the other half.
        renew = epoch is not None and now - epoch.issued > max((epoch.not_after - epoch.issued) // 2, LEAST_LIFETIME)
        if epoch is None and not to or group.epoch >= LAST or group.gid in forgotten and not at:
            continue
        if left or joined:
            found.append(Due(group.gid, to, joined, left, bool(left) or renew, f"{joined} seats taken, {left} left"))
        elif epoch is not None and epoch.policy != group.policy:
            found.append(Due(group.gid, to, 0, 0, True, "its policy changed"))
        elif epoch is not None and epoch.signer != signer:
            found.append(Due(group.gid, to, 0, 0, True, "its signer was replaced"))
        elif renew:
            found.append(Due(group.gid, to, 0, 0, True, "the one before runs out"))
    return found


def make(connection: Connection, vault: Vault, due: Due, now: int) -> int:
    """Makes the group's next epoch and all that is to be published of it, in the caller's transaction. The number of it.

    Each key by itself goes by broadcast to those who hold the one before, if all of them may have it, and else by key
    packets; who holds none gets a key packet. The secrets of the epoch before are gone from the database.
    """
    suite, gid = vault.suite, due.gid
    group = connection.execute(select(schema.groups).where(schema.groups.c.gid == gid)).one()
    epoch = group.epoch + 1
    rows = _certificates(connection, {kid for _, kid in due.seats})
    holders = {role: sorted(kid for seat, kid in due.seats if seat == role) for role in ROLES}
    shares = {kid: vault.keyring.open(row.share, "certificates", kid, "share") for kid, row in rows.items()}
    keys = _draw_keys(suite, [shares[kid] for kid in holders[PUBLISHER]], [shares[kid] for kid in holders[SUBSCRIBER]])
    hashes = {kid: _cert_hash(suite, kid, row.cert) for kid, row in rows.items()}
    rosters = {role: issuing.make_roster(hashes[kid] for kid in holders[role]) for role in ROLES}
    not_after = min(now + group.lifetime, MOST_TIME, vault.signer.cert.not_after)
    info = issuing.make_info(
        vault.signer,
        gid.encode(),
        epoch,
        now,
        not_after,
        group.policy,
        keys,
        rosters[PUBLISHER],
        rosters[SUBSCRIBER],
        os.urandom(32),
    )
    info_hash = crypto.core.hash(suite, info)
    notices = {
        board.group_topic(gid, "info"): info,
        board.group_topic(gid, "p"): rosters[PUBLISHER],
        board.group_topic(gid, "s"): rosters[SUBSCRIBER],
    }
    seated = registry.current_seats(connection, gid)
    for role, kid in seated - due.seats:
        notices[board.key_topic(gid, kid, role)] = b""
    before = connection.execute(select(schema.epochs).where(schema.epochs.c.gid == gid)).one_or_none()
    chains = {}
    for role in ROLES:
        held = {kid for seat, kid in seated if seat == role}
        chains[role] = _next_chain(before, role, held, holders[role])
        broadcast = b""
        if before is not None and chains[role]:
            old = open_key(vault, before, role)
            broadcast = issuing.make_rekey(suite, gid.encode(), role, epoch, info_hash, old, keys.private[role])
        notices[board.group_topic(gid, str(role))] = broadcast
        for kid in holders[role]:
            if not (broadcast and kid in held):
                notices[board.key_topic(gid, kid, role)] = key_packet(
                    vault, kid, rows[kid].cert, role, epoch, info_hash, keys.private[role]
                )
    _store(connection, vault, due, epoch, now, not_after, info, group.policy, keys, chains)
    # Again, although a roster may be what it was: a member that was waiting for it in the epoch before is subscribed to
    # it already, and gets it for this one only if it is published once more.
    board.put(connection, notices, again=True)
    return epoch


def _next_chain(before: Any, role: int, held: set[str], holders: list[str]) -> int:
    """How many broadcasts in a row this key has come by, with this epoch's; 0 if it is to go by key packets.

    before: the row of the epoch before, or None; held: who has its key; holders: who is to have the new one.
    """
    if before is None or not held or not held <= set(holders):
        return 0
    chain = getattr(before, _CHAINS[role])
    return chain + 1 if chain < CHAIN else 0


def open_key(vault: Vault, epoch: Any, role: int) -> bytes:
    """The group key that the members of `role` hold in the epoch of this row."""
    column = _KEYS[role]
    return vault.keyring.open(getattr(epoch, column), "epochs", f"{epoch.gid}/{epoch.epoch}", column)


def key_packet(vault: Vault, kid: str, cert: bytes, role: int, epoch: int, info_hash: bytes, private: bytes) -> bytes:
    """A key packet to the holder of the certificate `cert`, whose name is `kid`."""
    suite = vault.suite
    _cert_hash(suite, kid, cert)
    # Not the public key that stands beside it: whoever can write to the database would read the packet by one of its own.
    public = vault.anchor.public_key(Certificate(cert))
    u = random_scalar(suite)
    return issuing.make_key_packet(suite, bytes.fromhex(kid), public, role, epoch, info_hash, private, u)


def give_keys(connection: Connection, vault: Vault, gid: str, kid: str, cert: bytes) -> list[str]:
    """Publishes the key packets of the epoch in force to one member, whatever way its key went. The topics, none if it is no member."""
    roles = sorted(role for role, seated in registry.current_seats(connection, gid) if seated == kid)
    if not roles:
        return []
    epoch = connection.execute(select(schema.epochs).where(schema.epochs.c.gid == gid)).one()
    topics = []
    for role in roles:
        # A packet of an earlier epoch may be there still: those whose keys went on by broadcast were left where they were.
        topic = board.key_topic(gid, kid, role)
        there = board.payload(connection, topic)
        if there is None or int.from_bytes(there[1:5], "big") != epoch.epoch:
            info_hash = crypto.core.hash(vault.suite, epoch.info)
            there = key_packet(vault, kid, cert, role, epoch.epoch, info_hash, open_key(vault, epoch, role))
        board.put(connection, {topic: there}, again=True)
        topics.append(topic)
    return topics


def _draw_keys(suite: int, publishers: list[bytes], subscribers: list[bytes]) -> issuing.GroupKeys:
    while True:
        try:
            return issuing.make_keys(suite, publishers, subscribers, random_scalar(suite), random_scalar(suite))
        except issuing.DrawAgain:
            continue


def _cert_hash(suite: int, kid: str, cert: bytes) -> bytes:
    """The hash of a certificate; Failure if it is not the one that `kid`, to which its share is sealed, is the name of."""
    found = crypto.core.hash(suite, crypto.tag(b"cert", suite), cert)
    if found[:8].hex() != kid:
        raise altered(f"certificates/{kid}/cert")
    return found


def _certificates(connection: Connection, kids: set[str]) -> dict[str, object]:
    known = schema.certificates.c
    found: dict[str, object] = {}
    wanted = sorted(kids)
    for at in range(0, len(wanted), 500):
        query = select(known.kid, known.cert, known.share).where(known.kid.in_(wanted[at : at + 500]))
        found.update((row.kid, row) for row in connection.execute(query))
    return found


def _store(
    connection: Connection,
    vault: Vault,
    due: Due,
    epoch: int,
    issued: int,
    not_after: int,
    info: bytes,
    policy: bytes,
    keys: issuing.GroupKeys,
    chains: dict[int, int],
) -> None:
    gid, row = due.gid, f"{due.gid}/{epoch}"
    connection.execute(update(schema.groups).where(schema.groups.c.gid == gid).values(epoch=epoch))
    connection.execute(delete(schema.epochs).where(schema.epochs.c.gid == gid))
    connection.execute(
        schema.epochs.insert().values(
            gid=gid,
            epoch=epoch,
            issued=issued,
            not_after=not_after,
            policy=policy,
            info=info,
            signer=vault.signer.kid.hex(),
            **{_KEYS[role]: vault.keyring.seal(keys.private[role], "epochs", row, _KEYS[role]) for role in ROLES},
            **{_CHAINS[role]: chains[role] for role in ROLES},
        )
    )
    connection.execute(delete(schema.seats).where(schema.seats.c.gid == gid))
    if due.seats:
        seats = [{"gid": gid, "role": role, "kid": kid} for role, kid in sorted(due.seats)]
        connection.execute(schema.seats.insert(), seats)


def update_revoked(connection: Connection, vault: Vault, now: int) -> bool:
    """Brings the published list of revoked certificates up to date; True if it changed. Expired ones are left out of it.

    A new signer signs it anew: who starts with that signer's certificate would not take it otherwise.
    """
    known = schema.certificates.c
    query = select(known.kid).where(known.revoked.is_not(None), known.not_after >= now)
    kids = b"".join(sorted(bytes.fromhex(kid) for kid in connection.execute(query).scalars()))
    before = board.payload(connection, board.REVOKED)
    issued = now
    if before is not None:
        if before[4:-64] == kids and _is_by_signer(vault, before):
            return False
        issued = max(now, int.from_bytes(before[:4], "big") + 1)
    listed = [kids[at : at + 8] for at in range(0, len(kids), 8)]
    board.put(connection, {board.REVOKED: issuing.make_revoked(vault.signer, issued, listed, os.urandom(32))})
    return True


def _is_by_signer(vault: Vault, revoked: bytes) -> bool:
    return crypto.core.verify(vault.suite, vault.signer.public, b"revoked", b"", revoked[:-64], revoked[-64:])


def _forgotten(connection: Connection, now: int) -> list[str]:
    """Deleted groups whose last members' certificates have expired. Until then an epoch without members tells who was away."""
    lifetime = connection.execute(select(schema.authority.c.device_lifetime)).scalar_one()
    over = select(schema.deleted.c.gid).where(schema.deleted.c.since < now - lifetime)
    return list(connection.execute(over).scalars())


def clear_groups(connection: Connection, now: int) -> int:
    """Takes deleted groups off the board that nobody is left to be told of."""
    known = schema.epochs.c
    over = select(known.gid).where(known.gid.in_(_forgotten(connection, now)))
    seated = select(schema.seats.c.gid)
    gids = list(connection.execute(over.where(known.gid.not_in(seated))).scalars())
    for gid in gids:
        board.clear(connection, [board.group_topic(gid, part) for part in ("info", "p", "s", "1", "2")])
        connection.execute(delete(schema.epochs).where(known.gid == gid))
    return len(gids)


def clear_certificates(connection: Connection, now: int, keep: int) -> int:
    """Takes certificates that nobody needs any more off the board: revoked, expired, or replaced `keep` seconds ago."""
    known = schema.certificates.c
    seated = select(schema.seats.c.kid)
    gone = known.revoked.is_not(None) | (known.not_after < now) | (known.replaced < now - keep)
    on_board = select(schema.retained.c.topic)
    topics = select(known.kid).where(gone, known.kid.not_in(seated), ("microseal/cert/" + known.kid).in_(on_board))
    kids = list(connection.execute(topics).scalars())
    board.clear(connection, [board.cert_topic(kid) for kid in kids])
    return len(kids)
