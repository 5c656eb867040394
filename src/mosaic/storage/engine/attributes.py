"""Reading and writing what a file has beside its content: owner, mode, times, extended attributes.

Only attributes that belong to the data are kept: the user's own, POSIX ACLs,
file capabilities and `trusted.*` (overlay file systems need it). Labels of
the host's own policy, such as SELinux', stay behind. Without root, owners and
privileged attributes are not written.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from mosaic.storage.engine.records import Node, NodeType, Xattrs
from mosaic.storage.engine.roots import shown

XATTRS_BYTES_MAX = 4 * 1024 * 1024
"""A file's record lies in one page, which a reader holds in memory."""

_KEPT_PREFIXES = ("user.", "trusted.")
_KEPT = ("system.posix_acl_access", "system.posix_acl_default", "security.capability")
PRIVILEGED_PREFIXES = (b"trusted.", b"security.")
_NOT_HELD = (errno.ENOTSUP, errno.EPERM, errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EINVAL)


def unfollowed(dir_fd: int, name: bytes) -> bytes:
    """Return a path of a name in an open directory, for calls that know no `dir_fd`. Pass follow_symlinks=False."""
    return b"/proc/self/fd/%d/%s" % (dir_fd, name)


def read_xattrs(file: int | bytes) -> Xattrs:
    """Return a file's kept attributes sorted by name. `file` is a descriptor, or a path that is not followed.

    Raises:
        OSError: they can't be read, or are longer than `XATTRS_BYTES_MAX`.
    """
    try:
        names = os.listxattr(file) if isinstance(file, int) else os.listxattr(file, follow_symlinks=False)
        kept = sorted(name for name in names if _is_kept(name))
        xattrs = tuple((os.fsencode(name), value) for name in kept if (value := _value(file, name)) is not None)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return ()
        raise
    if sum(len(name) + len(value) for name, value in xattrs) > XATTRS_BYTES_MAX:
        raise OSError(errno.E2BIG, f"its extended attributes are longer than {XATTRS_BYTES_MAX} bytes")
    return xattrs


def write_attributes(file: int | bytes, node: Node, *, owned: tuple[int, int] | None = None) -> Iterator[str]:
    """Give a file its node's owner, mode, attributes and times; yield what this file system can't hold.

    `owned` is the owner and group that it has, None when that was not looked at.

    The order matters: a change of owner takes set-user-id bits and
    capabilities away, an attribute needs a mode that may be written, and
    every change moves the time.
    """
    root = os.geteuid() == 0
    if owned == (node.uid, node.gid):
        # A new file has no bits that a change of owner would take away, and the change costs as much as writing it.
        pass
    elif root and isinstance(file, int):
        os.fchown(file, node.uid, node.gid)
    elif root:
        os.chown(file, node.uid, node.gid, follow_symlinks=False)
    for name, value in node.xattrs:
        if not _is_kept(os.fsdecode(name)):
            # No snapshot has it. Whoever wrote this tree would say what the host's own attributes are.
            yield f"attribute {shown(name)}: it is not one that a volume keeps"
        elif root or not name.startswith(PRIVILEGED_PREFIXES):
            yield from _write_xattr(file, name, value)
    if node.type is not NodeType.SYMLINK:
        os.chmod(file, node.mode)  # noqa: PTH101 - a descriptor is not a path
    times = (node.mtime_ns, node.mtime_ns)
    if isinstance(file, int):
        os.utime(file, ns=times)
    else:
        os.utime(file, ns=times, follow_symlinks=False)


def holdable(folder: Path, xattrs: Xattrs) -> Xattrs:
    """Return those attributes that a file in this folder's file system can have; all, when it can't be tried out."""
    try:
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        return xattrs
    try:
        return tuple(one for one in xattrs if _is_kept(os.fsdecode(one[0])) and not any(_write_xattr(fd, *one)))
    except OSError:
        return xattrs
    finally:
        os.close(fd)


def _is_kept(name: str) -> bool:
    return name.startswith(_KEPT_PREFIXES) or name in _KEPT


def _value(file: int | bytes, name: str) -> bytes | None:
    """Return an attribute, None when it was taken off since they were listed."""
    try:
        return os.getxattr(file, name) if isinstance(file, int) else os.getxattr(file, name, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return None
        raise


def _write_xattr(file: int | bytes, name: bytes, value: bytes) -> Iterator[str]:
    try:
        if isinstance(file, int):
            os.setxattr(file, name, value)
        else:
            os.setxattr(file, name, value, follow_symlinks=False)
    except ValueError:
        yield f"attribute {shown(name)}: no file system has such a name"
    except OSError as error:
        if error.errno not in _NOT_HELD:
            raise
        yield f"attribute {os.fsdecode(name)!r}: {error.strerror}"
