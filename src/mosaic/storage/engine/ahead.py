"""Reading the small files of a directory ahead, in threads, where all of them will be needed.

Opening a cold file waits for the disk, and 20,000 of them wait one after
another. Here several wait at once, and are hashed there as well, while the
files before them are recorded.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

from mosaic.storage.engine.attributes import read_xattrs
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.damage import SourceChanged
from mosaic.storage.engine.records import CHUNK_BYTES, NodeType, Xattrs
from mosaic.storage.engine.roots import Skipped, shown
from mosaic.storage.engine.scan import Seen, list_directory, look, open_file, reading

LARGEST_BYTES = 128 * 1024
_BLOCK_NAMES = 16
_BLOCKS = 4
"""At most 8 MiB are in memory."""

_READERS = 3
_ZEROS = bytes(CHUNK_BYTES)

Identify: TypeAlias = Callable[[bytes], bytes]
"""Returns a chunk's blob id."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A small file that was read: its attributes, and (number, id, content) of each chunk that is not all zeros."""

    xattrs: Xattrs
    chunks: tuple[tuple[int, bytes, bytes], ...]
    size: int


@dataclass(frozen=True, slots=True)
class Met:
    """A name of a directory. `ready` is None for what was not read ahead; it is read as ever."""

    seen: Seen | Skipped
    ready: Ready | None


class ReadAhead:
    """Lists directories. Use it in a `with`."""

    def __init__(self, identify: Identify) -> None:
        self._identify = identify
        self._readers = ThreadPoolExecutor(_READERS, "mosaic-read")

    def __enter__(self) -> "ReadAhead":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers.shutdown(wait=True, cancel_futures=True)

    def directory(self, fd: int, path: Components, *, device: int) -> Iterator[Met]:
        """Yield the names of an open directory in ascending order. Raises as `list_directory` and `open_file`."""
        with reading(path):
            names = sorted(os.fsencode(name) for name in os.listdir(fd))
        under_way: deque[Future[list[Met]]] = deque()
        try:
            for block in _blocks(names):
                under_way.append(self._readers.submit(self._read, fd, path, block, device))
                if len(under_way) >= _BLOCKS:
                    yield from under_way.popleft().result()
            while under_way:
                yield from under_way.popleft().result()
        finally:
            # Nobody may look into the directory once its descriptor is closed.
            for future in under_way:
                future.cancel()
            for future in under_way:
                if not future.cancelled():
                    future.exception()

    def _read(self, fd: int, path: Components, names: list[bytes], device: int) -> list[Met]:
        met: list[Met] = []
        for name in names:
            seen = look(fd, path, name, device=device)
            if seen is None:
                raise SourceChanged(shown(b"/".join((*path, name))))
            met.append(Met(seen, self._ready(fd, path, seen) if isinstance(seen, Seen) else None))
        return met

    def _ready(self, fd: int, path: Components, seen: Seen) -> Ready | None:
        size = seen.stat.st_size
        if seen.type is not NodeType.FILE or size > LARGEST_BYTES:
            return None
        inner = (*path, seen.name)
        with open_file(fd, seen, inner) as file, reading(inner):
            xattrs = read_xattrs(file)
            content = os.pread(file, size, 0) if size else b""
        if len(content) != size:
            raise SourceChanged(shown(b"/".join(inner)))
        return Ready(xattrs, tuple(self._chunks(content)), size)

    def _chunks(self, content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        for number, start in enumerate(range(0, len(content), CHUNK_BYTES)):
            chunk = content[start : start + CHUNK_BYTES]
            if chunk != _ZEROS[: len(chunk)]:
                yield number, self._identify(chunk), chunk


def _blocks(names: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(names), _BLOCK_NAMES):
        yield names[start : start + _BLOCK_NAMES]


def listing(fd: int, path: Components, *, device: int) -> Iterator[Met]:
    """Yield the names of an open directory in ascending order, reading nothing ahead."""
    for seen in list_directory(fd, path, device=device):
        yield Met(seen, None)
