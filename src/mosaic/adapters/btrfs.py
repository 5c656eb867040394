"""Subvolumes and snapshots of btrfs, by ioctl.

Every function names a subvolume by its path, does one thing and returns when
the kernel has it; `sync` makes it last through a power cut. No process is
started, so a snapshot costs about a millisecond.

A subvolume's generation grows with each transaction that changed it, and
only once changes left the page cache: call `sync` before comparing. Its uuid
is its own for ever, whatever it is renamed to.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mosaic.core.errors import Conflict, MosaicError, NotFound, Refused, Unavailable

_SYNC = 0x9408
_SUBVOL_CREATE = 0x5000940E
_SNAP_DESTROY = 0x5000940F
_SNAP_CREATE_V2 = 0x50009417
_SUBVOL_GETFLAGS = 0x80089419
_SUBVOL_SETFLAGS = 0x4008941A
_FS_INFO = 0x8400941F
_GET_SUBVOL_INFO = 0x81F8943C
_GET_SUBVOL_ROOTREF = 0xD000943D

_READ_ONLY = 2
_TOP_INODE = 256
_VOL_ARGS = struct.Struct("=q4088s")
_VOL_ARGS_V2 = struct.Struct("=qQQ32x4040s")
_SUBVOL_INFO = struct.Struct("=Q256sQQQQ16s16s16sQQQQ128x")
_ROOTREF_BYTES = 4096
_ROOTREFS_AT = 4088

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NotBtrfs(Refused):
    """The path lies on another file system."""

    code = "not-btrfs"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not on btrfs", hint="give a folder on btrfs, or none: Mosaic makes an image then")


class NotASubvolume(NotFound):
    """There is no subvolume at that path."""

    code = "subvolume-missing"

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no subvolume at {path}", hint="run `mosaic doctor` on this machine")


class SubvolumeExists(Conflict):
    """Something is at the path already."""

    code = "subvolume-exists"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there already", hint="run `mosaic doctor` on this machine")


class PoolFull(Unavailable):
    """The file system has no room left."""

    code = "pool-full"

    def __init__(self, path: Path) -> None:
        super().__init__(f"the file system of {path} is full", hint="free some space on it, or give the pool more")


class SubvolumeRefused(MosaicError):
    """The kernel refused an operation."""

    code = "subvolume-refused"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the kernel refused to change {path}: {reason}",
            hint="the storage daemon needs root (or SYS_ADMIN) and a writable pool",
        )


@dataclass(frozen=True, slots=True)
class Subvolume:
    """What the kernel knows about one. `created_at` is the generation it was made in, in the source's count.

    `tree` is the file system's own number of it.
    """

    tree: int
    uuid: str
    generation: int
    created_at: int
    read_only: bool


def is_btrfs(path: Path) -> bool:
    """Return whether an existing path is on btrfs."""
    with _open(path) as descriptor:
        try:
            fcntl.ioctl(descriptor, _FS_INFO, bytearray(1024))
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL):
                return False
            raise
    return True


def create(path: Path) -> None:
    """Make an empty subvolume. Raises SubvolumeExists when anything is at the path."""
    with _translated(path), _open(path.parent) as parent:
        _ask(parent, _SUBVOL_CREATE, _VOL_ARGS.pack(0, _name(path)))


def snapshot(source: Path, target: Path) -> None:
    """Make a read-only snapshot of `source`: all its files at one instant."""
    with _translated(target), _open(source) as origin, _open(target.parent) as parent:
        _ask(parent, _SNAP_CREATE_V2, _VOL_ARGS_V2.pack(origin, 0, _READ_ONLY, _name(target)))


def clone(source: Path, target: Path) -> None:
    """Make a writable subvolume with all that is in `source`; they share every block until one is changed."""
    with _translated(target), _open(source) as origin, _open(target.parent) as parent:
        _ask(parent, _SNAP_CREATE_V2, _VOL_ARGS_V2.pack(origin, 0, 0, _name(target)))


def delete(path: Path) -> None:
    """Delete a subvolume or snapshot with all that is in it, subvolumes too. One that is gone is fine.

    Whoever may write to a subvolume may make others in it, and the kernel deletes none that has any.
    """
    if not exists(path):
        return
    with _translated(path), _open(path.parent) as parent:
        try:
            _destroy(parent, _name(path))
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            with _open(path) as top:
                _destroy_within(top)
            _destroy(parent, _name(path))


def holds_others(path: Path) -> bool:
    """Return whether other subvolumes were made in this one. No snapshot of it has what is in them."""
    found = bytearray(_ROOTREF_BYTES)
    with _translated(path), _open(path) as descriptor:
        try:
            fcntl.ioctl(descriptor, _GET_SUBVOL_ROOTREF, found)
        except OSError as error:
            if error.errno != errno.EOVERFLOW:
                raise
            # More than one answer holds.
            return True
    return found[_ROOTREFS_AT] > 0


def exists(path: Path) -> bool:
    """Return whether a subvolume is at the path."""
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return found.st_ino == _TOP_INODE and path.is_dir()


def look(path: Path) -> Subvolume | None:
    """Return what the kernel knows about the subvolume, or None when there is none."""
    if not exists(path):
        return None
    raw = bytearray(_SUBVOL_INFO.size)
    with _translated(path), _open(path) as descriptor:
        fcntl.ioctl(descriptor, _GET_SUBVOL_INFO, raw)
    (tree, _, _, _, generation, flags, uuid, _, _, _, created_at, _, _) = _SUBVOL_INFO.unpack(raw)
    return Subvolume(
        tree=tree, uuid=uuid.hex(), generation=generation, created_at=created_at, read_only=bool(flags & 1)
    )


def set_read_only(path: Path, *, read_only: bool) -> None:
    """Set or unset a subvolume's read-only flag."""
    with _translated(path), _open(path) as descriptor:
        _set_flags(descriptor, lambda flags: flags | _READ_ONLY if read_only else flags & ~_READ_ONLY)


