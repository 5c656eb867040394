"""A SQLite file that is only a cache: replaced, never repaired."""

import sqlite3
from pathlib import Path

_WAIT_SECONDS = 10.0


def open_cache(path: Path | None, *, schema: str, version: int) -> sqlite3.Connection:
    """Open the cache, or begin a new one when the file is missing, of another version, or not SQLite at all.

    None keeps it in a temporary file of SQLite's own. The connection may move
    between threads, and is used by one at a time.
    """
    if path is None:
        return _prepared(sqlite3.connect("", check_same_thread=False), schema, version)
    try:
        return _prepared(_connect(path), schema, version)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _prepared(_connect(path), schema, version)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_WAIT_SECONDS, check_same_thread=False)


def _prepared(rows: sqlite3.Connection, schema: str, version: int) -> sqlite3.Connection:
    try:
        # WAL and NORMAL: after a power cut the cache is an older one of ours, never a torn one.
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = NORMAL")
        (found,) = rows.execute("PRAGMA user_version").fetchone()
        if found not in (0, version):
            raise sqlite3.DatabaseError
        rows.executescript(schema)
        rows.execute(f"PRAGMA user_version = {version:d}")
    except sqlite3.Error:
        rows.close()
        raise
    return rows
