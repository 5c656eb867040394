"""Copying a file's content without copying its blocks, where the file system can.

Elsewhere the data (not the holes) is copied by the kernel, or by hand.
"""

import errno
import fcntl
import os
import tempfile
from pathlib import Path

_FICLONE = 0x40049409
_CANNOT = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM, errno.EBADF)
_STEP_BYTES = 4 * 1024 * 1024


def shares_blocks(folder: Path) -> bool:
    """Return whether files in a folder can be cloned without copying their blocks."""
    with tempfile.TemporaryFile(dir=folder) as source, tempfile.TemporaryFile(dir=folder) as target:
        source.write(b"probe")
        source.flush()
        try:
            fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
        except OSError:
            return False
        return True


def clone(source: int, target: int) -> None:
    """Make the empty file `target` hold what `source` holds. Both are descriptors."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        _copy(source, target)


def _copy(source: int, target: int) -> None:
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # only a hole is left
            raise
        end = os.lseek(source, at, os.SEEK_HOLE)
        while at < end:
            moved = _move(source, target, at, min(end - at, _STEP_BYTES))
            if moved == 0:
                return
            at += moved


def _move(source: int, target: int, at: int, length: int) -> int:
    try:
        return os.copy_file_range(source, target, length, at, at)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return os.pwrite(target, os.pread(source, length, at), at)