def sync(path: Path) -> None:
    """Write all changes of the path's file system to its disk. Cheap when there are none."""
    with _translated(path), _open(path) as descriptor:
        fcntl.ioctl(descriptor, _SYNC)


def _destroy(parent: int, name: bytes) -> None:
    _ask(parent, _SNAP_DESTROY, _VOL_ARGS.pack(0, name))


def _destroy_within(top: int) -> None:
    """Delete the subvolumes in an open one, innermost first. No name is followed: an app chose them all."""
    _make_writable(top)
    inner: list[tuple[bytes, ...]] = []
    left: list[tuple[bytes, ...]] = [()]
    while left:
        path = left.pop()
        with _beneath(top, path) as folder:
            for name, is_subvolume in _folders_in(folder):
                left.append((*path, name))
                if is_subvolume:
                    inner.append((*path, name))
    # Each was met before those in it.
    for path in inner:
        with _beneath(top, path) as own:
            _make_writable(own)
    for *folders, name in reversed(inner):
        with _beneath(top, tuple(folders)) as parent:
            _destroy(parent, name)


def _folders_in(folder: int) -> list[tuple[bytes, bool]]:
    """Return the directories in an open one, and which of them are subvolumes."""
    own = os.fstat(folder)
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                is_subvolume = status.st_ino == _TOP_INODE and status.st_dev != own.st_dev
                if is_subvolume or status.st_dev == own.st_dev:
                    found.append((os.fsencode(entry.name), is_subvolume))
    return found


@contextlib.contextmanager
def _beneath(top: int, path: tuple[bytes, ...]) -> Iterator[int]:
    """Have a directory open. Its path may be longer than the system's limit."""
    descriptor = os.dup(top)
    try:
        for name in path:
            below = os.open(name, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _make_writable(descriptor: int) -> None:
    """Nothing can be deleted from a subvolume that is read-only."""
    _set_flags(descriptor, lambda flags: flags & ~_READ_ONLY)


def _set_flags(descriptor: int, changed: Callable[[int], int]) -> None:
    raw = bytearray(8)
    fcntl.ioctl(descriptor, _SUBVOL_GETFLAGS, raw)
    (flags,) = struct.unpack("=Q", raw)
    if changed(flags) != flags:
        fcntl.ioctl(descriptor, _SUBVOL_SETFLAGS, struct.pack("=Q", changed(flags)))


def _ask(descriptor: int, request: int, arguments: bytes) -> None:
    """Have the kernel do something that may take a while, and let other threads run meanwhile.

    `fcntl.ioctl` holds the interpreter while the kernel works when there are more than 1,024 bytes of arguments.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(arguments, len(arguments))
    if libc.ioctl(descriptor, ctypes.c_ulong(request), buffer) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _name(path: Path) -> bytes:
    name = os.fsencode(path.name)
    if len(name) > 255:
        raise SubvolumeRefused(path, "its name is longer than 255 bytes")
    return name


@contextlib.contextmanager
def _open(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise meaning(path, error) from error


def meaning(path: Path, error: OSError) -> MosaicError:
    """Return what a failed system call at `path` means."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return NotASubvolume(path)
        case errno.EEXIST:
            return SubvolumeExists(path)
        case errno.ENOSPC | errno.EDQUOT:
            return PoolFull(path)
        case errno.ENOTTY | errno.EOPNOTSUPP:
            return NotBtrfs(path)
        case _:
            return SubvolumeRefused(path, os.strerror(error.errno or 0))
