"""Writing a stored state as a tar stream, for programs that know nothing of Mosaic.

    tar -x -p --xattrs --xattrs-include='*' --numeric-owner

as root gives back content, modes, owners, times to the nanosecond, extended
attributes and ACLs, hard links, symbolic links, fifos and long holes. A
directory comes right before what is in it, so that tar may finish it when it
leaves it.

A stream that ends early must fail where it is read. Tar takes the end of its
input between two members for the end of the archive, so whatever is written
at once ends within a member; and when something was damaged, the stream ends
in a header that is cut off, after everything that can be read.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from mosaic.core.errors import Corrupt
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.browse import find, names, top
from mosaic.storage.engine.content import chunk_bytes
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.file_stream import Piece, Stored, Zeros, file_chunks, file_pieces, stream
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.listing import Listed, OnLost
from mosaic.storage.engine.nodeset import NodeSet
from mosaic.storage.engine.records import CHUNK_BYTES, NodeType
from mosaic.storage.engine.roots import OnProgress, Progress, RootRef, ignore_progress, shown
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.tar_headers import (
    BLOCK_BYTES,
    broken_ending,
    ending,
    hard_link,
    member,
    padding,
    sparse_member,
)
from mosaic.storage.engine.tree import Tree

_WRITE_BYTES = 256 * 1024
_HOLE_BYTES = 1024 * 1024
"""A hole that is shorter is written as zeros: it costs less than a reader that knows no holes."""

Write: TypeAlias = Callable[[bytes], object]
"""Takes all that it is given, as `write` of a buffered file does. What it raises ends the export and passes through."""


class ExportIncomplete(Corrupt):
    """Everything was written but `paths` (relative, as text), and the stream ends so that tar fails."""

    code = "export-incomplete"

    def __init__(self, paths: tuple[str, ...]) -> None:
        super().__init__(
            f"{len(paths)} files could not be exported whole: {', '.join(paths[:5])}",
            hint="export an older snapshot, or from another store's copy; what tar has written of other files is good",
        )
        self.paths = paths


@dataclass(frozen=True, slots=True)
class Exported:
    """What `export` wrote. `files` counts one with several names once; `written_bytes` is the stream's length."""

    files: int
    directories: int
    written_bytes: int


def export(
    root: RootRef,
    keys: VolumeKeys,
    store: Store,
    write: Write,
    *,
    known: ChunkIndex,
    below: Components = (),
    on_progress: OnProgress = ignore_progress,
) -> Exported:
    """Write the state to `write` as a tar stream in the PAX format: what is at the path `below`, and below that.

    Paths are the whole ones, from the volume's directory on. Memory stays small
    whatever the state holds, but for files with several names, which are
    remembered until all were met. `known` must have been loaded from this
    store. Whatever this raises, the stream does not pass for complete.

    Raises:
        ExportIncomplete: some paths are damaged; all others were written, and
            what can't be read of a file is zeros.
        Unavailable: the store did not answer; begin anew.
        PathMissing: there is nothing at `below`; nothing was written.
        Corrupt: not even the root, or what is at `below`, can be read; nothing was written.
    """
    with Fetcher(keys, store, known) as fetcher:
        run = _Run(Tree(fetcher.get, root), below)
        out = _Out(write)
        for piece, block in stream(run.pieces(), fetcher, run.lost_piece):
            if isinstance(piece, bytes):
                out.header(block)
                on_progress(Progress(run.files, out.written_bytes, None if below else run.tree.root.content_bytes))
            else:
                out.content(block)
        if run.damaged:
            out.close(broken_ending())
            raise ExportIncomplete(tuple(sorted(run.damaged)))
        out.close(ending(out.taken_bytes))
    return Exported(files=run.files, directories=run.directories, written_bytes=out.written_bytes)


class _Out:
    """Gathers small writes; each but the last ends where at least a block of a member is still to come."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._held = bytearray()
        self.written_bytes = 0

    @property
    def taken_bytes(self) -> int:
        return self.written_bytes + len(self._held)

    def header(self, block: bytes) -> None:
        """Take a member's header. Its first block promises more."""
        self._held += block[:BLOCK_BYTES]
        if len(self._held) >= _WRITE_BYTES:
            self._flush()
        self._held += block[BLOCK_BYTES:]

    def content(self, block: bytes) -> None:
        """Take a part of a member's bytes. A short one may be its last: what comes before it must stay with it."""
        if len(block) >= BLOCK_BYTES and len(self._held) >= _WRITE_BYTES:
            self._flush()
        self._held += block

    def close(self, end: bytes) -> None:
        """Write what is left, and how the stream ends."""
        self._held += end
        self._flush()

    def _flush(self) -> None:
        self._write(bytes(self._held))
        self.written_bytes += len(self._held)
        self._held.clear()


