"""Copying an SQLite database that is in use: one instant of it, whatever its writers do meanwhile.

SQLite's own backup copies page by page, so that pages which did not change
are at the same place in the next copy, and a store that keeps chunks is sent
the changed ones alone.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from mosaic.adapters.private_file import sync_folder
from mosaic.core.errors import Corrupt, Unavailable

_BUSY_SECONDS = 30.0


class DatabaseNotCopied(Unavailable):
    """The database could not be read just now."""

    code = "database-not-copied"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} could not be copied: {reason}", hint="it is tried again by itself; look at its disk")


class DatabaseDamaged(Corrupt):
    """A database file is not whole."""

    code = "database-damaged"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged: {reason}", hint="take an older copy of it; this one was left as it is")


def copy_database(source: Path, target: Path) -> None:
    """Put a copy of one instant of `source` in place of `target`, durably. Raises DatabaseNotCopied."""
    draft = target.with_name(f"{target.name}.new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as read,
            contextlib.closing(sqlite3.connect(draft)) as written,
        ):
            read.backup(written)
            # A copy stands alone: without this, whoever opens it would look for the log of the original.
            written.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        draft.unlink(missing_ok=True)
        raise DatabaseNotCopied(source, str(error)) from error
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(target)
    sync_folder(target.parent)


def check_database(path: Path) -> None:
    """Return when the file is a whole database. Raises DatabaseDamaged."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as opened:
            said = opened.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise DatabaseDamaged(path, str(error)) from error
    if said != "ok":
        raise DatabaseDamaged(path, said)
