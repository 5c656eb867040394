"""Cutting files into chunks when they are read, and finding a stored file's chunks.

A file is cut at multiples of 64 KiB. Holes are not read, and chunks of zeros
are not stored: wherever a chunk is not mentioned, the file is zero.
"""

import errno
import os
from collections.abc import Iterator

from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.records import (
    CHUNK_BYTES,
    GROUP_IDS,
    ZERO_CHUNK,
    Node,
    NodeType,
    group_index,
    groups_of,
    inline_ids,
    split_ids,
)
from mosaic.storage.engine.tree import OnDamage, Tree, stop

_READ_BYTES = 16 * CHUNK_BYTES
_ZEROS = bytes(CHUNK_BYTES)


class ShortRead(Exception):
    """The file ended before its size said; whoever knows its path says so."""


def read_chunks(fd: int, size: int, first: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (number, content) of every chunk from `first` to before `end` that is not all zeros, in order.

    Raises ShortRead, OSError.
    """
    at = first * CHUNK_BYTES
    stop_at = size if end is None else min(size, end * CHUNK_BYTES)
    if stop_at - at > _READ_BYTES:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    while at < stop_at:
        try:
            data = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # only a hole is left
            raise
        hole = os.lseek(fd, data, os.SEEK_HOLE)
        at = max(at, data - data % CHUNK_BYTES)
        until = min(stop_at, -(-hole // CHUNK_BYTES) * CHUNK_BYTES)
        while at < until:
            wanted = min(_READ_BYTES, until - at)
            block = os.pread(fd, wanted, at)
            if len(block) != wanted:
                raise ShortRead
            for start in range(0, wanted, CHUNK_BYTES):
                chunk = block[start : start + CHUNK_BYTES]
                if chunk != _ZEROS[: len(chunk)]:
                    yield (at + start) // CHUNK_BYTES, chunk
            at += wanted


def chunk_bytes(node: Node, number: int) -> int:
    """Return the length of a file's chunk."""
    return min(CHUNK_BYTES, node.size - number * CHUNK_BYTES)


def stored_chunks(tree: Tree, number: int, node: Node, on_damage: OnDamage = stop) -> Iterator[tuple[int, bytes]]:
    """Yield (number, id) of every chunk of a stored file that is not all zeros, in order. Not files: nothing.

    Raises:
        Corrupt: unless `on_damage` takes it; the ids that can be read are yielded.
    """
    if node.type is not NodeType.FILE:
        return
    if not node.group_count:
        yield from _not_zero(0, inline_ids(node))
        return
    for key, value in tree.range(groups_of(number), on_damage):
        try:
            first, ids = group_index(key) * GROUP_IDS, split_ids(value)
            if len(ids) > GROUP_IDS or first + len(ids) > node.chunk_count:
                raise TreeMalformed("a group has more chunks than its file")
        except TreeMalformed as damage:
            on_damage(damage)
            continue
        yield from _not_zero(first, ids)


def differences(wanted: Iterator[tuple[int, bytes]], have: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Yield (number, id) where `wanted` differs from `have`; `ZERO_CHUNK` where only `have` has a chunk."""
    old = next(have, None)
    for number, blob in wanted:
        while old is not None and old[0] < number:
            yield old[0], ZERO_CHUNK
            old = next(have, None)
        if old is not None and old[0] == number:
            if old[1] != blob:
                yield number, blob
            old = next(have, None)
        else:
            yield number, blob
    while old is not None:
        yield old[0], ZERO_CHUNK
        old = next(have, None)


def _not_zero(first: int, ids: list[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, blob in enumerate(ids, first):
        if blob != ZERO_CHUNK:
            yield number, blob
