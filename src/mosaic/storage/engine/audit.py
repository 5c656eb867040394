"""Comparing files with the stored state that they are said to be, to find what the search for changes overlooked.

Everything is read from the disk; of the store only the tree is. Neither the
kernel's hints nor what this machine remembers decide what is looked at. Where
there is no snapshot that stands still, the live files are compared instead,
and `claimed` tells of which of them it is claimed that they did not change:
that claim is what is tried then, and what changed since is left out.

Directories are compared name by name, so that memory does not grow with the
volume, and a file that is too much is named as well as one that is missing.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mosaic.crypto.hashing import blob_id
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.attributes import read_xattrs
from mosaic.storage.engine.beneath import Components, directory, open_beneath, open_root
from mosaic.storage.engine.content import ShortRead, read_chunks, stored_chunks
from mosaic.storage.engine.damage import SourceChanged
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.nodeset import NodeSet
from mosaic.storage.engine.records import (
    CHUNK_BYTES,
    ROOT_NODE,
    Node,
    NodeType,
    Xattrs,
    decode_entry,
    entries_of,
    entry_name,
)
from mosaic.storage.engine.roots import OnProgress, Progress, RootRef, Skipped, ignore_progress, shown
from mosaic.storage.engine.scan import Seen, describe, list_directory, open_file, read_special, reading
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.tree import Tree

MOST_NAMED = 100
_TOLD_BYTES = 1024 * 1024

Claimed: TypeAlias = Callable[[os.stat_result], int | None]
"""Returns the node that a file is, if it is claimed that it did not change since the state was stored."""

Held: TypeAlias = Callable[[Xattrs], Xattrs]
"""Returns those extended attributes that the files' file system can hold."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was compared. `differing` names at most 100 of the `difference_count` paths that are not as stored.

    A file with several names counts once, a directory that is too much or missing counts as one path.
    """

    files: int
    directories: int
    read_bytes: int
    difference_count: int
    differing: tuple[Skipped, ...]


def audit(
    root: RootRef,
    keys: VolumeKeys,
    store: Store,
    folder: Path,
    *,
    known: ChunkIndex,
    claimed: Claimed | None = None,
    held: Held | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Audit:
    """Compare a folder with a stored state.

    Without `claimed` nobody may write to the folder. `held` is asked when
    attributes are missing: a restore leaves out what its file system can't
    hold. `known` must know the packs of this store. `on_progress` is told
    after every file and megabyte, and may wait, or raise to end it.

    Raises:
        Unavailable: the store did not answer.
        Corrupt: the stored tree is damaged, or a file can't be read (SourceDamaged). Neither is a difference.
        SourceChanged: the folder changed while it was read.
    """
    with Fetcher(keys, store, known) as fetcher:
        tree = Tree(fetcher.get, root)
        with reading(()):
            top_fd = open_root(folder)
        run = _Run(tree, _Ids(keys, known), top_fd, claimed, held or _everything, on_progress)
        try:
            run.walk()
        finally:
            run.close()
            os.close(top_fd)
    return Audit(run.files, run.directories, run.read_bytes, run.difference_count, tuple(run.differing))


class _Different(Exception):
    """What is not as it was stored."""


class _Run:
    """One audit."""

    def __init__(
        self,
        tree: Tree,
        ids: "_Ids",
        top_fd: int,
        claimed: Claimed | None,
        held: Held,
        on_progress: OnProgress,
    ) -> None:
        self._tree = tree
        self._ids = ids
        self._top_fd = top_fd
        self._claimed = claimed
        self._held = held
        self._on_progress = on_progress
        self._numbers = NodeSet()
        # Which file each of several names is. On the disk: there may be a million of them.
        self._linked: NodeMap | None = None
        self._untold = 0
        self.files = 0
        self.directories = 0
        self.read_bytes = 0
        self.difference_count = 0
        self.differing: list[Skipped] = []

    def walk(self) -> None:
        top = Seen(b"", os.fstat(self._top_fd), NodeType.DIRECTORY)
        self._numbers.add(ROOT_NODE)
        left: list[tuple[int, Components]] = []
        self._compare(self._top_fd, top, ROOT_NODE, ())
        left.append((ROOT_NODE, ()))
        while left:
            parent, path = left.pop()
            try:
                with reading(path), directory(self._top_fd, path) as fd:
                    for number, seen in self._both(fd, path, parent, device=top.stat.st_dev):
                        inner = (*path, seen.name)
                        if self._compare(fd, seen, number, inner) and seen.type is NodeType.DIRECTORY:
                            left.append((number, inner))
            except SourceChanged:
                if self._claimed is None:
                    raise
            self._tell(0)

    def close(self) -> None:
        if self._linked is not None:
            self._linked.close()

    def _differs(self, path: Components, reason: str) -> None:
        self.difference_count += 1
        if len(self.differing) < MOST_NAMED:
            self.differing.append(Skipped(shown(b"/".join(path)) or ".", reason))

    def _tell(self, read: int) -> None:
        self._untold += read
        if not read or self._untold >= _TOLD_BYTES:
            self._untold = 0
            self._on_progress(Progress(self.files, self.read_bytes, self._tree.root.content_bytes))

    def _both(self, fd: int, path: Components, parent: int, *, device: int) -> Iterator[tuple[int, Seen]]:
        """Yield the names that are here and stored. What is only in one of the two is a difference."""
        is_claimed = self._is_claimed_directory(fd, parent)
        stored = self._entries(parent)
        wanted = next(stored, None)
        alone = _Alone()
        for seen in self._listed(fd, path, device=device):
            name = seen.name
            while wanted is not None and wanted[0] < name:
                alone.add(wanted[0], "it is stored, and not here")
                wanted = next(stored, None)
            if wanted is not None and wanted[0] == name:
                yield wanted[1], seen
                wanted = next(stored, None)
            else:
                alone.add(name, "it is here, and not stored")
        while wanted is not None:
            alone.add(wanted[0], "it is stored, and not here")
            wanted = next(stored, None)
        # Asked again: it may have changed while it was listed.
        if alone.count and is_claimed and self._is_claimed_directory(fd, parent):
            for name, reason in alone.first:
                self._differs((*path, name), reason)
            self.difference_count += alone.count - len(alone.first)

    def _listed(self, fd: int, path: Components, *, device: int) -> Iterator[Seen]:
        """Yield what there is to be stored. What is a socket or a device here, and a file there, is not here."""
        try:
            for seen in list_directory(fd, path, device=device):
                if isinstance(seen, Seen):
                    yield seen
        except SourceChanged:
            if self._claimed is None:
                raise

    def _is_claimed_directory(self, fd: int, number: int) -> bool:
        return self._claimed is None or self._claimed(os.fstat(fd)) == number

    def _entries(self, parent: int) -> Iterator[tuple[bytes, int]]:
        for key, value in self._tree.range(entries_of(parent)):
            yield entry_name(key), decode_entry(value)

    def _compare(self, dir_fd: int, seen: Seen, number: int, path: Components) -> bool:
        """Compare one name. Returns whether a directory is to be entered."""
        if self._claimed is not None and self._claimed(seen.stat) != number:
            # Changed since, or something else by now. What is below a directory may still be as it was.
            stored = self._tree.node(number) if seen.type is NodeType.DIRECTORY else None
            return stored is not None and stored.type is NodeType.DIRECTORY and self._numbers.add(number)
        try:
            self._check(dir_fd, seen, number, path)
        except _Different as different:
            if self._claimed is None or self._is_still(dir_fd, seen, number):
                self._differs(path, str(different))
            return False
        except SourceChanged:
            if self._claimed is None:
                raise
            return False
        self._tell(0)
        return True

    def _is_still(self, dir_fd: int, seen: Seen, number: int) -> bool:
        """Whether it is claimed now, after it was read, that it did not change."""
        assert self._claimed is not None
        try:
            now = os.stat(seen.name or b".", dir_fd=dir_fd, follow_symlinks=False)
        except OSError:
            return False
        return now.st_ino == seen.stat.st_ino and self._claimed(now) == number

    def _check(self, dir_fd: int, seen: Seen, number: int, path: Components) -> None:
        """Raises _Different with the first thing that is not as it was stored."""
        node = self._tree.node(number)
        if node is None:
            raise _Different("its name is stored, and nothing else of it")
        self._check_described(seen, node)
        if not self._is_first_name(seen, number):
            return
        match seen.type:
            case NodeType.DIRECTORY:
                self.directories += 1
                with reading(path), _opened(dir_fd, seen) as fd:
                    self._check_xattrs(read_xattrs(fd), node)
            case NodeType.FILE:
                self.files += 1
                self._check_file(dir_fd, seen, number, node, path)
            case NodeType.SYMLINK | NodeType.FIFO:
                found = read_special(dir_fd, seen, path)
                if found.tail != node.tail:
                    raise _Different("it points elsewhere")
                self._check_xattrs(found.xattrs, node)

    def _check_described(self, seen: Seen, node: Node) -> None:
        now = describe(seen, xattrs=(), tail=b"")
        if now.type is not node.type:
            raise _Different("it is of another type")
        if now.size != node.size:
            raise _Different(f"it is {now.size} bytes long, and {node.size} are stored")
        if now.mode != node.mode:
            raise _Different(f"its mode is {now.mode:o}, and {node.mode:o} is stored")
        if (now.uid, now.gid) != (node.uid, node.gid):
            raise _Different(f"its owner is {now.uid}:{now.gid}, and {node.uid}:{node.gid} is stored")
        if now.links != node.links:
            raise _Different(f"it has {now.links} names, and {node.links} are stored")
        # A claim names the time that the file has. Not every file system that is restored to can hold the stored one.
        if self._claimed is None and now.mtime_ns != node.mtime_ns:
            raise _Different("its modification time is another one")

    def _is_first_name(self, seen: Seen, number: int) -> bool:
        """Return whether the file was not met under another name. Raises _Different when names are parted or joined."""
        if seen.type is NodeType.DIRECTORY:
            if number != ROOT_NODE and not self._numbers.add(number):
                raise _Different("it is stored as a directory that has another name too")
            return True
        was = None
        if seen.stat.st_nlink > 1:
            if self._linked is None:
                self._linked = NodeMap()
            was = self._linked.find(seen.stat.st_ino)
            if was is None:
                self._linked.put(number, seen.stat)
        is_new = self._numbers.add(number)
        if (was is None) != is_new or (was is not None and was.node != number):
            raise _Different("its names belong to other files than those that are stored")
        return is_new

    def _check_xattrs(self, now: Xattrs, node: Node) -> None:
        if now == node.xattrs:
            return
        missing = tuple(one for one in node.xattrs if one not in now)
        if set(now) <= set(node.xattrs) and not self._held(missing):
            return
        raise _Different("its extended attributes are others")

    def _check_file(self, dir_fd: int, seen: Seen, number: int, node: Node, path: Components) -> None:
        try:
            with open_file(dir_fd, seen, path) as fd, reading(path):
                if self._claimed is None:
                    # From the disk, and not in the way of what an app has in memory.
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                self._check_xattrs(read_xattrs(fd), node)
                self._check_content(fd, number, node)
                if self._claimed is None:
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        except ShortRead as short:
            raise SourceChanged(shown(b"/".join(path))) from short

    def _check_content(self, fd: int, number: int, node: Node) -> None:
        stored = stored_chunks(self._tree, number, node)
        wanted = next(stored, None)
        for at, chunk in read_chunks(fd, node.size):
            if wanted is None or wanted[0] != at or not self._ids.is_of(wanted[1], chunk):
                first = at if wanted is None else min(at, wanted[0])
                raise _Different(f"its bytes from {first * CHUNK_BYTES} on are others than those that are stored")
            wanted = next(stored, None)
            self.read_bytes += len(chunk)
            self._tell(len(chunk))
        if wanted is not None:
            raise _Different(f"its bytes from {wanted[0] * CHUNK_BYTES} on are zeros, and others are stored")


class _Alone:
    """Names of one directory that are only here or only stored: the first of them, and how many there are."""

    def __init__(self) -> None:
        self.first: list[tuple[bytes, str]] = []
        self.count = 0

    def add(self, name: bytes, reason: str) -> None:
        self.count += 1
        if len(self.first) < MOST_NAMED:
            self.first.append((name, reason))


class _Ids:
    """Whether content has a stored id, under whichever version of the volume's key it was stored."""

    def __init__(self, keys: VolumeKeys, known: ChunkIndex) -> None:
        self._keys = keys
        self._known = known
        self._likely = keys.current.version

    def is_of(self, blob: bytes, content: bytes) -> bool:
        if self._has(blob, content, self._likely):
            return True
        earlier = set(range(1, self._keys.current.version + 1))
        for version in sorted(
            earlier | {place.head.key_version for place in self._known.locations(blob)}, reverse=True
        ):
            if self._has(blob, content, version):
                # Files that were stored together were stored under one version.
                self._likely = version
                return True
        return False

    def _has(self, blob: bytes, content: bytes, version: int) -> bool:
        return blob_id(self._keys.at(version).blob_id, content) == blob


@contextmanager
def _opened(dir_fd: int, seen: Seen) -> Iterator[int]:
    if not seen.name:
        yield dir_fd
        return
    fd = open_beneath(dir_fd, (seen.name,))
    try:
        yield fd
    finally:
        os.close(fd)


def _everything(xattrs: Xattrs) -> Xattrs:
    return xattrs
