"""What this machine remembers of the state that it replicated or restored last.

Maps inode numbers to the node ids that the stored tree uses, with the size
and times each file had then. Node ids are the tree's own numbers, so they
stay the same when a restore gives every file another inode. It is a cache:
without it, files are matched by their paths and read again.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mosaic.storage.engine.cachefile import open_cache

CLOCK_STEP_NS = 1_000_000_000
"""A file whose ctime is this close to the snapshot may change again without its times moving: it is not trusted."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS nodes (
    inode INTEGER PRIMARY KEY, node INTEGER NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_node ON nodes (node);
CREATE TABLE IF NOT EXISTS state (
    one INTEGER PRIMARY KEY CHECK (one = 1), root BLOB NOT NULL, taken_ns INTEGER NOT NULL, source TEXT NOT NULL);
"""
_VERSION = 2
_HELD_ROWS = 2000
"""Rows are written many at a time: one statement for each takes longer than looking at the file did."""

_SIGN = 1 << 63


@dataclass(frozen=True, slots=True)
class Remembered:
    """One file as it was: its node, and what must still be equal for it to be unchanged."""

    node: int
    size: int
    mtime_ns: int
    ctime_ns: int


class NodeMap:
    """The memory of one subvolume. Used by one thread at a time.

    Changes count only once `commit` has returned; `rollback`, or a crash, leaves the state before.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, or make it; a file that is not a node map is replaced. None keeps it in memory."""
        self._rows: sqlite3.Connection = open_cache(path, schema=_SCHEMA, version=_VERSION)
        self._trusted_before_ns = 0
        self._held: dict[int, tuple[int, int, int, int]] = {}

    def begin(self, root: bytes | None) -> bool:
        """Start a transaction on the memory of `root`; forget all and return False when it is of another state."""
        self.rollback()
        row: tuple[bytes, int] | None = self._rows.execute("SELECT root, taken_ns FROM state").fetchone()
        self._rows.execute("BEGIN IMMEDIATE")
        if row is not None and row[0] == root:
            self._trusted_before_ns = row[1] - CLOCK_STEP_NS
            return True
        self._rows.execute("DELETE FROM nodes")
        self._rows.execute("DELETE FROM state")
        return False

    def recognised(self, root: bytes) -> Callable[[os.stat_result], bool] | None:
        """Return what tells whether a file is as it is remembered of `root`; None when another state is remembered.

        Only reads, so that it may be called while another one who opened the file writes.
        """
        row: tuple[bytes, int] | None = self._rows.execute("SELECT root, taken_ns FROM state").fetchone()
        if row is None or row[0] != root:
            return None
        self._trusted_before_ns = row[1] - CLOCK_STEP_NS

        def is_known(now: os.stat_result) -> bool:
            was = self.find(now.st_ino)
            return was is not None and self.unchanged(was, now)

        return is_known

    @contextmanager
    def claims(self, root: bytes) -> Iterator[Callable[[os.stat_result], int | None] | None]:
        """Have what tells which node a file is, if it is as it is remembered of `root`; None for another state.

        It stays the memory of `root` to the end, also when another one who
        opened the file writes: it is read in one transaction.
        """
        self.rollback()
        self._rows.execute("BEGIN")
        try:
            is_known = self.recognised(root)

            def node(now: os.stat_result) -> int | None:
                was = self.find(now.st_ino)
                return was.node if was is not None and self.unchanged(was, now) else None

            yield None if is_known is None else node
        finally:
            self.rollback()

    def distrust(self) -> None:
        """Forget everything, so that every file is read again."""
        self.begin(None)
        self._rows.commit()

    @property
    def source(self) -> str:
        """The uuid of the snapshot whose files are remembered; empty when it is not known."""
        row: tuple[str] | None = self._rows.execute("SELECT source FROM state").fetchone()
        return row[0] if row else ""

    def find(self, inode: int) -> Remembered | None:
        """Return what is remembered of an inode, None for a new one."""
        row = self._held.get(inode)
        if row is None:
            row = self._rows.execute(
                "SELECT node, size, mtime_ns, ctime_ns FROM nodes WHERE inode = ?", (_signed(inode),)
            ).fetchone()
        return None if row is None else Remembered(*row)

    def unchanged(self, was: Remembered, now: os.stat_result) -> bool:
        """Return whether the file is certainly the one that is remembered."""
        same = was.size == now.st_size and was.mtime_ns == _short(now.st_mtime_ns)
        return same and was.ctime_ns == _short(now.st_ctime_ns) and was.ctime_ns < self._trusted_before_ns

    def put(self, node: int, now: os.stat_result) -> None:
        """Remember a file as it is now."""
        self._held[now.st_ino] = (node, now.st_size, _short(now.st_mtime_ns), _short(now.st_ctime_ns))
        if len(self._held) >= _HELD_ROWS:
            self._write()

    def put_unread(self, node: int, inode: int) -> None:
        """Remember whose number an inode has, and that it has to be looked at again whatever it looks like."""
        self._held[inode] = (node, -1, 0, 0)

    def all(self) -> Iterator[tuple[int, int]]:
        """Yield (inode, node) of everything remembered. Nothing may be changed meanwhile."""
        self._write()
        for inode, node in self._rows.execute("SELECT inode, node FROM nodes"):
            yield inode % (1 << 64), node

    def count(self) -> int:
        """Return how many inodes are remembered."""
        self._write()
        (number,) = self._rows.execute("SELECT count(*) FROM nodes").fetchone()
        return int(number)

    def forget(self, inode: int) -> None:
        """Drop an inode that is gone."""
        self._held.pop(inode, None)
        self._rows.execute("DELETE FROM nodes WHERE inode = ?", (_signed(inode),))

    def forget_node(self, node: int) -> None:
        """Drop the file that had this node."""
        self._write()
        self._rows.execute("DELETE FROM nodes WHERE node = ?", (node,))

    def commit(self, root: bytes, *, taken_ns: int, source: str = "") -> None:
        """Make this the memory of `root`, whose snapshot has the uuid `source` and was cut at `taken_ns`."""
        self._write()
        self._rows.execute("INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?)", (root, taken_ns, source))
        self._rows.commit()

    def rollback(self) -> None:
        """Return to the last commit."""
        self._held.clear()
        self._rows.rollback()

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def _write(self) -> None:
        if self._held:
            rows = ((_signed(inode), *row) for inode, row in self._held.items())
            self._rows.executemany("INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?, ?)", rows)
            self._held.clear()


def _signed(inode: int) -> int:
    """SQLite's integers have a sign; inode numbers use all 64 bits."""
    return inode - (1 << 64) if inode & _SIGN else inode


def _short(instant_ns: int) -> int:
    """File systems know years that 63 bits of nanoseconds do not reach."""
    return instant_ns % _SIGN
