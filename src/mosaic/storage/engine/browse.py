"""Looking into a stored state without restoring it: what is in a directory, what a file is, and its bytes.

Paths are tuples of names from the volume's directory, which is the empty one.
A symbolic link is a file whose target is told; it is never followed, neither
at the end of a path nor on the way. The tree is not trusted: whatever it says,
the answer is what is there, or Corrupt.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mosaic.core.errors import Corrupt, NotFound, Refused
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.file_stream import Stored, file_pieces, stream
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.listing import Listed, OnLost
from mosaic.storage.engine.records import (
    ROOT_NODE,
    NodeType,
    decode_entry,
    entries_of,
    entry_key,
    entry_name,
)
from mosaic.storage.engine.roots import RootRef, shown
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.tree import Tree

_TOP = "the volume's own directory"


class PathMissing(NotFound):
    """The stored state has nothing at this path."""

    code = "path-missing"

    def __init__(self, path: Components, reason: str, *, hint: str) -> None:
        super().__init__(f"{_told(path)} is not in this snapshot: {reason}", hint=hint)


class PathOfAnotherType(Refused):
    """A file was to be listed, or something else than a file to be read."""

    code = "path-of-another-type"

    def __init__(self, path: Components, *, type: NodeType, wanted: NodeType) -> None:
        super().__init__(
            f"{_told(path)} is {_A[type]}, not {_A[wanted]}",
            hint="list directories and read files; everything else is described by its entry alone",
        )


class PathDamaged(Corrupt):
    """What is stored of `path` can't be read whole."""

    code = "path-damaged"

    def __init__(self, path: Components, damage: Corrupt) -> None:
        super().__init__(
            f"{_told(path)} is damaged: {damage.message}",
            hint="look into an older snapshot, or another store's copy; other paths may be whole",
        )
        self.path = path


