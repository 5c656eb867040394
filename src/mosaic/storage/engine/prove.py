"""Proving that a folder holds exactly a stored state: every name, kind, byte, link, mode and time, and nothing else.

Of the store only the tree is read. A chunk's id is a keyed hash of its
content, so a file whose blocks have the ids that the tree names has the bytes
that were stored. The folder is read from its disk and not from memory.

Owners, and attributes that only root may write, are compared by root alone.
"""

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mosaic.core.errors import Corrupt
from mosaic.crypto.hashing import blob_id
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.attributes import PRIVILEGED_PREFIXES, read_xattrs, unfollowed
from mosaic.storage.engine.beneath import Components, open_beneath, open_root
from mosaic.storage.engine.content import chunk_bytes, stored_chunks
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.listing import Listed, walk
from mosaic.storage.engine.records import CHUNK_BYTES, NodeType, Xattrs
from mosaic.storage.engine.roots import OnProgress, Progress, RootRef, Skipped, ignore_progress, shown
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.tree import Tree

_BLOCK_BYTES = 1024 * 1024
_MOST_NAMED = 1000

_TYPES = {
    stat.S_IFREG: NodeType.FILE,
    stat.S_IFDIR: NodeType.DIRECTORY,
    stat.S_IFLNK: NodeType.SYMLINK,
    stat.S_IFIFO: NodeType.FIFO,
}


@dataclass(frozen=True, slots=True)
class Proof:
    """What `prove` compared. `differing` names at most 1,000 of the `difference_count` paths that are not as stored.

    `files` counts one with several names once; `content_bytes` is what was read and compared of them, holes left out.
    """

    files: int
    directories: int
    content_bytes: int
    difference_count: int
    differing: tuple[Skipped, ...]


def prove(
    root: RootRef,
    keys: VolumeKeys,
    store: Store,
    folder: Path,
    *,
    known: ChunkIndex,
    unheld: Collection[str] = (),
    on_progress: OnProgress = ignore_progress,
) -> Proof:
    """Compare a folder that nobody writes to with a stored state.

    Attributes of the paths `unheld` (as a restore told them) are not compared:
    the folder's file system can't hold them. `known` must have been loaded
    from this store.

    Raises:
        Unavailable: the store did not answer.
        Corrupt: not even the root can be read.
        OSError: the folder can't be read.
    """
    with Fetcher(keys, store, known) as fetcher:
        tree = Tree(fetcher.get, root)
        folder_fd = open_root(folder)
        try:
            run = _Run(tree, keys, known, folder_fd, frozenset(unheld))
            run.compare(on_progress)
        finally:
            os.close(folder_fd)
    return Proof(run.files, run.directories, run.content_bytes, run.difference_count, tuple(run.differing))


