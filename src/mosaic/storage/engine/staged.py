"""A snapshot that was made by copying: the list of all files, and copies of those that changed.

`list` has every directory with its names and what `lstat` said of each, in
the order in which `replicate` looks at them; `tree` has every directory, and
in it copies of the files that are not as they were when they were replicated
last. So what did not change takes no space and is not read.

A directory in the list is: the length of its path and the path, the length of
its attributes and the attributes (empty when it has none), the number
of its names; then each name: which of the two follows, its length, what `lstat`
said, the name, or the name and the reason why it is not stored.

Where nobody holds the programs still, a directory may change between the look
at its own name and the look at its names. `later` says what such a directory
was by then: the length of its path, the path, and what `fstat` said; or what
a file was that was told of under two names as it was at two instants. Zeros
say that either had gone, and then its name is not told. What it lies
in is told to have changed, whatever its own times say. Else it is empty.
"""

import contextlib
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from mosaic.storage.engine.ahead import Met
from mosaic.storage.engine.beneath import Components, open_beneath
from mosaic.storage.engine.damage import SourceChanged
from mosaic.storage.engine.records import Xattrs
from mosaic.storage.engine.roots import Skipped, shown
from mosaic.storage.engine.scan import Seen, judge, reading

_STATUS = struct.Struct("<IQQQIIQqq")
_LENGTH = struct.Struct("<I")
_NAME = struct.Struct("<BI")
_ENTRY = struct.Struct("<BIIQQQIIQqq")
_STORED, _SKIPPED = 0, 1
_NEVER_TRUSTED_NS = 1 << 62
"""A time of a change that is later than any snapshot."""

Named: TypeAlias = tuple[bytes, "os.stat_result | str"]
"""A name, and what `lstat` said of it, or why it is not stored."""


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory of the list."""

    path: Components
    xattrs: Xattrs
    names: Sequence[Named]


class ListWriter:
    """Writes a list. Buffered; nothing need outlive a power cut."""

    def __init__(self, folder: Path, top: os.stat_result) -> None:
        self._file: BinaryIO = (folder / "list").open("wb", buffering=1 << 20)
        self._file.write(_packed(top))
        self._later: BinaryIO = (folder / "later").open("wb")

    def correct(self, path: Components, told: os.stat_result | None) -> None:
        """Say what a directory was when its names were read, which is not what its own name told; None: it had gone."""
        self._later.write(_correction(path, told))

    def put(self, directory: Directory) -> None:
        """Add the next directory."""
        xattrs = msgspec.msgpack.encode(directory.xattrs) if directory.xattrs else b""
        out = [_long(b"/".join(directory.path)), _long(xattrs), _LENGTH.pack(len(directory.names))]
        # An app is held still meanwhile: one call for each name.
        pack = _ENTRY.pack
        for name, told in directory.names:
            if isinstance(told, str):
                out += [_NAME.pack(_SKIPPED, len(name)), name, _long(told.encode())]
            else:
                out += [
                    pack(
                        _STORED,
                        len(name),
                        told.st_mode,
                        told.st_ino,
                        told.st_dev,
                        told.st_nlink,
                        told.st_uid,
                        told.st_gid,
                        told.st_size,
                        told.st_mtime_ns,
                        told.st_ctime_ns,
                    ),
                    name,
                ]
        self._file.writelines(out)

    def close(self) -> None:
        """Finish."""
        self._later.close()
        self._file.close()


def append_correction(folder: Path, path: Components, told: os.stat_result | None) -> None:
    """Say of a finished list what a file is that it tells something else of; None: it is left out."""
    with (folder / "later").open("ab") as later:
        later.write(_correction(path, told))


class Staged:
    """A finished one, for `replicate`."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self._list = folder / "list"
        self._later = _corrections(folder / "later")
        self._around = {path.rpartition(b"/")[0] for path in self._later if path}
        self._left: Iterator[Directory] = iter(())

    def top(self) -> Seen:
        """Return what the volume's own directory was."""
        with self._list.open("rb") as file:
            told = _unpacked(file.read(_STATUS.size))
        return _seen((), b"", self._told(b"", told) or told)

    def directories(self) -> Iterator[Directory]:
        """Yield all directories in the order of the list."""
        with self._list.open("rb", buffering=1 << 20) as file:
            file.read(_STATUS.size)
            while head := file.read(_LENGTH.size):
                path = file.read(_LENGTH.unpack(head)[0])
                xattrs = _next(file)
                (count,) = _LENGTH.unpack(file.read(_LENGTH.size))
                names = [_named(file) for _ in range(count)]
                yield Directory(
                    tuple(path.split(b"/")) if path else (),
                    msgspec.msgpack.decode(xattrs, type=tuple[tuple[bytes, bytes], ...]) if xattrs else (),
                    list(self._corrected(path, names)) if self._later else names,
                )

    def _corrected(self, path: bytes, names: Sequence[Named]) -> Iterator[Named]:
        for name, told in names:
            now: os.stat_result | str | None = told
            if isinstance(told, os.stat_result):
                now = self._told(b"/".join((path, name)) if path else name, told)
            if now is not None:
                yield name, now

    def _told(self, path: bytes, told: os.stat_result) -> os.stat_result | None:
        """Return what a directory was when its names were read, None for what had gone."""
        now = self._later.get(path, told)
        if now is None or path not in self._around:
            return now
        return os.stat_result(now[:10], {"st_mtime_ns": now.st_mtime_ns, "st_ctime_ns": _NEVER_TRUSTED_NS})

    @contextmanager
    def directory(
        self, top_fd: int, path: Components, *, then: Components | None, device: int
    ) -> Iterator[tuple[int, Iterator[Met]]]:
        """Have a directory's copies open, and its names as they are in the list. They come in the list's order."""
        del then, device
        if not path:
            self._left = self.directories()
        found = next(self._left, None)
        if found is None or found.path != path:
            raise SourceChanged(shown(b"/".join(path)))
        with reading(path):
            fd = open_beneath(top_fd, path)
        try:
            yield fd, (Met(_met(path, name, told), None) for name, told in found.names)
        finally:
            os.close(fd)


