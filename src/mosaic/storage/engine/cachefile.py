"""A SQLite file that is only a cache: replaced, never repaired."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from mosaic.core.errors import Unavailable

_WAIT_SECONDS = 10.0
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class CacheDamaged(Unavailable):
    """The engine's memory cannot be read, and was deleted."""

    code = "cache-damaged"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"what this machine remembers in {path.name} was damaged, and is forgotten",
            hint="nothing to do: it is a memory only, and the next try makes it anew",
        )


def open_cache(path: Path | None, *, schema: str, version: int) -> sqlite3.Connection:
    """Open the cache, or begin a new one when the file is missing, of another version, or not SQLite at all.

    None keeps it in a temporary file of SQLite's own. The connection may move
    between threads, and is used by one at a time. Whoever only reads may open
    a finished one while another writes.
    """
    if path is None:
        return _prepared(sqlite3.connect("", check_same_thread=False), schema, version)
    try:
        return _prepared(_connect(path), schema, version)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        _delete(path)
        return _prepared(_connect(path), schema, version)


@contextlib.contextmanager
def replaced_if_damaged(path: Path) -> Iterator[None]:
    """Delete the cache when what is done with it meets damage: a page in the middle is read late.

    Close the cache before this ends.

    Raises:
        CacheDamaged: it is gone; do all of it again.
    """
    try:
        yield
    except CacheDamaged:
        # SQLite does not say which of two that are open was damaged: both are made anew.
        _delete(path)
        raise
    except sqlite3.DatabaseError as error:
        # The lowest byte is the kind; the others say where.
        if error.sqlite_errorcode & 0xFF not in _DAMAGE:
            raise
        _delete(path)
        raise CacheDamaged(path) from error


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_WAIT_SECONDS, check_same_thread=False)


def _prepared(rows: sqlite3.Connection, schema: str, version: int) -> sqlite3.Connection:
    try:
        # WAL and NORMAL: after a power cut the cache is an older one of ours, never a torn one.
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = NORMAL")
        (found,) = rows.execute("PRAGMA user_version").fetchone()
        if found == version:
            # Nothing is written: another thread may hold the lock for as long as an upload takes.
            return rows
        if found != 0:
            raise sqlite3.DatabaseError
        rows.executescript(schema)
        rows.execute(f"PRAGMA user_version = {version:d}")
    except sqlite3.Error:
        rows.close()
        raise
    return rows
