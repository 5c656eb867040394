"""Using a local directory that holds another state of the volume, so that little has to be fetched.

The base is trusted to be what its root says: whoever passes it kept it
read-only since it was replicated or restored.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mosaic.core.errors import Corrupt
from mosaic.storage.engine.beneath import Components, directory, open_root
from mosaic.storage.engine.content import stored_chunks
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.listing import Listed
from mosaic.storage.engine.records import ALL_ENTRIES, ROOT_NODE, Node, NodeType, decode_entry, entry_name, node_of
from mosaic.storage.engine.reflink import clone
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.tree import Tree

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEPTH_MAX = 4096


class Base:
    """A state that lies in a local directory."""

    def __init__(self, top_fd: int, tree: Tree) -> None:
        self._top_fd = top_fd
        self._tree = tree
        self._names = sqlite3.connect("", check_same_thread=False)
        self._names.execute("CREATE TABLE names (node INTEGER PRIMARY KEY, parent INTEGER, name BLOB)")
        self._names.executemany(
            "INSERT OR IGNORE INTO names VALUES (?, ?, ?)",
            ((decode_entry(value), node_of(key), entry_name(key)) for key, value in tree.range(ALL_ENTRIES)),
        )

    @classmethod
    @contextmanager
    def opened(cls, base: tuple[Path, RootRef] | None, fetcher: Fetcher) -> Iterator["Base | None"]:
        """Have the base open; None when there is none, or when its stored tree is damaged."""
        if base is None:
            yield None
            return
        path, root = base
        top_fd = open_root(path)
        try:
            try:
                opened = cls(top_fd, Tree(fetcher.get, root))
            except Corrupt:
                yield None
            else:
                yield opened
                opened._names.close()
        finally:
            os.close(top_fd)

    def clone(self, listed: Listed, target: int) -> Iterator[tuple[int, bytes]] | None:
        """Make the empty file `target` hold what the base has for this node; return that file's chunks.

        None when the base has no such file; `target` is then still empty.
        """
        try:
            node = self._tree.node(listed.number)
            if node is None or node.type is not NodeType.FILE or node.size == 0:
                return None
            # All of them now: a page that can't be read must be known before anything is cloned.
            chunks = list(stored_chunks(self._tree, listed.number, node))
            path = self._path(listed.number)
        except Corrupt:
            return None
        source = self._open(path, node) if path else None
        if source is None:
            return None
        try:
            clone(source, target)
        finally:
            os.close(source)
        return iter(chunks)

    def _open(self, path: Components, node: Node) -> int | None:
        """Return a descriptor of the base's file; None when the file there is plainly not the one of its state."""
        try:
            with directory(self._top_fd, path[:-1]) as dir_fd:
                source = os.open(path[-1], _READ, dir_fd=dir_fd)
        except OSError:
            return None
        status = os.fstat(source)
        if stat.S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns) == (node.size, node.mtime_ns):
            return source
        os.close(source)
        return None

    def _path(self, number: int) -> Components | None:
        names: list[bytes] = []
        while number != ROOT_NODE:
            row: tuple[int, bytes] | None = self._names.execute(
                "SELECT parent, name FROM names WHERE node = ?", (number,)
            ).fetchone()
            if row is None or len(names) > _DEPTH_MAX:
                return None
            number, name = row
            names.append(name)
        return tuple(reversed(names))
