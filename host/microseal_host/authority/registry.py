"""What the operator wishes: which devices there are, and who is in which group. The running service makes it true.

Nothing here needs the passphrase.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, select, update

from microseal.envelope import ANONYMOUS
from microseal.errors import Refused
from microseal.group import PUBLISHER, SUBSCRIBER
from microseal.policy import Policy, parse_policy
from microseal.topics import OWN, check_filter, overlap
from microseal.wire import check_name

from ..failure import USAGE, Failure
from . import board, schema

_certificates = schema.certificates.c


def touch(connection: Connection) -> None:
    """Makes the running service look."""
    connection.execute(update(schema.state).values(revision=schema.state.c.revision + 1))


def revision(connection: Connection) -> int:
    return connection.execute(select(schema.state.c.revision)).scalar_one()


def name(text: str, what: str) -> str:
    """`text` if it is an id or gid of the protocol."""
    try:
        check_name(text.encode())
    except Refused:
        raise Failure(
            f"{what} {text!r} is not a name", "1 to 32 of the characters A-Z a-z 0-9 . _ : -", USAGE
        ) from None
    return text


# Devices

NEW = "claim made"  # nobody has used its claim yet
PENDING = "waits for approval"  # has used its claim
REJECTED = "rejected"
ENROLLED = "enrolled"  # has a certificate, has not yet shown that it has the key
ACTIVE = "active"
EXPIRED = "expired"
REVOKED = "revoked"


@dataclass(frozen=True)
class Device:
    """A device as `device list` shows it. kid, not_after: of its current certificate; groups: gid -> "p", "s" or "ps"."""

    id: str
    state: str
    kid: str | None
    not_after: int | None
    groups: dict[str, str] = field(default_factory=dict)


def require_device(connection: Connection, device: str) -> None:
    """Failure unless there is a device of this id that is not revoked."""
    row = connection.execute(select(schema.devices).where(schema.devices.c.id == device)).one_or_none()
    if row is None:
        raise Failure(f"there is no device {device}", f"microseal device add {device}")
    if row.revoked is not None:
        raise Failure(f"device {device} is revoked", f"give it a new claim: microseal device add {device} --again")


def add_device(connection: Connection, device: str, again: bool) -> None:
    """A new device; or, with `again`, one that is there already and gets another claim."""
    name(device, "device id")
    row = connection.execute(select(schema.devices).where(schema.devices.c.id == device)).one_or_none()
    if row is None:
        connection.execute(schema.devices.insert().values(id=device, added=int(time.time())))
    elif not again:
        raise Failure(
            f"there is a device {device} already", "another claim for it, in place of the one before: --again"
        )
    else:
        connection.execute(update(schema.devices).where(schema.devices.c.id == device).values(revoked=None))
        connection.execute(delete(schema.waiting).where(schema.waiting.c.device == device))


def list_devices(connection: Connection, now: int) -> list[Device]:
    certificates: dict[str, tuple[str, int, bool, bool]] = {}
    query = select(
        _certificates.device,
        _certificates.kid,
        _certificates.not_after,
        _certificates.revoked,
        _certificates.share.is_not(None).label("shared"),
    ).order_by(_certificates.serial)
    for row in connection.execute(query):
        certificates[row.device] = row.kid, row.not_after, row.revoked is not None, row.shared
    groups: dict[str, dict[str, str]] = {}
    for row in connection.execute(select(schema.members).order_by(schema.members.c.gid)):
        groups.setdefault(row.device, {})[row.gid] = "p" * row.publish + "s" * row.subscribe
    waiting = {
        row.device: PENDING if row.rejected is None else REJECTED for row in connection.execute(select(schema.waiting))
    }
    found = []
    for row in connection.execute(select(schema.devices).order_by(schema.devices.c.id)):
        kid, not_after, revoked, shared = certificates.get(row.id, (None, None, False, False))
        if row.revoked is not None:
            state = REVOKED
        elif kid is None or not_after is None or revoked:
            state, kid, not_after = waiting.get(row.id, NEW), None, None
        elif now > not_after:
            state = waiting.get(row.id, EXPIRED)
        else:
            state = ACTIVE if shared else ENROLLED
        found.append(Device(row.id, state, kid, not_after, groups.get(row.id, {})))
    return found


def revoke_device(connection: Connection, device: str) -> int:
    """Takes back what the device has: certificates, claims, memberships. The number of certificates taken back."""
    row = connection.execute(select(schema.devices).where(schema.devices.c.id == device)).one_or_none()
    if row is None:
        raise Failure(f"there is no device {device}", "microseal device list")
    if row.revoked is not None:
        raise Failure(f"device {device} is revoked already")
    now = int(time.time())
    connection.execute(update(schema.devices).where(schema.devices.c.id == device).values(revoked=now))
    withdraw_claims(connection, device, now)
    connection.execute(delete(schema.waiting).where(schema.waiting.c.device == device))
    mine = and_(_certificates.device == device, _certificates.revoked.is_(None))
    taken = connection.execute(update(schema.certificates).where(mine).values(revoked=now)).rowcount
    connection.execute(delete(schema.members).where(schema.members.c.device == device))
    touch(connection)
    return taken


def pending(connection: Connection) -> list[tuple[str, int]]:
    """(device, since when) of the requests that nobody has decided on, the oldest first."""
    waiting = schema.waiting.c
    query = select(waiting.device, waiting.since).where(waiting.approved.is_(None), waiting.rejected.is_(None))
    return [(row.device, row.since) for row in connection.execute(query.order_by(waiting.since, waiting.device))]


def decide(connection: Connection, device: str, approve: bool) -> None:
    """Lets the device's waiting request be answered, or refused for good. Failure if none waits."""
    if device not in dict(pending(connection)):
        raise Failure(f"no request of {device} waits for approval", "microseal device pending")
    now = int(time.time())
    decision = {"approved": now} if approve else {"rejected": now}
    connection.execute(update(schema.waiting).where(schema.waiting.c.device == device).values(**decision))
    touch(connection)


