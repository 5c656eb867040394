"""Changes of what is routed, numbered one after the other, and waiting for the next.

`next_change` locks the counter until its transaction ends, so all changes of a
group are made one after the other, and who has seen number n has seen all up to
it. On PostgreSQL a waiting gateway is told at the commit; on SQLite it looks.
"""

import threading
import time
from typing import TypeAlias

from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from mosaic.adapters.sql.engine import Database, DatabaseUnavailable, Tx
from mosaic.adapters.sql.gateway import schema

Change: TypeAlias = int
"""The number of a change."""

_CHANNEL = "mosaic_gateway"
_COUNTER = "change"
_LOOK_SECONDS = 0.5

_counters = schema.counters.c


def next_change(tx: Tx) -> Change:
    """Return the number of the change that this transaction makes. Other changes wait until it ends."""
    tx.execute(update(schema.counters).where(_counters.name == _COUNTER).values(value=_counters.value + 1))
    if tx.dialect.name == "postgresql":
        tx.execute(select(func.pg_notify(_CHANNEL, "")))
    return newest(tx)


def newest(tx: Tx) -> Change:
    """Return the number of the last change."""
    return int(tx.scalar(select(_counters.value).where(_counters.name == _COUNTER)) or 0)


class Changes:
    """Waits for changes, with a connection of its own on PostgreSQL. For one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listening: Listening | None = None
        self._stopped = threading.Event()

    def wait(self, seen: Change, *, seconds: float) -> Change:
        """Return the number of the last change as soon as it is above `seen`, or after that many seconds.

        Raises DatabaseUnavailable.
        """
        deadline = time.monotonic() + seconds
        if self._listening is None and self._database.engine.dialect.name == "postgresql":
            self._listening = Listening(self._database)
        while True:
            with self._database.read() as tx:
                found = newest(tx)
            left = deadline - time.monotonic()
            if found > seen or left <= 0 or self._stopped.is_set():
                return found
            if self._listening is None:
                self._stopped.wait(min(left, _LOOK_SECONDS))
                continue
            try:
                self._listening.hear(min(left, _LOOK_SECONDS))
            except DatabaseUnavailable:
                self.close()
                raise

    def stop(self) -> None:
        """Have whoever waits return soon. Another thread may call it."""
        self._stopped.set()

    def close(self) -> None:
        """Stop listening. May be called twice."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None


class Listening:
    """A connection to PostgreSQL that hears of changes, those too that were made since it was opened."""

    def __init__(self, database: Database) -> None:
        self._where = database.where
        try:
            self._connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.exec_driver_sql(f"LISTEN {_CHANNEL}")
        except DBAPIError as error:
            raise DatabaseUnavailable(self._where, str(error.orig)) from error

    def hear(self, seconds: float) -> None:
        """Return when there was a change, or after that many seconds. Raises DatabaseUnavailable."""
        import psycopg

        driver = self._connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        try:
            for _ in driver.notifies(timeout=seconds, stop_after=1):
                pass
        except psycopg.Error as error:
            raise DatabaseUnavailable(self._where, str(error)) from error

    def close(self) -> None:
        """Let the connection go; it is not used again, because it still listens."""
        self._connection.invalidate()
        self._connection.close()
