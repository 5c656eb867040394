"""Filling restored files with their content, many at a time.

Chunks are asked for in batches, so that those that lie side by side in a pack
come with one request, and they are written by the threads that read them,
while the next files are created. What a base has is cloned first and not
asked for.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.errors import Corrupt
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.content import chunk_bytes, differences, stored_chunks
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.fetch import Asked, Fetcher
from mosaic.storage.engine.listing import Listed
from mosaic.storage.engine.older_copy import Base
from mosaic.storage.engine.records import CHUNK_BYTES, ZERO_CHUNK
from mosaic.storage.engine.tree import Tree

_BATCH_BYTES = 8 * 1024 * 1024
_BATCH_FILES = 256
_ZEROS = bytes(4096)
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

OnComplete: TypeAlias = Callable[[int, Listed], None]


@dataclass(slots=True)
class _Open:
    """A file that is being filled.

    `asked` when all of its chunks are in this batch or were in earlier ones; `cloned` when it had content before.
    """

    fd: int
    listed: Listed
    asked: bool = False
    cloned: bool = False


@dataclass(frozen=True, slots=True)
class _Batch:
    """What was asked for together, who wants it, and the files that are complete then."""

    asked: Asked
    takers: dict[bytes, list[tuple[_Open, int]]]
    complete: list[_Open]
    size: int


class Filler:
    """Creates files and fills them. `flush` at the end; `close` whatever happened.

    A file may be shorter or longer than it should be when it is said to be complete: holes are nobody's to write.
    """

    def __init__(
        self,
        tree: Tree,
        fetcher: Fetcher,
        base: Base | None,
        on_complete: OnComplete,
        on_damage: Callable[[Components, Corrupt], None],
    ) -> None:
        self._tree = tree
        self._fetcher = fetcher
        self._base = base
        self._on_complete = on_complete
        self._on_damage = on_damage
        self._files: list[_Open] = []
        self._wanted: list[tuple[_Open, int, bytes]] = []
        self._wanted_bytes = 0
        self._under_way: deque[_Batch] = deque()
        self.filled_bytes = 0
        self.cloned_bytes = 0

    def create(self, dir_fd: int, listed: Listed) -> None:
        """Create a file; its content comes with this or a later flush."""
        file = _Open(os.open(listed.name, _CREATE, 0o600, dir_fd=dir_fd), listed)
        self._files.append(file)

        def lost(damage: Corrupt) -> None:
            self._on_damage(listed.path, damage)

        wanted = stored_chunks(self._tree, listed.number, listed.node, lost)
        if self._base is not None:
            have = self._base.clone(listed, file.fd)
            if have is not None:
                file.cloned = True
                self.cloned_bytes += os.fstat(file.fd).st_size
                wanted = differences(wanted, have)
        for number, blob in wanted:
            self._want(file, number, blob)
        file.asked = True
        if len(self._files) >= _BATCH_FILES:
            self._next_batch()

    def flush(self) -> None:
        """Fetch and write all that is wanted, and complete the files."""
        self._next_batch()
        while self._under_way:
            self._end_batch()

    def _next_batch(self) -> None:
        """Ask for what is wanted now, and meanwhile complete what was asked for before."""
        takers: dict[bytes, list[tuple[_Open, int]]] = {}
        for file, number, blob in self._wanted:
            takers.setdefault(blob, []).append((file, number))

        def take(blob: bytes, content: bytes) -> None:
            for file, number in takers[blob]:
                self._write(file, number, content)

        asked = self._fetcher.ask(list(takers), take)
        complete = [file for file in self._files if file.asked]
        self._files = [file for file in self._files if not file.asked]
        self._under_way.append(_Batch(asked, takers, complete, self._wanted_bytes))
        self._wanted, self._wanted_bytes = [], 0
        while len(self._under_way) > 1:
            self._end_batch()

    def _end_batch(self) -> None:
        batch = self._under_way[0]
        for blob, damage in self._fetcher.answer(batch.asked):
            for file, _ in batch.takers[blob]:
                self._on_damage(file.listed.path, damage)
        self.filled_bytes += batch.size
        # A file may have chunks in this batch and be complete only with the next: those stay open.
        for file in batch.complete:
            try:
                self._on_complete(file.fd, file.listed)
            finally:
                os.close(file.fd)
                file.fd = -1
        self._under_way.popleft()

    def close(self) -> None:
        """Close what is still open, after the last request has ended: nothing may write to a number that is reused."""
        for batch in self._under_way:
            wait([request for _, request in batch.asked.requests])
            self._files += batch.complete
        self._under_way.clear()
        for file in self._files:
            if file.fd >= 0:
                os.close(file.fd)
        self._files = []

    def _want(self, file: _Open, number: int, blob: bytes) -> None:
        if number >= file.listed.node.chunk_count:
            return  # the base was longer
        length = chunk_bytes(file.listed.node, number)
        if blob == ZERO_CHUNK:
            self._put(file, number, bytes(length))
            return
        self._wanted.append((file, number, blob))
        self._wanted_bytes += length
        if self._wanted_bytes >= _BATCH_BYTES:
            self._next_batch()

    def _write(self, file: _Open, number: int, content: bytes) -> None:
        """Write a chunk; called by the threads that read."""
        if len(content) == chunk_bytes(file.listed.node, number):
            self._put(file, number, content)
        else:
            self._on_damage(file.listed.path, TreeMalformed("a chunk has another length than its place in the file"))

    def _put(self, file: _Open, number: int, content: bytes) -> None:
        whole = memoryview(content)
        for start, end in ((0, len(whole)),) if file.cloned else written_parts(content):
            rest, at = whole[start:end], number * CHUNK_BYTES + start
            while rest:
                written = os.pwrite(file.fd, rest, at)
                rest, at = rest[written:], at + written


def written_parts(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield from where to where a new file needs writing: pages of zeros are left to be holes.

    What had holes smaller than a chunk needs no more room when it is restored than it had.
    """
    if _ZEROS not in content:
        yield 0, len(content)
        return
    start = 0
    for page in range(0, len(content), len(_ZEROS)):
        if content[page : page + len(_ZEROS)] == _ZEROS[: len(content) - page]:
            if start < page:
                yield start, page
            start = page + len(_ZEROS)
    if start < len(content):
        yield start, len(content)