class _Run:
    """One comparison."""

    def __init__(self, tree: Tree, keys: VolumeKeys, known: ChunkIndex, folder_fd: int, unheld: frozenset[str]) -> None:
        self._tree = tree
        self._keys = keys
        self._known = known
        self._folder_fd = folder_fd
        self._unheld = unheld
        self._root = os.geteuid() == 0
        self._inodes: dict[int, tuple[int, int]] = {}
        self._nodes: dict[tuple[int, int], int] = {}
        self._parent: tuple[Components, int] | None = None
        self.files = 0
        self.directories = 0
        self.content_bytes = 0
        self.difference_count = 0
        self.differing: list[Skipped] = []

    def compare(self, on_progress: OnProgress) -> None:
        names = 0
        total = self._tree.root.content_bytes
        try:
            for listed in walk(self._tree, lambda path, damage: self._differs(path, damage.message)):
                names += 1
                self._compare(listed)
                on_progress(Progress(self.files, self.content_bytes, total))
        finally:
            if self._parent is not None:
                os.close(self._parent[1])
        more = sum(1 for _ in _everything(self._folder_fd)) + 1 - names
        if more > 0:
            self._differs((), f"it holds {more} names more than were stored")

    def _differs(self, path: Components, reason: str) -> None:
        self.difference_count += 1
        if len(self.differing) < _MOST_NAMED:
            self.differing.append(Skipped(shown(b"/".join(path)) or ".", reason))

    def _compare(self, listed: Listed) -> None:
        try:
            for reason in self._reasons(listed):
                self._differs(listed.path, reason)
                break
        except OSError as error:
            self._differs(listed.path, error.strerror or "it cannot be read")

    def _reasons(self, listed: Listed) -> Iterator[str]:
        """Yield what is not as it was stored. The first is enough."""
        dir_fd = self._within(listed.parent)
        name = listed.name or b"."
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        yield from self._described(listed, status)
        if shown(b"/".join(listed.path)) not in self._unheld:
            found = read_xattrs(unfollowed(dir_fd, name))
            if self._comparable(found) != self._comparable(listed.node.xattrs):
                yield "its extended attributes are others"
        match listed.node.type:
            case NodeType.DIRECTORY:
                self.directories += 1
            case NodeType.FILE:
                yield from self._file(listed, dir_fd, status)
            case NodeType.SYMLINK:
                if os.readlink(name, dir_fd=dir_fd) != listed.node.tail:
                    yield "it points elsewhere"
            case NodeType.FIFO:
                pass

    def _described(self, listed: Listed, status: os.stat_result) -> Iterator[str]:
        node = listed.node
        if _TYPES.get(stat.S_IFMT(status.st_mode)) is not node.type:
            yield "it is of another type"
        if node.type is not NodeType.SYMLINK and stat.S_IMODE(status.st_mode) != node.mode:
            yield f"its mode is {stat.S_IMODE(status.st_mode):o}, and {node.mode:o} was stored"
        if status.st_mtime_ns != node.mtime_ns:
            yield "its modification time is another one"
        if self._root and (status.st_uid, status.st_gid) != (node.uid, node.gid):
            yield f"its owner is {status.st_uid}:{status.st_gid}, and {node.uid}:{node.gid} was stored"

    def _comparable(self, xattrs: Xattrs) -> Xattrs:
        return tuple(one for one in xattrs if self._root or not one[0].startswith(PRIVILEGED_PREFIXES))

    def _file(self, listed: Listed, dir_fd: int, status: os.stat_result) -> Iterator[str]:
        if status.st_size != listed.node.size:
            yield f"it is {status.st_size} bytes long, and {listed.node.size} were stored"
        if listed.node.links > 1:
            inode = (status.st_dev, status.st_ino)
            met = listed.number in self._inodes
            # Names of one stored file are names of one file, and of no other.
            same = self._inodes.setdefault(listed.number, inode) == inode
            if not same or self._nodes.setdefault(inode, listed.number) != listed.number:
                yield "its names belong to other files than they did"
            if met:
                return
        self.files += 1
        fd = os.open(listed.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            # What was just written is in memory, and nothing is proved of the disk by reading that.
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            yield from self._content(listed, fd)
        finally:
            os.close(fd)

    def _content(self, listed: Listed, fd: int) -> Iterator[str]:
        damage: list[Corrupt] = []
        at = 0
        for number, blob in stored_chunks(self._tree, listed.number, listed.node, damage.append):
            start, length = number * CHUNK_BYTES, chunk_bytes(listed.node, number)
            if not _is_zero(fd, at, start):
                yield f"bytes {at} to {start} are not zeros"
            block = os.pread(fd, length, start)
            self.content_bytes += len(block)
            if len(block) != length or not self._is(blob, block):
                yield f"its bytes from {start} on are others"
            at = start + length
        if damage:
            yield damage[0].message
        if not _is_zero(fd, at, listed.node.size):
            yield f"bytes {at} to {listed.node.size} are not zeros"

    def _is(self, blob: bytes, content: bytes) -> bool:
        if blob_id(self._keys.current.blob_id, content) == blob:
            return True
        # Packs of earlier data-key versions have ids under earlier keys.
        versions = {place.head.key_version for place in self._known.locations(blob)}
        return any(blob_id(self._keys.at(version).blob_id, content) == blob for version in versions)

    def _within(self, parent: Components) -> int:
        """Return a descriptor of a directory, the last one kept open: names of one directory come together."""
        if self._parent is None or self._parent[0] != parent:
            fd = open_beneath(self._folder_fd, parent)
            if self._parent is not None:
                os.close(self._parent[1])
            self._parent = (parent, fd)
        return self._parent[1]


def _is_zero(fd: int, start: int, end: int) -> bool:
    """Tell whether a file has nothing but zeros here. Holes are not read."""
    while start < end:
        try:
            start = os.lseek(fd, start, os.SEEK_DATA)
        except OSError:
            # There is no data up to the file's end.
            return True
        block = os.pread(fd, min(_BLOCK_BYTES, max(0, end - start)), start)
        if block.count(0) != len(block):
            return False
        if not block:
            return True
        start += len(block)
    return True


def _everything(fd: int) -> Iterator[None]:
    """Yield once for each name below a directory."""
    left: list[Components] = [()]
    while left:
        path = left.pop()
        below = open_beneath(fd, path)
        try:
            with os.scandir(below) as entries:
                for entry in entries:
                    yield None
                    if entry.is_dir(follow_symlinks=False):
                        left.append((*path, os.fsencode(entry.name)))
        finally:
            os.close(below)
