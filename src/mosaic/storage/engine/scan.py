"""Looking at the files of a snapshot: what is where, and what each one is."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mosaic.storage.engine.attributes import read_xattrs, unfollowed
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.damage import UNREADABLE, CopyMissing, SourceChanged, SourceDamaged
from mosaic.storage.engine.records import Node, NodeType, Xattrs
from mosaic.storage.engine.roots import OTHER_FILE_SYSTEM, Skipped, shown

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_TYPES = {
    stat.S_IFREG: NodeType.FILE,
    stat.S_IFDIR: NodeType.DIRECTORY,
    stat.S_IFLNK: NodeType.SYMLINK,
    stat.S_IFIFO: NodeType.FIFO,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One name of a directory, as `lstat` saw it. `copied`: what is read is a copy, with an inode of its own."""

    name: bytes
    stat: os.stat_result
    type: NodeType
    copied: bool = False


def list_directory(fd: int, path: Components, *, device: int) -> Iterator[Seen | Skipped]:
    """Yield the names of an open directory in ascending order. `device` is the snapshot's file system."""
    with reading(path):
        names = sorted(os.fsencode(name) for name in os.listdir(fd))
    for name in names:
        seen = look(fd, path, name, device=device)
        if seen is None:
            raise SourceChanged(shown(b"/".join((*path, name))))
        yield seen


def look(fd: int, path: Components, name: bytes, *, device: int) -> Seen | Skipped | None:
    """Return what is at a name of the open directory `path`, None for nothing."""
    inner = (*path, name)
    try:
        with reading(inner):
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except SourceChanged:
        return None
    return judge(inner, name, status, device=device)


def judge(
    path: Components, name: bytes, status: os.stat_result, *, device: int, copied: bool = False
) -> Seen | Skipped:
    """Return what a name is that `lstat` said this of, or why it is not stored."""
    type_ = _TYPES.get(stat.S_IFMT(status.st_mode))
    if type_ is None:
        kind = "a socket" if stat.S_ISSOCK(status.st_mode) else "a device node"
        return _skipped(path, f"it is {kind}")
    if status.st_dev != device:
        return _skipped(path, OTHER_FILE_SYSTEM)
    return Seen(name, status, type_, copied)


def _skipped(path: Components, reason: str) -> Skipped:
    where = b"/".join(path)
    return Skipped(shown(where), reason, where)


def describe(seen: Seen, *, xattrs: Xattrs, tail: bytes) -> Node:
    """Return the node of a file; what differs between file systems and means nothing is left out."""
    status = seen.stat
    directory = seen.type is NodeType.DIRECTORY
    sized = seen.type in (NodeType.FILE, NodeType.SYMLINK)
    return Node(
        type=seen.type,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        size=status.st_size if sized else 0,
        links=1 if directory else status.st_nlink,
        xattrs=xattrs,
        tail=tail,
    )


def read_special(dir_fd: int, seen: Seen, path: Components) -> Node:
    """Return the node of a symbolic link or a fifo."""
    with reading(path):
        target = os.readlink(seen.name, dir_fd=dir_fd) if seen.type is NodeType.SYMLINK else b""
        xattrs = read_xattrs(unfollowed(dir_fd, seen.name))
    if seen.type is NodeType.SYMLINK and len(target) != seen.stat.st_size:
        raise SourceChanged(shown(b"/".join(path)))
    return describe(seen, xattrs=xattrs, tail=target)


@contextmanager
def open_file(dir_fd: int, seen: Seen, path: Components) -> Iterator[int]:
    """Have a regular file open for reading, and know at the end that it did not change meanwhile."""
    with reading(path):
        try:
            fd = os.open(seen.name, _OPEN, dir_fd=dir_fd)
        except FileNotFoundError:
            if seen.copied:
                raise CopyMissing(shown(b"/".join(path))) from None
            raise
    try:
        if seen.copied and not stat.S_ISREG(os.fstat(fd).st_mode):
            raise SourceDamaged(shown(b"/".join(path)), "it could not be copied", is_of_file=True)
        yield fd
        after = os.fstat(fd)
    finally:
        os.close(fd)
    now = (after.st_size, after.st_mtime_ns)
    is_same = seen.copied or after.st_ino == seen.stat.st_ino
    if not is_same or now != (seen.stat.st_size, seen.stat.st_mtime_ns):
        raise SourceChanged(shown(b"/".join(path)))


@contextmanager
def reading(path: Components) -> Iterator[None]:
    """Turn a failure to read the snapshot into one that names the path."""
    try:
        yield
    except OSError as error:
        name = shown(b"/".join(path)) or "."
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
            raise SourceChanged(name) from error
        is_of_file = error.errno in UNREADABLE
        raise SourceDamaged(name, error.strerror or "unknown failure", is_of_file=is_of_file) from error
