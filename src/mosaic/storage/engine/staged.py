"""A snapshot that was made by copying: the list of all files, and copies of those that changed.

`list` has every directory with its names and what `lstat` said of each, in
the order in which `replicate` looks at them; `tree` has every directory, and
in it copies of the files that are not as they were when they were replicated
last. So what did not change takes no space and is not read.

A directory in the list is: the length of its path and the path, the length of
its attributes and the attributes (empty when it did not change), the number
of its names; then each name: which of the two follows, its length, what `lstat`
said, the name, or the name and the reason why it is not stored.
"""

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

Named: TypeAlias = tuple[bytes, "os.stat_result | str"]
"""A name, and what `lstat` said of it, or why it is not stored."""


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory of the list. `xattrs` are None when it is as it was."""

    path: Components
    xattrs: Xattrs | None
    names: Sequence[Named]


class ListWriter:
    """Writes a list. Buffered; nothing need outlive a power cut."""

    def __init__(self, folder: Path, top: os.stat_result) -> None:
        self._file: BinaryIO = (folder / "list").open("wb", buffering=1 << 20)
        self._file.write(_packed(top))

    def put(self, directory: Directory) -> None:
        """Add the next directory."""
        xattrs = b"" if directory.xattrs is None else msgspec.msgpack.encode(directory.xattrs)
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
        self._file.close()


class Staged:
    """A finished one, for `replicate`."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self._list = folder / "list"
        self._left: Iterator[Directory] = iter(())

    def top(self) -> Seen:
        """Return what the volume's own directory was."""
        with self._list.open("rb") as file:
            return _seen((), b"", _unpacked(file.read(_STATUS.size)))

    def directories(self) -> Iterator[Directory]:
        """Yield all directories in the order of the list."""
        with self._list.open("rb", buffering=1 << 20) as file:
            file.read(_STATUS.size)
            while head := file.read(_LENGTH.size):
                path = file.read(_LENGTH.unpack(head)[0])
                xattrs = _next(file)
                (count,) = _LENGTH.unpack(file.read(_LENGTH.size))
                yield Directory(
                    tuple(path.split(b"/")) if path else (),
                    msgspec.msgpack.decode(xattrs, type=tuple[tuple[bytes, bytes], ...]) if xattrs else None,
                    [_named(file) for _ in range(count)],
                )

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
