"""A folder as a store, only while it is the folder that was chosen.

A network share that is not mounted leaves an empty folder in its place.
Writing there would fill this machine's own disk and call that a replica, and
reading there would find no history. So a file marks the folder when a volume
is made in it, and without the mark nothing is read or written.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from mosaic.adapters.blobs import FolderBlobs, FolderStore, ObjectExists, StoreUnavailable
from mosaic.adapters.private_file import sync_folder
from mosaic.core.errors import MosaicError, Refused
from mosaic.core.ids import VolumeId
from mosaic.wire.blobs import ObjectEntry

_MARK = "mosaic-store"
_MARK_TEXT = "Encrypted volumes of Mosaic are in this folder. Mosaic uses the folder only while this file is in it.\n"
_MOUNTS = Path("/proc/self/mountinfo")
_ELSEWHERE = re.compile(r"nfs4?|cifs|smb3|ceph|glusterfs|9p|afs|fuse\.(sshfs|rclone|glusterfs|s3fs|davfs)|davfs")


class StoreFolderRefused(Refused):
    """The folder cannot be a store."""

    code = "store-folder-refused"


class MountedFolder:
    """A `Store` for one volume in a marked folder."""

    def __init__(self, root: Path, volume: VolumeId) -> None:
        self._root = root
        self._store = FolderBlobs(root).volume(volume)

    def put(self, name: str, data: bytes) -> None:
        """See `Store.put`."""
        self._check()
        self._store.put(name, data)

    def get(self, name: str) -> bytes:
        """See `Store.get`."""
        self._check()
        return self._store.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """See `Store.get_range`."""
        self._check()
        return self._store.get_range(name, offset, length)

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        self._check()
        self._store.delete(name)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """See `Store.list`."""
        self._check()
        yield from self._store.list(prefix)

    def _check(self) -> None:
        if not (self._root / _MARK).is_file():
            raise StoreUnavailable(
                str(self._root), f"its file {_MARK} is not there, so it may be another folder or not mounted"
            )


def try_out(root: Path) -> None:
    """Find out whether a folder keeps to create-only writes, and mark it.

    Raises:
        StoreFolderRefused: it is not there, cannot be written, or does not keep to them.
    """
    if not root.is_dir():
        raise StoreFolderRefused(
            f"there is no folder {root}", hint=f"mount it if it is a network share; else make it: mkdir -p {root}"
        )
    scratch = root / f".self-test-{secrets.token_hex(8)}"
    try:
        _creates_only(FolderStore(scratch), root)
        _mark(root)
    except OSError as error:
        raise StoreFolderRefused(
            f"the folder {root} cannot be written: {error.strerror}", hint="check who may write there, and its space"
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def is_elsewhere(root: Path, mounts: Path = _MOUNTS) -> bool:
    """Return whether a folder lies on a file system of another machine."""
    real, best, kind = str(root.resolve()), "", ""
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        at = before.split(" ")[4].replace("\\040", " ")
        if (real == at or real.startswith(at.rstrip("/") + "/")) and len(at) >= len(best):
            best, kind = at, after.split(" ")[0]
    return _ELSEWHERE.fullmatch(kind) is not None


def _creates_only(store: FolderStore, root: Path) -> None:
    refused = "it has no hard links, which make writes create-only; use ext4, btrfs, XFS, NFS or an S3 store"
    try:
        store.put("first", b"first")
    except MosaicError as error:
        raise StoreFolderRefused(f"the folder {root} cannot be a store: {error.message}", hint=refused) from None
    try:
        store.put("first", b"second")
    except ObjectExists:
        return
    raise StoreFolderRefused(f"the folder {root} replaces files that are there", hint=refused)


def _mark(root: Path) -> None:
    mark = root / _MARK
    if mark.is_file():
        return
    descriptor = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_MARK_TEXT.encode())
        file.flush()
        os.fsync(descriptor)
    sync_folder(root)
