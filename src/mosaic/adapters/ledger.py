"""A small durable ledger: named buckets of typed structs in one SQLite file.

What `put` or a `transaction` has returned from is on the disk (WAL with
`synchronous=FULL`), and a process killed between any two lines leaves either
all of a transaction or nothing of it. Values are JSON, so that a person with
the `sqlite3` shell can read a ledger. The file is 0600: some values are keys.

One process owns a ledger; its threads may share it. What belongs into which
bucket is the caller's.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from mosaic.adapters.private_file import DISK_ERRORS
from mosaic.core.errors import Corrupt, Unavailable

T = TypeVar("T")

_FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID
"""


class LedgerUnreadable(Corrupt):
    """The ledger's file, or an entry in it, is not what this program wrote."""

    code = "ledger-unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the ledger {path} cannot be read: {reason}",
            hint="it is kept as it is; restore it from a backup, or run the Mosaic that wrote it",
        )


class LedgerNotWritten(Unavailable):
    """The ledger's file system refused a write. Nothing of the transaction was written."""

    code = "ledger-not-written"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the ledger {path} could not be written: {reason}", hint="make room on its disk, or look at it"
        )


class Ledger:
    """One ledger file. Close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open or create the ledger.

        Raises:
            LedgerUnreadable: the file is damaged or too new.
            LedgerNotWritten: its disk takes nothing now.
        """
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
            raise LedgerNotWritten(path, error.strerror or str(error)) from error
        path.chmod(0o600)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            self._prepare()
        except sqlite3.OperationalError as error:
            # Opening writes a little. A disk that takes nothing now says nothing about what is on it.
            self._connection.close()
            raise LedgerNotWritten(path, str(error)) from error
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise LedgerUnreadable(path, str(error)) from error
        except LedgerUnreadable:
            self._connection.close()
            raise

    def bucket(self, name: str, kind: type[T]) -> "Bucket[T]":
        """Return the bucket of that name, whose values are all of `kind`."""
        return Bucket(self, name, kind)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen together, or not at all when an exception leaves the block. Nested ones join it."""
        with self._lock:
            self._depth += 1
            try:
                if self._depth > 1:
                    yield
                    return
                self.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self.execute("COMMIT")
                except BaseException:  # whatever ends the block, a cancellation too, takes its writes with it
                    # A full disk may have rolled it back by itself.
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            finally:
                self._depth -= 1

    def close(self) -> None:
        """Close the file. Nothing is lost when this is never called."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def execute(self, statement: str, *values: str) -> list[tuple[str, ...]]:
        """For Bucket: run one statement and return its rows."""
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                raise LedgerNotWritten(self.path, str(error)) from error
            except sqlite3.DatabaseError as error:
                raise LedgerUnreadable(self.path, str(error)) from error

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        if found > _FORMAT:
            raise LedgerUnreadable(self.path, f"its format is {found}, and this program knows {_FORMAT}")
        self._connection.execute(_SCHEMA)
        self._connection.execute(f"PRAGMA user_version = {_FORMAT}")


class Bucket(Generic[T]):
    """Entries of one kind, by key. Each write is a transaction, or part of the one around it."""

    def __init__(self, ledger: Ledger, name: str, kind: type[T]) -> None:
        self._ledger = ledger
        self._name = name
        self._kind = kind

    def get(self, key: str) -> T | None:
        """Return the entry, or None when there is none of that key."""
        rows = self._ledger.execute("SELECT value FROM entries WHERE bucket = ? AND key = ?", self._name, key)
        return self._read(key, rows[0][0]) if rows else None

    def put(self, key: str, value: T) -> None:
        """Write the entry, in place of an older one of that key."""
        text = msgspec.json.encode(value).decode()
        with self._ledger.transaction():
            self._ledger.execute(
                "INSERT INTO entries VALUES (?, ?, ?) ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value",
                self._name,
                key,
                text,
            )

    def delete(self, key: str) -> None:
        """Remove the entry; none of that key is fine."""
        with self._ledger.transaction():
            self._ledger.execute("DELETE FROM entries WHERE bucket = ? AND key = ?", self._name, key)

    def delete_between(self, first: str, end: str) -> None:
        """Remove the entries from the key `first` to before `end`."""
        with self._ledger.transaction():
            self._ledger.execute(
                "DELETE FROM entries WHERE bucket = ? AND key >= ? AND key < ?", self._name, first, end
            )

    def items(self) -> dict[str, T]:
        """Return all entries, sorted by key."""
        rows = self._ledger.execute("SELECT key, value FROM entries WHERE bucket = ? ORDER BY key", self._name)
        return {key: self._read(key, value) for key, value in rows}

    def _read(self, key: str, text: str) -> T:
        try:
            return msgspec.json.decode(text, type=self._kind)
        except msgspec.MsgspecError as error:
            # The text is not repeated: it may hold a key.
            raise LedgerUnreadable(self._ledger.path, f"entry {key!r} of {self._name!r} has another shape") from error