def _correction(path: Components, told: os.stat_result | None) -> bytes:
    return _long(b"/".join(path)) + (bytes(_STATUS.size) if told is None else _packed(told))


def _corrections(later: Path) -> dict[bytes, os.stat_result | None]:
    found: dict[bytes, os.stat_result | None] = {}
    # A version before this one wrote none.
    with contextlib.suppress(FileNotFoundError), later.open("rb") as file:
        while head := file.read(_LENGTH.size):
            path, raw = file.read(_LENGTH.unpack(head)[0]), file.read(_STATUS.size)
            found[path] = _unpacked(raw) if any(raw) else None
    return found


def _met(path: Components, name: bytes, told: os.stat_result | str) -> Seen | Skipped:
    if isinstance(told, str):
        where = b"/".join((*path, name))
        return Skipped(shown(where), told, where)
    return _seen(path, name, told)


def _seen(path: Components, name: bytes, status: os.stat_result) -> Seen:
    seen = judge((*path, name), name, status, device=status.st_dev, copied=True)
    assert isinstance(seen, Seen)
    return seen


def _long(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content


def _next(file: BinaryIO) -> bytes:
    return file.read(_LENGTH.unpack(file.read(_LENGTH.size))[0])


def _named(file: BinaryIO) -> Named:
    kind, length = _NAME.unpack(file.read(_NAME.size))
    if kind == _SKIPPED:
        return file.read(length), _next(file).decode()
    status = _unpacked(file.read(_STATUS.size))
    return file.read(length), status


def _packed(status: os.stat_result) -> bytes:
    return _STATUS.pack(
        status.st_mode,
        status.st_ino,
        status.st_dev,
        status.st_nlink,
        status.st_uid,
        status.st_gid,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _unpacked(raw: bytes) -> os.stat_result:
    mode, inode, device, links, uid, gid, size, mtime_ns, ctime_ns = _STATUS.unpack(raw)
    return os.stat_result(
        (mode, inode, device, links, uid, gid, size, 0, mtime_ns // 10**9, ctime_ns // 10**9),
        {"st_mtime_ns": mtime_ns, "st_ctime_ns": ctime_ns},
    )