class _Run:
    """One export: what the stream consists of. A piece of known bytes is a member's header."""

    def __init__(self, tree: Tree, below: Components) -> None:
        self.tree = tree
        self._first = find(tree, below) if below else top(tree)
        self.files = 0
        self.directories = 0
        self.damaged: set[str] = set()
        self._linked: dict[int, tuple[bytes, int]] = {}

    def pieces(self) -> Iterator[Piece]:
        for found in depth_first(self.tree, self._first, self._lost):
            listed = self._with_sound_attributes(found)
            path = b"./" + b"/".join(listed.path)
            if listed.node.type is NodeType.DIRECTORY:
                self.directories += 1
                yield member(path if not listed.name else path + b"/", listed.node)
                continue
            first = self._first_name(listed, path)
            if first is not None:
                yield hard_link(path, listed.node, first)
                continue
            self.files += 1
            if listed.node.type is NodeType.FILE:
                yield from self._file(listed, path)
            else:
                yield member(path, listed.node)

    def lost_piece(self, piece: Stored, damage: Corrupt) -> None:
        self._lost(piece.path, damage)

    def _lost(self, path: Components, _: Corrupt) -> None:
        self.damaged.add(shown(b"/".join(path)) or ".")

    def _with_sound_attributes(self, listed: Listed) -> Listed:
        """Leave out what no file system could hold: it would end the attribute's name too early."""
        node = listed.node
        sound = tuple((name, value) for name, value in node.xattrs if name and b"\0" not in name)
        if sound == node.xattrs:
            return listed
        self._lost(listed.path, TreeMalformed("an attribute has a name that none can have"))
        return replace(listed, node=replace(node, xattrs=sound))

    def _first_name(self, listed: Listed, path: bytes) -> bytes | None:
        """Return the name under which a file was written before; None when this is the first."""
        if listed.node.links <= 1:
            return None
        first, left = self._linked.pop(listed.number, (None, listed.node.links))
        if left > 1:
            self._linked[listed.number] = (first or path, left - 1)
        return first

    def _file(self, listed: Listed, path: bytes) -> Iterator[Piece]:
        def lost(damage: Corrupt) -> None:
            self._lost(listed.path, damage)

        size = listed.node.size
        extents = array("Q", (0, size))
        if size >= _HOLE_BYTES:
            extents = extents_of(file_chunks(self.tree, listed, (0, size), lost), listed)
        whole = extents == array("Q", (0, size))
        yield member(path, listed.node) if whole else sparse_member(path, listed.node, extents)
        length = 0
        for start, end in zip(extents[::2], extents[1::2], strict=True):
            yield from file_pieces(self.tree, listed, (start, end), lost)
            length += end - start
        if padding(length):
            yield Zeros(padding(length))


def extents_of(chunks: Iterator[tuple[int, bytes]], listed: Listed) -> "array[int]":
    """Return the starts and ends of what is stored of a file; holes shorter than `_HOLE_BYTES` count as stored."""
    extents = array("Q")
    start = end = 0
    for number, _ in chunks:
        first = number * CHUNK_BYTES
        if first - end >= _HOLE_BYTES:
            extents.extend((start, end) if end else ())
            start = first
        end = first + chunk_bytes(listed.node, number)
    if listed.node.size - end < _HOLE_BYTES:
        end = listed.node.size
    extents.extend((start, end) if end else ())
    return extents


def depth_first(tree: Tree, first: Listed, on_lost: OnLost) -> Iterator[Listed]:
    """Yield `first` and every name below it, each directory right before all that is below it.

    A directory that turns up twice is not entered again. What is remembered of
    the directories on the way is a name each: a tree may be deep, and they may be long.
    """
    yield first
    if first.node.type is not NodeType.DIRECTORY:
        return
    entered = NodeSet()
    entered.add(first.number)
    open_: list[tuple[Listed, bytes]] = [(first, b"")]
    while open_:
        directory, after = open_.pop()
        for listed in names(tree, directory, on_lost, after=after):
            if listed.node.type is not NodeType.DIRECTORY:
                yield listed
            elif entered.add(listed.number):
                yield listed
                open_ += [(directory, listed.name), (listed, b"")]
                break
            else:
                on_lost(listed.path, TreeMalformed("a directory has two names"))
