"""The changes of one replication, waiting to be merged into the tree in order of key.

They lie in a temporary file of SQLite's own, so that a million of them do not
lie in memory.
"""

import sqlite3
from collections.abc import Iterator

_HELD_ROWS = 2000


class Stage:
    """Puts and deletes; the last one for a key counts."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", check_same_thread=False)
        self._rows.execute("CREATE TABLE changes (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        self._held: list[tuple[bytes, bytes | None]] = []
        self.count = 0

    def put(self, key: bytes, value: bytes) -> None:
        """Have the record `key` hold `value`."""
        self._set(key, value)

    def delete(self, key: bytes) -> None:
        """Have no record `key`."""
        self._set(key, None)

    def forget(self, bounds: tuple[bytes, bytes]) -> None:
        """Leave the records from the first key to before the second as they are in the tree."""
        self._write()
        self._rows.execute("DELETE FROM changes WHERE key >= ? AND key < ?", bounds)
        (self.count,) = self._rows.execute("SELECT count(*) FROM changes").fetchone()

    def clear(self) -> None:
        """Forget all of them."""
        self._held.clear()
        self._rows.execute("DELETE FROM changes")
        self.count = 0

    def in_order(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield (key, value or None) by ascending key."""
        self._write()
        # Not `yield from`: that closes the cursor when it is given up, which fails once the stage was closed.
        for row in self._rows.execute("SELECT key, value FROM changes ORDER BY key"):  # noqa: UP028 (it closes the cursor)
            yield row

    def close(self) -> None:
        """Drop everything."""
        self._rows.close()

    def _set(self, key: bytes, value: bytes | None) -> None:
        self._held.append((key, value))
        self.count += 1
        if len(self._held) >= _HELD_ROWS:
            self._write()

    def _write(self) -> None:
        self._rows.executemany("INSERT OR REPLACE INTO changes VALUES (?, ?)", self._held)
        self._held.clear()