_A = {
    NodeType.FILE: "a file",
    NodeType.DIRECTORY: "a directory",
    NodeType.SYMLINK: "a symbolic link",
    NodeType.FIFO: "a fifo",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a path is. The top directory has no name; `target` is a symbolic link's, None for everything else.

    `mode` is the 12 permission bits, `uid` and `gid` are as the container
    sees them, `links` is how many names the file had.
    """

    name: bytes
    type: NodeType
    size: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    links: int
    target: bytes | None


@contextmanager
def browse(root: RootRef, keys: VolumeKeys, store: Store, *, known: ChunkIndex) -> Iterator["Browser"]:
    """Have a stored state open for looking. `known` must have been loaded from this store.

    Raises:
        Unavailable: the store did not answer.
        Corrupt: not even the root can be read.
    """
    with Fetcher(keys, store, known) as fetcher:
        yield Browser(Tree(fetcher.get, root), fetcher)


class Browser:
    """One stored state, as `browse` opens it. Used by one thread.

    Every method, and every iterator that one returned, may raise Unavailable
    (the store did not answer) and Corrupt.
    """

    def __init__(self, tree: Tree, fetcher: Fetcher) -> None:
        self._tree = tree
        self._fetcher = fetcher

    def stat(self, path: Components) -> Entry:
        """Return what a path is.

        Raises:
            PathMissing: there is nothing.
            PathDamaged: what is there can't be read.
        """
        return _entry(find(self._tree, path))

    def list(self, path: Components, *, after: bytes = b"") -> Iterator[Entry]:
        """Return what is in a directory, in the order of the names' bytes, beginning behind the name `after`.

        The names that can be read all come, and PathDamaged at the end when
        there are others. PathMissing and PathOfAnotherType come at once.
        """
        found = find(self._tree, path)
        if found.node.type is not NodeType.DIRECTORY:
            raise PathOfAnotherType(path, type=found.node.type, wanted=NodeType.DIRECTORY)
        return self._entries(found, after)

    def read(self, path: Components, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Return a file's bytes from `start` on, at most `length` of them, in blocks; holes are zeros.

        What lies beyond the end is nothing. A block may be of any length, and
        memory stays small however long the file is. PathMissing and
        PathOfAnotherType come at once, PathDamaged where the damage is met: no
        byte is ever made up.
        """
        if start < 0 or (length is not None and length < 0):
            raise ValueError("a range begins at 0 or later and is not shorter than 0")
        found = find(self._tree, path)
        if found.node.type is not NodeType.FILE:
            raise PathOfAnotherType(path, type=found.node.type, wanted=NodeType.FILE)
        size = found.node.size
        first = min(start, size)
        end = size if length is None else min(size, first + length)
        return self._blocks(found, (first, end))

    def _entries(self, found: Listed, after: bytes) -> Iterator[Entry]:
        first_damage: list[Corrupt] = []
        for listed in names(self._tree, found, lambda _, damage: first_damage.append(damage), after=after):
            yield _entry(listed)
        if first_damage:
            raise PathDamaged(found.path, first_damage[0])

    def _blocks(self, found: Listed, bounds: tuple[int, int]) -> Iterator[bytes]:
        def damaged(damage: Corrupt) -> None:
            raise PathDamaged(found.path, damage)

        def lost(_: Stored, damage: Corrupt) -> None:
            damaged(damage)

        pieces = file_pieces(self._tree, found, bounds, damaged)
        return (block for _, block in stream(pieces, self._fetcher, lost))


def find(tree: Tree, path: Components) -> Listed:
    """Return what a path is in a tree.

    Raises:
        PathMissing: there is nothing.
        PathDamaged: what is there can't be read.
    """
    try:
        found = top(tree)
        passed = {ROOT_NODE}
        for name in path:
            found = _step(tree, found, name, path)
            if found.number in passed:
                raise TreeMalformed("a directory contains itself")
            passed.add(found.number)
    except Corrupt as damage:
        raise PathDamaged(path, damage) from damage
    return found


def _step(tree: Tree, parent: Listed, name: bytes, path: Components) -> Listed:
    """Return what has this name in `parent`, on the way to `path`."""
    match parent.node.type:
        case NodeType.DIRECTORY:
            pass
        case NodeType.SYMLINK:
            raise PathMissing(
                path,
                f"{_told(parent.path)} is a symbolic link, and links are not followed",
                hint=f"it points at {shown(parent.node.tail)}: look there",
            )
        case NodeType.FILE | NodeType.FIFO:
            raise PathMissing(
                path, f"{_told(parent.path)} is {_A[parent.node.type]}", hint="nothing is below it; look at it"
            )
    value = tree.get(entry_key(parent.number, name)) if _is_name(name) else None
    if value is None:
        raise PathMissing(
            path,
            f"{_told(parent.path)} has no {shown(name) or 'empty name'}",
            hint=f"list {_told(parent.path)} to see what it has, or look into another snapshot",
        )
    return _listed(tree, parent.path, name, value)


def top(tree: Tree) -> Listed:
    """Return the volume's own directory.

    Raises:
        Corrupt: it can't be read.
    """
    node = tree.node(ROOT_NODE)
    if node is None or node.type is not NodeType.DIRECTORY:
        raise TreeMalformed("it has no top directory")
    return Listed((), b"", ROOT_NODE, node)


def names(tree: Tree, directory: Listed, on_lost: OnLost, *, after: bytes = b"") -> Iterator[Listed]:
    """Yield what is in a directory, in the order of the names' bytes, beginning behind the name `after`."""
    path = directory.path
    start, end = entries_of(directory.number)
    if after:
        start = entry_key(directory.number, after) + b"\0"
    for key, value in tree.range((start, end), lambda damage: on_lost(path, damage)):
        inner = path
        try:
            name = entry_name(key)
            inner = (*path, name)
            listed = _listed(tree, path, name, value)
        except Corrupt as damage:
            on_lost(inner, damage)
            continue
        yield listed


def _is_name(name: bytes) -> bool:
    """Return whether a file can have this name: others are missing, even where a hostile tree has them."""
    try:
        return entry_name(entry_key(ROOT_NODE, name)) == name
    except TreeMalformed:
        return False


def _listed(tree: Tree, parent: Components, name: bytes, value: bytes) -> Listed:
    number = decode_entry(value)
    node = tree.node(number)
    if node is None:
        raise TreeMalformed("an entry points at no node")
    return Listed(parent, name, number, node)


def _entry(listed: Listed) -> Entry:
    node = listed.node
    return Entry(
        name=listed.name,
        type=node.type,
        size=node.size,
        mode=node.mode,
        uid=node.uid,
        gid=node.gid,
        mtime_ns=node.mtime_ns,
        links=node.links,
        target=node.tail if node.type is NodeType.SYMLINK else None,
    )


def _told(path: Components) -> str:
    return shown(b"/".join(path)) or _TOP
