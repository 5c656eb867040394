"""Writing a small file that only its owner may read, so that a crash leaves the old one or the new one."""

import errno
import os
from pathlib import Path
from typing import BinaryIO

from mosaic.core.errors import Unavailable

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
"""What a disk says that takes nothing now."""


class FileNotWritten(Unavailable):
    """A disk took no more. What was there before is still there."""

    code = "file-not-written"

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(
            f"{os.fspath(path)} could not be written: {reason}",
            hint="make room on its disk, or look at it; what waits for it goes on by itself",
        )


def write_private(path: Path, content: bytes) -> None:
    """Put a 0600 file in place of an older one, durably. Its folder must exist; one writer at a time.

    Raises FileNotWritten when the disk takes nothing now.
    """
    try:
        _write(path, content)
    except OSError as error:
        refused = disk_refused(error, path)
        if refused is None:
            raise
        raise refused from error


def replace_private(path: Path, content: bytes) -> None:
    """Put a 0600 file in place of an older one, at once but not durably. Its folder must exist; one writer at a time.

    Every process sees the old one or the new one, also when this one is killed. After a power cut it may be the old
    one, or a part of the new one. Raises FileNotWritten when the disk takes nothing now.
    """
    draft = path.with_name(f"{path.name}.new")
    try:
        with _drafted(draft) as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        refused = disk_refused(error, path)
        if refused is None:
            raise
        raise refused from error


def disk_refused(error: Exception, path: Path | None = None) -> FileNotWritten | None:
    """Return what to tell people of an error that is a disk's, None of any other."""
    if not isinstance(error, OSError) or error.errno not in DISK_ERRORS:
        return None
    return FileNotWritten(path or error.filename or "a file", error.strerror or str(error))


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.new")
    with _drafted(draft) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def _drafted(draft: Path) -> BinaryIO:
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "wb")


def sync_folder(folder: Path) -> None:
    """Make durable what was created, renamed or removed in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
