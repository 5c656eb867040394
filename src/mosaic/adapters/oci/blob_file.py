"""A blob on its way to disk: a `.part` beside its place that takes its name when it is whole.

A kill at any line leaves a part that the next call goes on with. Of several
who fetch one blob to one place, in this process or another, one holds the
part and the others wait as long as it grows. Whether a part is right shows in
its digest alone, so nothing that it went through has to be remembered.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from mosaic.adapters.oci.failures import BlobBusy, NoRoomForBlob
from mosaic.adapters.private_file import sync_folder
from mosaic.core.oci_types import Descriptor, Digest

_READ_BYTES = 2**20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_LOOK_SECONDS = 0.1


class Part:
    """The part of one blob, held by this thread."""

    def __init__(self, descriptor: int, path: Path, blob: Descriptor) -> None:
        self._descriptor = descriptor
        self._path = path
        self._blob = blob
        self._hash = hashlib.sha256()
        self.size = 0
        self._read_again()

    @property
    def digest(self) -> Digest:
        """The digest of what is there so far."""
        return Digest("sha256:" + self._hash.hexdigest())

    def append(self, content: bytes) -> None:
        """Add what comes next. Raises NoRoomForBlob."""
        left = memoryview(content)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise NoRoomForBlob(self._blob.digest, size_bytes=self._blob.size) from error
        self._hash.update(content)
        self.size += len(content)

    def clear(self) -> None:
        """Throw away what is there."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._hash = hashlib.sha256()
        self.size = 0

    def finish(self, into: Path) -> None:
        """Give it its name, durably. What had that name is replaced."""
        os.fsync(self._descriptor)
        self._path.rename(into)
        sync_folder(into.parent)

    def _read_again(self) -> None:
        if os.fstat(self._descriptor).st_size > self._blob.size:
            self.clear()
        while piece := os.read(self._descriptor, _READ_BYTES):
            self._hash.update(piece)
            self.size += len(piece)


@contextlib.contextmanager
def held_part(into: Path, blob: Descriptor, *, pause: Callable[[float], None], looks: int) -> Iterator[Part | None]:
    """Hold the part of a blob; None when the blob is there whole, which somebody else may have seen to.

    Raises BlobBusy when somebody else holds it and it did not grow between so many looks.
    """
    path = into.with_name(f"{into.name}.part")
    descriptor = _locked(into, path, blob, pause=pause, looks=looks)
    try:
        yield None if descriptor is None else Part(descriptor, path, blob)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_whole(path: Path, blob: Descriptor) -> bool:
    """Whether a file is this blob, byte for byte. One that has only its name is none."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == blob.size:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == blob.digest
    return False


def _locked(into: Path, path: Path, blob: Descriptor, *, pause: Callable[[float], None], looks: int) -> int | None:
    left, seen = looks, -1
    while not is_whole(into, blob):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            size = os.fstat(descriptor).st_size
            os.close(descriptor)
            left, seen = (looks, size) if size != seen else (left - 1, seen)
            if left <= 0:
                raise BlobBusy(blob.digest) from None
            pause(_LOOK_SECONDS)
            continue
        if _is_still(path, descriptor):
            return descriptor
        # Its holder has given it its name since we opened it.
        os.close(descriptor)
    return None


def _is_still(path: Path, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    return False
