"""Opening the authority's database: SQLite in a file of its own by default, anything that SQLAlchemy knows by its URL."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, func, inspect, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, NoSuchModuleError

from ..failure import DENIED, NOT_READY, USAGE, Failure
from . import schema

DEFAULT = "microseal.db"
_WRITES = "microseal_writes"
_WRITER = 0x6D6963726F7365  # PostgreSQL's lock for whoever writes: "microse"


def parse(where: str) -> URL:
    """The URL for a path or a URL."""
    if "://" not in where:
        return URL.create("sqlite", database=where)
    try:
        url = make_url(where)
        # Not SQLAlchemy's default, which is the driver before this one.
        url = url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
    except ArgumentError:
        raise Failure(f"not a database URL: {where.split('@')[-1]}", code=USAGE) from None
    if "password" in url.query:  # which would stand in every message that names this database
        raise Failure("a password behind the ? of a database URL", "use ~/.pgpass", USAGE)
    return url


class Database:
    """A database that `create` or `open_existing` has found to be sound."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.name = url.database if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        try:
            self._engine = create_engine(url, hide_parameters=True, pool_pre_ping=not self.is_sqlite)
        except (ModuleNotFoundError, NoSuchModuleError) as error:
            raise Failure(
                f"no driver for {url.drivername}: {error}",
                "for PostgreSQL: pip install 'microseal[postgresql]'",
                NOT_READY,
            ) from None
        if self.is_sqlite:
            event.listen(self._engine, "connect", _configure_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view."""
        with self._engine.connect() as connection:
            if not self.is_sqlite:  # PostgreSQL's default would give each statement a view of its own
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: all of it or nothing, on disk when the block is left. There is one at a time on a database:
        what the block has looked at stays so until it has written, whoever else is at work.
        """
        with self._engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(select(func.pg_advisory_xact_lock(_WRITER)))
                yield connection

    def now(self, connection: Connection) -> float:
        """The database's own clock, s since 1970: what several hosts that share it agree on."""
        if self.is_sqlite:
            return time.time()
        return float(connection.execute(text("select extract(epoch from clock_timestamp())")).scalar_one())

    def close(self) -> None:
        self._engine.dispose()


def _configure_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver's guess
    cursor = connection.cursor()
    cursor.execute("pragma busy_timeout = 10000")
    cursor.execute("pragma journal_mode = wal")
    # Not NORMAL: a reply must not be on its way when a power cut can still take back the certificate that it belongs to.
    cursor.execute("pragma synchronous = full")
    cursor.execute("pragma foreign_keys = on")
    cursor.execute("pragma secure_delete = on")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # Taking the write lock at the start: two writers then wait for each other instead of failing half-way.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("begin immediate" if writes else "begin")


def create(where: str, fill: Callable[[Connection], None]) -> Database:
    """A new database; fill(connection) writes what it begins with, in the same transaction as the tables.

    Failure if there is an authority in it already.
    """
    url = parse(where)
    path = _file(url) if url.get_backend_name() == "sqlite" else None
    exists = Failure(
        f"there is an authority in {path or url.render_as_string(hide_password=True)} already",
        "use it, or give another --database",
    )
    if path is not None:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        except FileExistsError:
            raise exists from None
        except OSError as error:
            raise Failure(f"cannot create {path}: {error.strerror}", code=NOT_READY) from None
    try:
        database = Database(url)
        with _reaching(database), database.write() as connection:
            if inspect(connection).has_table(schema.schema_version.name):
                raise exists
            schema.metadata.create_all(connection)
            connection.execute(schema.schema_version.insert().values(version=schema.VERSION))
            fill(connection)
    except BaseException:
        if path is not None:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
        raise
    return database


def open_existing(where: str) -> Database:
    """The database of an authority that `microseal init` made; Failure if there is none, or not of this version."""
    url = parse(where)
    if url.get_backend_name() == "sqlite":
        _check_file(_file(url))
    database = Database(url)
    with _reaching(database), database.read() as connection:
        if not inspect(connection).has_table(schema.schema_version.name):
            raise _absent(database.name)
        version = connection.execute(select(schema.schema_version.c.version)).scalar_one_or_none()
    if version == 1:
        version = _upgrade(database)
    if version != schema.VERSION:
        raise Failure(
            f"{database.name} is of schema version {version}, this microseal works with version {schema.VERSION}",
            "use the microseal that made it, or a newer one",
            NOT_READY,
        )
    return database


def _upgrade(database: Database) -> int:
    """From version 1, which had no table of deleted groups."""
    with _reaching(database), database.write() as connection:
        schema.deleted.create(connection, checkfirst=True)
        found = schema.schema_version.c.version  # which somebody else may have raised meanwhile
        connection.execute(update(schema.schema_version).where(found == 1).values(version=2))
        return int(connection.execute(select(found)).scalar_one())


def _file(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise Failure("an authority needs a database that lasts", "give --database FILE", USAGE)
    return Path(url.database)


def _absent(name: str | None) -> Failure:
    return Failure(f"no authority in {name}", "make one: microseal init, or say where it is: --database", NOT_READY)


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise _absent(str(path)) from None
    except OSError as error:
        raise Failure(f"cannot open {path}: {error.strerror}", code=DENIED) from None
    if stat.S_IMODE(mode) & 0o077:
        raise Failure(f"{path} is open to other users", f"chmod 600 {path}", DENIED)
    if not os.access(path, os.R_OK | os.W_OK):
        raise Failure(f"{path} cannot be read and written by this user", f"ls -l {path}", DENIED)


WHAT_TO_DO = "is its server running, its disk full, and may this user make tables in it? Then run the command again"


def reason_of(error: DBAPIError) -> str:
    """What the driver says; the first line only, since drivers add the parameters of the connection below it."""
    return str(error.orig).splitlines()[0] if error.orig is not None else "unknown error"


@contextmanager
def _reaching(database: Database) -> Iterator[None]:
    """Turns what the driver says about a database that is not there, or is something else, into a Failure."""
    try:
        yield
    except DatabaseError as error:
        database.close()
        raise Failure(f"cannot use the database {database.name}: {reason_of(error)}", WHAT_TO_DO, NOT_READY) from None
    except Failure:
        database.close()
        raise
