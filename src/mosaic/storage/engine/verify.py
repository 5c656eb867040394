"""Proving that a state of a volume can be restored."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

from mosaic.core.errors import Corrupt
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.content import stored_chunks
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.listing import Listed, walk
from mosaic.storage.engine.records import NodeType
from mosaic.storage.engine.roots import OnProgress, Progress, RootRef, Verification, ignore_progress, shown
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.tree import Tree

_BATCH = 128


def verify(
    root: RootRef,
    keys: VolumeKeys,
    store: Store,
    *,
    known: ChunkIndex,
    on_progress: OnProgress = ignore_progress,
) -> Verification:
    """Read every stored byte that the state reaches, check it, and name the paths that are damaged.

    `known` must have been loaded from this store.

    Raises:
        Unavailable: the store did not answer; call again.
        Corrupt: not even the root can be read.
    """
    with Fetcher(keys, store, known) as fetcher, closing(_Needed(known)) as needed:
        tree = Tree(fetcher, root)
        run = _Run(tree)
        for listed in run.files():
            needed.extend(blob for _, blob in run.chunks(listed))
        on_progress(Progress(run.count, 0, tree.root.content_bytes))
        bad: set[bytes] = set()
        checked = 0
        for batch in needed.batches():
            for blob, content in fetcher.get_many(batch):
                if isinstance(content, Corrupt):
                    bad.add(blob)
                else:
                    checked += len(content)
            on_progress(Progress(run.count, checked, tree.root.content_bytes))
        if bad:
            for listed in _Run(tree).files():
                if any(blob in bad for _, blob in run.chunks(listed)):
                    run.damaged.add(shown(b"/".join(listed.path)))
        return Verification(run.count, needed.count(), fetcher.fetched_bytes, tuple(sorted(run.damaged)))


class _Run:
    """One walk over the files of a tree that notes what can't be listed."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.damaged: set[str] = set()
        self.count = 0

    def files(self) -> Iterator[Listed]:
        for listed in walk(self._tree, self._lost):
            if listed.node.type is NodeType.FILE:
                self.count += 1
                yield listed

    def chunks(self, listed: Listed) -> Iterator[tuple[int, bytes]]:
        return stored_chunks(self._tree, listed.number, listed.node, lambda damage: self._lost(listed.path, damage))

    def _lost(self, path: Components, _: Corrupt) -> None:
        self.damaged.add(shown(b"/".join(path)) or ".")


class _Needed:
    """The blobs to read, each once, in the order in which they lie in their packs. Kept on disk, not in memory."""

    def __init__(self, known: ChunkIndex) -> None:
        self._known = known
        self._rows = sqlite3.connect("", check_same_thread=False)
        self._rows.execute("CREATE TABLE needed (blob BLOB PRIMARY KEY, pack BLOB, start INTEGER) WITHOUT ROWID")

    def extend(self, blobs: Iterator[bytes]) -> None:
        for blob in blobs:
            found = self._known.find(blob)
            where = (found.head.pack, found.place.offset) if found else (b"", 0)
            self._rows.execute("INSERT OR IGNORE INTO needed VALUES (?, ?, ?)", (blob, *where))

    def batches(self) -> Iterator[list[bytes]]:
        rows = self._rows.execute("SELECT blob FROM needed ORDER BY pack, start")
        while batch := [blob for (blob,) in islice(rows, _BATCH)]:
            yield batch

    def count(self) -> int:
        (number,) = self._rows.execute("SELECT count(*) FROM needed").fetchone()
        return int(number)

    def close(self) -> None:
        self._rows.close()