def withdraw_claims(connection: Connection, device: str, now: int) -> None:
    """No claim of the device that is still unused may be used any more."""
    claims = schema.claims.c
    unused = and_(claims.device == device, claims.used.is_(None), claims.withdrawn.is_(None))
    connection.execute(update(schema.claims).where(unused).values(withdrawn=now))


# Groups

_LONGEST_POLICY = board.DEVICES_READ - 276 - 32  # bytes: what an info has beside it, with the longest gid


@dataclass(frozen=True)
class Member:
    """device: id; publish, subscribe: as wished; in_force: whether the current epoch has it so; waits_for: what is missing."""

    device: str
    publish: bool
    subscribe: bool
    in_force: bool
    waits_for: str | None


@dataclass(frozen=True)
class Group:
    gid: str
    policy: Policy
    lifetime: int
    epoch: int
    not_after: int | None
    members: list[Member]


def make_policy(mode: int, max_age: int, max_size: int, filters: list[tuple[int, str]]) -> Policy:
    """The Policy of section 5; filters: (kind, filter). Failure says what of it is not possible."""
    if mode == ANONYMOUS and max_age == 0:
        raise Failure("mode 3 needs a --max-age above 0", code=USAGE)
    if not filters:
        raise Failure("a group needs topics", "--topic FILTER, --query-topic FILTER or --state-topic FILTER", USAGE)
    if len(filters) > 255:
        raise Failure(f"{len(filters)} filters are too many", "a group has 255 at most", USAGE)
    checked: list[tuple[int, bytes]] = []
    for kind, text in filters:
        try:
            pattern = check_filter(text.encode())
        except Refused:
            raise Failure(f"{text!r} is no topic filter", "MQTT 3.1.1, section 4.7; 255 bytes at most", USAGE) from None
        if pattern.startswith((OWN, b"$")):
            raise Failure(f"{text} is not a group's", "topics under microseal/ and $ belong to others", USAGE)
        for other_kind, other in checked:
            if other_kind != kind and overlap(pattern, other):
                raise Failure(
                    f"{text} and {other.decode()} match the same topics, but are of different kinds", code=USAGE
                )
        checked.append((kind, pattern))
    policy = Policy(mode, max_age, max_size, checked)
    if len(policy.encode()) > _LONGEST_POLICY:
        raise Failure(
            f"the filters take {len(policy.encode())} bytes", f"devices have room for {_LONGEST_POLICY}", USAGE
        )
    return policy


def create_group(connection: Connection, gid: str, policy: Policy, lifetime: int) -> None:
    """A new group; in the place of a deleted one of this gid, whose members may hold an epoch still, its epochs go on."""
    name(gid, "group")
    if connection.execute(_groups().where(schema.groups.c.gid == gid)).first():
        raise Failure(f"there is a group {gid} already", f"microseal group show {gid}")
    _refuse_overlap(connection, policy)
    values = {"policy": policy.encode(), "lifetime": lifetime, "created": int(time.time())}
    if connection.execute(delete(schema.deleted).where(schema.deleted.c.gid == gid)).rowcount:
        connection.execute(update(schema.groups).where(schema.groups.c.gid == gid).values(**values))
    else:
        connection.execute(schema.groups.insert().values(gid=gid, epoch=0, **values))
    touch(connection)


