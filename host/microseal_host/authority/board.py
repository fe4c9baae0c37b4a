"""What the broker is to hold as retained messages (section 5): written with what it belongs to, published afterwards.

A row is dirty until the broker has acknowledged this version of it, so whatever is committed is published once at least,
also after a crash in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, func, select, update

from . import schema

SIGNER = "microseal/signer"
REVOKED = "microseal/revoked"
DEVICES_READ = 8192  # bytes of the largest message under microseal/ that a device reads; rosters may be longer

_table = schema.retained.c


def cert_topic(kid: str) -> str:
    return f"microseal/cert/{kid}"


def group_topic(gid: str, part: str) -> str:
    return f"microseal/group/{gid}/{part}"


def key_topic(gid: str, kid: str, role: int) -> str:
    return f"microseal/key/{gid}/{kid}/{role}"


def _rank(topic: str) -> int:
    """The order of publication. A new signer goes before what it has signed, and an info before its rosters: what a member
    fetches for it then arrives after it.
    """
    kind = topic.split("/")[1]
    if kind == "group":
        return 2 if topic.endswith("/info") else 3
    return {"signer": 0, "revoked": 1, "cert": 1, "key": 4}[kind]


@dataclass(frozen=True)
class Notice:
    """One retained message of a certain version."""

    topic: str
    payload: bytes
    version: int


def put(connection: Connection, notices: Mapping[str, bytes], again: bool = False) -> None:
    """Sets topics to payloads; an empty one clears. What is there already is published anew only if `again` is set."""
    if not notices:
        return
    there = _payloads(connection, notices)
    known = [
        {"key": topic, "payload": payload}
        for topic, payload in notices.items()
        if topic in there and (again or there[topic] != payload)
    ]
    new = [
        {"topic": topic, "payload": payload, "rank": _rank(topic), "version": 1, "dirty": True}
        for topic, payload in notices.items()
        if topic not in there and payload
    ]
    if known:
        connection.execute(
            update(schema.retained)
            .where(_table.topic == bindparam("key"))
            .values(payload=bindparam("payload"), version=_table.version + 1, dirty=True),
            known,
        )
    if new:
        connection.execute(schema.retained.insert(), new)


def _payloads(connection: Connection, topics: Iterable[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    wanted = list(topics)
    for at in range(0, len(wanted), 500):  # SQLite has a limit of variables in a statement
        query = select(_table.topic, _table.payload).where(_table.topic.in_(wanted[at : at + 500]))
        found.update((row.topic, row.payload) for row in connection.execute(query))
    return found


def clear(connection: Connection, topics: Iterable[str]) -> None:
    put(connection, dict.fromkeys(topics, b""))


def payload(connection: Connection, topic: str) -> bytes | None:
    """What a topic is to hold, None for nothing."""
    return connection.execute(select(_table.payload).where(_table.topic == topic)).scalar_one_or_none() or None


def forget_published(connection: Connection) -> None:
    """The broker may have lost everything: all of it is to be published again."""
    connection.execute(update(schema.retained).values(dirty=True))


def dirty(connection: Connection, limit: int) -> list[Notice]:
    """What is to be published, in order."""
    query = (
        select(_table.topic, _table.payload, _table.version)
        .where(_table.dirty)
        .order_by(_table.rank, _table.topic)
        .limit(limit)
    )
    return [Notice(row.topic, row.payload, row.version) for row in connection.execute(query)]


def count_dirty(connection: Connection) -> int:
    return connection.execute(select(func.count()).where(_table.dirty)).scalar_one()


def published(connection: Connection, notices: Iterable[Notice]) -> None:
    """The broker has these. What changed since stays dirty; what was cleared is forgotten."""
    rows = [{"key": notice.topic, "at": notice.version} for notice in notices]
    if not rows:
        return
    this = (_table.topic == bindparam("key")) & (_table.version == bindparam("at"))
    connection.execute(update(schema.retained).where(this).values(dirty=False), rows)
    connection.execute(delete(schema.retained).where(this, _table.payload == b""), rows)
