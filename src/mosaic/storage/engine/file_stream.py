"""Bringing stored content in order, as one stream, without having much of it in memory.

A stream is described by its pieces: bytes that are known, zeros, and parts of
stored chunks. While the bytes of some are handed over, the chunks of the next
are on their way, so that a far store costs its latency once for many small
files too. What is in memory is bounded by a few batches, whatever is streamed.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.errors import Corrupt
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.content import chunk_bytes
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.listing import Listed
from mosaic.storage.engine.records import (
    CHUNK_BYTES,
    GROUP_IDS,
    ZERO_CHUNK,
    NodeType,
    group_index,
    group_key,
    inline_ids,
    split_ids,
)
from mosaic.storage.engine.tree import OnDamage, Tree

_BATCH_BYTES = 4 * 1024 * 1024
_BATCH_PIECES = 2048
_ZEROS = bytes(256 * 1024)


@dataclass(frozen=True, slots=True)
class Zeros:
    """A hole, or the part of one that is wanted."""

    length: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes from `start` to before `end` of a chunk, which is `length` long and belongs to the file at `path`."""

    blob: bytes
    length: int
    start: int
    end: int
    path: Components


Piece: TypeAlias = bytes | Zeros | Stored

OnLostPiece: TypeAlias = Callable[[Stored, Corrupt], None]
"""Told about a piece that can't be read. When it returns, zeros take its place."""


def file_pieces(tree: Tree, listed: Listed, bounds: tuple[int, int], on_damage: OnDamage) -> Iterator[Piece]:
    """Yield a stored file's bytes from the first bound to before the second, which is at most its size.

    They are exactly that many, whatever the tree says: where a list of chunks
    can't be read, `on_damage` is told, and there are zeros when it returns.
    """
    at, end = bounds
    for number, blob in file_chunks(tree, listed, bounds, on_damage):
        first = number * CHUNK_BYTES
        if first > at:
            yield Zeros(first - at)
            at = first
        length = chunk_bytes(listed.node, number)
        until = min(end, first + length)
        yield Stored(blob, length, at - first, until - first, listed.path)
        at = until
    if at < end:
        yield Zeros(end - at)


def file_chunks(
    tree: Tree, listed: Listed, bounds: tuple[int, int], on_damage: OnDamage
) -> Iterator[tuple[int, bytes]]:
    """Yield (number, id) of the chunks of a file that lie within these bytes and are not all zeros, in order."""
    start, end = bounds
    if listed.node.type is not NodeType.FILE or start >= end:
        return
    first, last = start // CHUNK_BYTES, (end - 1) // CHUNK_BYTES
    if not listed.node.group_count:
        yield from _within(first, last, 0, inline_ids(listed.node))
        return
    groups = group_key(listed.number, first // GROUP_IDS), group_key(listed.number, last // GROUP_IDS + 1)
    for key, value in tree.range(groups, on_damage):
        try:
            at, ids = group_index(key) * GROUP_IDS, split_ids(value)
            if len(ids) > GROUP_IDS or at + len(ids) > listed.node.chunk_count:
                raise TreeMalformed("a group has more chunks than its file")
        except Corrupt as damage:
            on_damage(damage)
            continue
        yield from _within(first, last, at, ids)


def stream(pieces: Iterable[Piece], fetcher: Fetcher, on_lost: OnLostPiece) -> Iterator[tuple[Piece, bytes]]:
    """Yield the pieces with their bytes, in order. Long holes come as several blocks.

    Pieces are asked for ahead of what is handed over, and what they raise
    comes ahead of it too.

    Raises:
        Unavailable: the store did not answer.
    """
    under_way: deque[_Batch] = deque()
    for batch in _batches(pieces):
        under_way.append(_Batch(batch, fetcher))
        if len(under_way) > 1:
            yield from under_way.popleft().blocks(fetcher, on_lost)
    while under_way:
        yield from under_way.popleft().blocks(fetcher, on_lost)


class _Batch:
    """Pieces whose chunks were asked for together."""

    def __init__(self, pieces: list[Piece], fetcher: Fetcher) -> None:
        content: dict[bytes, bytes] = {}

        def take(blob: bytes, plain: bytes) -> None:
            # Called by the threads that read. A blob may be far longer than any chunk: those are not kept.
            if len(plain) <= CHUNK_BYTES:
                content[blob] = plain

        stored = [piece for piece in pieces if isinstance(piece, Stored)]
        self._pieces = pieces
        self._content = content
        # `take` doesn't know the batch: in a circle its megabytes would stay until the garbage collector comes.
        self._asked = fetcher.ask(list(dict.fromkeys(piece.blob for piece in stored)), take)

    def blocks(self, fetcher: Fetcher, on_lost: OnLostPiece) -> Iterator[tuple[Piece, bytes]]:
        damage = dict(fetcher.answer(self._asked))
        for piece in self._pieces:
            match piece:
                case bytes():
                    yield piece, piece
                case Zeros(length):
                    yield from _zeros(piece, length)
                case Stored(blob, length, start, end):
                    content = self._content.get(blob, b"")
                    if len(content) == length:
                        yield piece, content[start:end]
                        continue
                    on_lost(piece, damage.get(blob) or TreeMalformed("a chunk has another length than its place"))
                    yield from _zeros(piece, end - start)


def _batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        if isinstance(piece, Stored):
            size += piece.length
        elif isinstance(piece, bytes):
            size += len(piece)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_PIECES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _within(first: int, last: int, at: int, ids: list[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, blob in enumerate(ids, at):
        if first <= number <= last and blob != ZERO_CHUNK:
            yield number, blob


def _zeros(piece: Piece, length: int) -> Iterator[tuple[Piece, bytes]]:
    while length > 0:
        block = _ZEROS[:length]
        yield piece, block
        length -= len(block)