def delete_group(connection: Connection, gid: str) -> int:
    """Takes everybody out of the group, and the group off every list. How many members it had."""
    require_group(connection, gid)
    members = connection.execute(delete(schema.members).where(schema.members.c.gid == gid)).rowcount
    connection.execute(schema.deleted.insert().values(gid=gid, since=int(time.time())))
    touch(connection)
    return members


def _groups() -> Select[Any]:
    """The groups that were not deleted."""
    return select(schema.groups).where(schema.groups.c.gid.not_in(select(schema.deleted.c.gid)))


def _refuse_overlap(connection: Connection, policy: Policy) -> None:
    """A topic that two groups claim is refused by every device, so the operator had better hear of it now."""
    for row in connection.execute(_groups()):
        for _, there in parse_policy(row.policy).filters:
            for _, pattern in policy.filters:
                if overlap(there, pattern):
                    raise Failure(
                        f"the filters {pattern.decode()} and {there.decode()} of group {row.gid} match the same topics",
                        "a topic belongs to one group: choose filters that do not meet",
                    )


def require_group(connection: Connection, gid: str) -> None:
    if connection.execute(_groups().where(schema.groups.c.gid == gid)).first() is None:
        raise Failure(f"there is no group {gid}", "microseal group list, microseal group create --help")


def add_member(connection: Connection, gid: str, device: str, publish: bool, subscribe: bool) -> None:
    """Puts the device into the group with these roles, which replace those it had."""
    require_group(connection, gid)
    require_device(connection, device)
    key = and_(schema.members.c.gid == gid, schema.members.c.device == device)
    connection.execute(delete(schema.members).where(key))
    connection.execute(schema.members.insert().values(gid=gid, device=device, publish=publish, subscribe=subscribe))
    touch(connection)


def remove_member(connection: Connection, gid: str, device: str) -> None:
    require_group(connection, gid)
    key = and_(schema.members.c.gid == gid, schema.members.c.device == device)
    if connection.execute(delete(schema.members).where(key)).rowcount == 0:
        raise Failure(f"{device} is not in group {gid}", f"microseal group show {gid}")
    touch(connection)


def list_groups(connection: Connection) -> list[tuple[str, Policy, int, int]]:
    """(gid, policy, epoch, number of members) of each group."""
    counts = dict(connection.execute(select(schema.members.c.gid, func.count()).group_by(schema.members.c.gid)).all())
    rows = connection.execute(_groups().order_by(schema.groups.c.gid))
    return [(row.gid, parse_policy(row.policy), row.epoch, counts.get(row.gid, 0)) for row in rows]


def show_group(connection: Connection, gid: str, now: int) -> Group:
    require_group(connection, gid)
    row = connection.execute(select(schema.groups).where(schema.groups.c.gid == gid)).one()
    not_after = connection.execute(
        select(schema.epochs.c.not_after).where(schema.epochs.c.gid == gid)
    ).scalar_one_or_none()
    eligible = eligible_certificates(connection, now)
    seated = current_seats(connection, gid)
    states = {device.id: device.state for device in list_devices(connection, now)}
    members = []
    query = select(schema.members).where(schema.members.c.gid == gid).order_by(schema.members.c.device)
    for member in connection.execute(query):
        kid = eligible.get(member.device)
        roles = {role for role, on in ((PUBLISHER, member.publish), (SUBSCRIBER, member.subscribe)) if on}
        in_force = kid is not None and {role for role in (PUBLISHER, SUBSCRIBER) if (role, kid) in seated} == roles
        waits_for = None
        if kid is None:
            waits_for = {
                NEW: "its enrolment",
                PENDING: "its approval",
                ENROLLED: "its share",
                EXPIRED: "a certificate that has not expired",
            }.get(states[member.device], states[member.device])
        elif not in_force:
            waits_for = "the next epoch"
        members.append(Member(member.device, member.publish, member.subscribe, in_force, waits_for))
    return Group(gid, parse_policy(row.policy), row.lifetime, row.epoch, not_after, members)


def eligible_certificates(connection: Connection, now: int, devices: Iterable[str] | None = None) -> dict[str, str]:
    """device -> kid of the certificate with which it may be in groups: its newest one whose share was accepted, in force."""
    query = (
        select(_certificates.device, _certificates.kid)
        .where(_certificates.share.is_not(None), _certificates.revoked.is_(None), _certificates.not_after >= now)
        .order_by(_certificates.serial)
    )
    if devices is not None:
        query = query.where(_certificates.device.in_(list(devices)))
    return {row.device: row.kid for row in connection.execute(query)}


def current_seats(connection: Connection, gid: str) -> set[tuple[int, str]]:
    """(role, kid) of all who are on the rosters of the group's current epoch."""
    query = select(schema.seats.c.role, schema.seats.c.kid).where(schema.seats.c.gid == gid)
    return {(row.role, row.kid) for row in connection.execute(query)}
