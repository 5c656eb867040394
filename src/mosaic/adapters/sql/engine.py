"""Opening the database, and transactions.

SQLite (WAL, `synchronous=FULL`) and PostgreSQL behave the same here: a `write`
that returned is on the disk, one that raised left nothing, and a `read` sees
one instant. What two writers might both decide on is locked by row first
(`with_for_update`); SQLite has one writer at a time, which is stronger.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InternalError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from mosaic.core.errors import Conflict, Refused, Unavailable

Tx: TypeAlias = Connection
"""A transaction. Callers pass it on and never use it themselves."""

_WRITES = "mosaic_writes"
_BUSY_SECONDS = 10


class DatabaseUnavailable(Unavailable):
    """The database did not open or did not answer. Nothing of the transaction was written."""

    code = "database-unavailable"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"the database ({where}) did not answer: {reason}",
            hint="look at its disk and its server, and try again",
        )


class ChangedMeanwhile(Conflict):
    """Somebody else wrote what this transaction was about to write. Nothing of it was written."""

    code = "changed-meanwhile"

    def __init__(self) -> None:
        super().__init__(
            "somebody else changed the same thing at the same moment", hint="look at it again, then decide again"
        )


class DatabaseUrlUnreadable(Refused):
    """The configured address is not one of a database that this program knows."""

    code = "database-url-unreadable"

    def __init__(self) -> None:
        super().__init__(
            "the database URL is not one that Mosaic knows",
            hint="give postgresql://user@host/name, or nothing for an SQLite file in the state folder",
        )


class Database:
    """One open database. Thread-safe; close it at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.where = engine.url.render_as_string(hide_password=True)
        self._on_sqlite = engine.dialect.name == "sqlite"
        # SQLite waits for its one writer by polling; waiting here costs nothing and is fair.
        self._turn: contextlib.AbstractContextManager[object] = (
            threading.Lock() if self._on_sqlite else contextlib.nullcontext()
        )

    @contextlib.contextmanager
    def read(self) -> Iterator[Tx]:
        """One consistent look. Nothing may be written in it."""
        with self._translated(), self.engine.connect() as connection:
            if not self._on_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Tx]:
        """One transaction: all of it is durable when this returns, or none of it when it raises."""
        with self._translated(), self._turn, self.engine.connect() as connection:
            connection = connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection. Nothing is lost when this is never called."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise ChangedMeanwhile from error
        except (OperationalError, InternalError) as error:
            # The second is how a server that only reads says so, as one does after it was replaced.
            raise DatabaseUnavailable(self.where, str(error.orig)) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailable(self.where, str(error.orig)) from error
            raise


def open_sqlite(path: Path) -> Database:
    """Open or create the SQLite file, readable by its owner alone. Its tables are `migrations.upgrade`'s."""
    path.touch(mode=0o600, exist_ok=True)
    path.chmod(0o600)
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=8,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine)


def open_url(url: str) -> Database:
    """Open a database server, by a URL such as `postgresql://user@host/name`. Raises DatabaseUrlUnreadable."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            return open_sqlite(Path(parsed.database))
        if parsed.get_backend_name() != "postgresql":
            raise DatabaseUrlUnreadable
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=4,
            max_overflow=12,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": _BUSY_SECONDS,
                "options": "-c lock_timeout=10s -c statement_timeout=30s",
                # A server whose line went dead says nothing, and the system alone would wait for a quarter of an hour.
                "tcp_user_timeout": 20_000,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 2,
            },
        )
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise DatabaseUrlUnreadable from error
    return Database(engine)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own implicit BEGIN would be a deferred one.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {_BUSY_SECONDS}000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
