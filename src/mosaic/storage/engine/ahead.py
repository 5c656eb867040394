"""Reading small files ahead, in threads, where it is known that they will be needed.

Opening a cold file waits for the disk, and 20,000 of them wait one after
another. Here several wait at once, and are hashed there as well, while the
files before them are recorded.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import groupby
from types import TracebackType
from typing import Protocol, TypeAlias, TypeVar

from mosaic.storage.engine.attributes import read_xattrs
from mosaic.storage.engine.beneath import Components, open_beneath
from mosaic.storage.engine.damage import SourceChanged, SourceDamaged
from mosaic.storage.engine.records import CHUNK_BYTES, NodeType, Xattrs
from mosaic.storage.engine.roots import Skipped, shown
from mosaic.storage.engine.scan import Seen, list_directory, look, open_file, reading

LARGEST_BYTES = 128 * 1024
_BLOCK_NAMES = 16
_BLOCKS = 4
"""Of the directory that is walked and of the next one: at most 16 MiB are in memory."""

T = TypeVar("T")

_READERS = 3
_ZEROS = bytes(CHUNK_BYTES)

Identify: TypeAlias = Callable[[bytes], bytes]
"""Returns a chunk's blob id."""


class OpenDirectory(Protocol):
    """What `directory` and `ReadAhead.directory` have in common."""

    def __call__(
        self, top_fd: int, path: Components, *, then: Components | None, device: int
    ) -> AbstractContextManager[tuple[int, Iterator["Met"]]]: ...


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


class _Begun:
    """A directory whose files are being read."""

    def __init__(self, fd: int, read: Callable[[Sequence[bytes]], Future[list[Met]]], names: list[bytes]) -> None:
        self.fd = fd
        self._read = read
        self._left = _blocks(names)
        self._under_way: deque[Future[list[Met]]] = deque()
        self._go_on()

    def names(self) -> Iterator[Met]:
        while self._under_way:
            met = self._under_way.popleft().result()
            self._go_on()
            yield from met

    def close(self) -> None:
        """End, before the descriptor does: nobody may look into a directory that its number means later."""
        for future in self._under_way:
            future.cancel()
        wait(self._under_way)
        os.close(self.fd)

    def _go_on(self) -> None:
        while len(self._under_way) < _BLOCKS and (block := next(self._left, None)) is not None:
            self._under_way.append(self._read(block))


class ReadAhead:
    """Lists directories. Use it in a `with`."""

    def __init__(self, identify: Identify) -> None:
        self._identify = identify
        self._readers = ThreadPoolExecutor(_READERS, "mosaic-read")
        self._begun: dict[Components, _Begun] = {}

    def __enter__(self) -> "ReadAhead":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers.shutdown(wait=True, cancel_futures=True)
        for begun in self._begun.values():
            begun.close()

    @contextmanager
    def directory(
        self, top_fd: int, path: Components, *, then: Components | None, device: int
    ) -> Iterator[tuple[int, Iterator[Met]]]:
        """Have a directory open, and its names in ascending order. `then` is begun meanwhile: it comes soon.

        Raises as `list_directory` and `open_file`.
        """
        begun = self._begun.pop(path, None) or self._begin(top_fd, path, device)
        try:
            if then is not None and not self._begun:
                self._begun[then] = self._begin(top_fd, then, device)
            yield begun.fd, begun.names()
        finally:
            begun.close()

    def _begin(self, top_fd: int, path: Components, device: int) -> _Begun:
        with reading(path):
            fd = open_beneath(top_fd, path)
            try:
                names = sorted(os.fsencode(name) for name in os.listdir(fd))  # noqa: PTH208 (a descriptor is not a path)
            except BaseException:  # raised again; nobody else knows the descriptor yet
                os.close(fd)
                raise

        def read(block: Sequence[bytes]) -> Future[list[Met]]:
            return self._readers.submit(self._read, fd, path, block, device)

        return _Begun(fd, read, names)

    def _read(self, fd: int, path: Components, names: Sequence[bytes], device: int) -> list[Met]:
        met: list[Met] = []
        for name in names:
            seen = look(fd, path, name, device=device)
            if seen is None:
                raise SourceChanged(shown(b"/".join((*path, name))))
            met.append(Met(seen, _ready(fd, path, seen, self._identify) if isinstance(seen, Seen) else None))
        return met


def read_ahead(
    top_fd: int, files: Sequence[tuple[Components, Seen | None]], identify: Identify
) -> Generator[Ready | None]:
    """Yield for each file what was read, in their order; None for one that is None, or no small file.

    Each comes with the directory that it is in; those of one directory best come together.
    """
    with ThreadPoolExecutor(_READERS, "mosaic-read") as readers:
        left = _blocks(files)
        under_way: deque[Future[list[Ready | None]]] = deque()
        try:
            while True:
                while len(under_way) < _BLOCKS and (block := next(left, None)) is not None:
                    under_way.append(readers.submit(_read_all, top_fd, block, identify))
                if not under_way:
                    return
                yield from under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def _read_all(top_fd: int, files: Sequence[tuple[Components, Seen | None]], identify: Identify) -> list[Ready | None]:
    found: list[Ready | None] = []
    for path, block in groupby(files, lambda file: file[0]):
        wanted = [seen for _, seen in block]
        if not any(wanted):
            found += [None] * len(wanted)
            continue
        with reading(path):
            fd = open_beneath(top_fd, path)
        try:
            found += [None if seen is None else _ready(fd, path, seen, identify) for seen in wanted]
        finally:
            os.close(fd)
    return found


def _ready(fd: int, path: Components, seen: Seen, identify: Identify) -> Ready | None:
    size = seen.stat.st_size
    if seen.type is not NodeType.FILE or size > LARGEST_BYTES:
        return None
    inner = (*path, seen.name)
    try:
        with open_file(fd, seen, inner) as file, reading(inner):
            xattrs = read_xattrs(file)
            content = os.pread(file, size, 0) if size else b""
    except SourceDamaged:
        # Whoever reads it in its turn knows what to do without it.
        return None
    if len(content) != size:
        raise SourceChanged(shown(b"/".join(inner)))
    return Ready(xattrs, tuple(_chunks(content, identify)), size)


def _chunks(content: bytes, identify: Identify) -> Iterator[tuple[int, bytes, bytes]]:
    for number, start in enumerate(range(0, len(content), CHUNK_BYTES)):
        chunk = content[start : start + CHUNK_BYTES]
        if chunk != _ZEROS[: len(chunk)]:
            yield number, identify(chunk), chunk


def _blocks(names: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(names), _BLOCK_NAMES):
        yield names[start : start + _BLOCK_NAMES]


@contextmanager
def directory(
    top_fd: int, path: Components, *, then: Components | None, device: int
) -> Iterator[tuple[int, Iterator[Met]]]:
    """Have a directory open, and its names in ascending order; nothing is read ahead."""
    del then
    with reading(path):
        fd = open_beneath(top_fd, path)
    try:
        yield fd, (Met(seen, None) for seen in list_directory(fd, path, device=device))
    finally:
        os.close(fd)
