"""What installations run, by digest: plain bundles, and packages as a manifest and the blobs that it names.

An installation keeps what it was installed from: a catalog's folder that changes
later changes nothing that is installed, and an app survives its registry. Blobs
may have a GiB, so they come and go as files; only what is small is read whole.
"""

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path

from mosaic.adapters.blobs import FolderStore, ObjectMissing, StoreFull, StoreUnavailable
from mosaic.adapters.bundle import digest as digest_of
from mosaic.adapters.private_file import sync_folder
from mosaic.core.errors import Corrupt, NotFound
from mosaic.core.ids import AppDigest
from mosaic.core.oci_types import is_digest

ABANDONED_SECONDS = 7 * 24 * 3600.0

_FETCHING = ".fetching"
_MODE = 0o600


class BundleMissing(NotFound):
    """The Hive has no bundle of this digest."""

    code = "bundle-missing"

    def __init__(self, digest: str) -> None:
        super().__init__(f"this Hive has no bundle {digest[:80]}", hint="`mosaic catalog list` shows what it has")


class BundleDamaged(Corrupt):
    """The stored bytes do not have their digest any more, or those that were given never had it."""

    code = "bundle-damaged"

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"the Hive's copy of bundle {digest} is damaged", hint="restore the Hive's bundles folder from a backup"
        )


class Bundles:
    """A folder of files named by their digests. What is kept is never removed, nor changed into something else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = FolderStore(folder)

    def keep(self, bundle: bytes) -> AppDigest:
        """Store a bundle, a manifest or a small blob durably; storing it again does nothing."""
        digest = digest_of(bundle)
        self._store.put(_name(digest), bundle)
        return digest

    def keep_file(self, file: Path, digest: str) -> None:
        """Move a file of the same file system in, durably, when it has that digest. Else it stays where it is.

        What the store has under that digest is replaced: it is the same, or it was damaged.

        Raises:
            BundleDamaged: it does not have that digest.
            BundleMissing: this cannot be a digest.
            StoreFull, StoreUnavailable: the disk refuses.
        """
        place = self._place(digest)
        try:
            with file.open("rb") as source:
                if f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}" != digest:
                    raise BundleDamaged(digest)
                os.fchmod(source.fileno(), _MODE)
                os.fsync(source.fileno())
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.rename(place)
            sync_folder(self._folder)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFull(str(self._folder)) from error
            raise StoreUnavailable(str(self._folder), error.strerror or type(error).__name__) from error

    def fetching(self, digest: str) -> Path:
        """Return where a blob is fetched to before it is kept, on the same file system. Its folder is made.

        What is there already came from an earlier try; whether it is right shows in its digest. Raises BundleMissing.
        """
        place = self._folder / _FETCHING / self._place(digest).name
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return place

    def clear_abandoned(self, *, now: float, seconds: float = ABANDONED_SECONDS) -> None:
        """Remove what was begun and not gone on with for so long: nothing else would. For the start, before any fetch.

        `now` is in seconds since 1970.
        """
        for part in (self._folder / _FETCHING).glob("*"):
            # What cannot be removed keeps no Hive from starting.
            with suppress(OSError):
                if part.stat().st_mtime < now - seconds:
                    part.unlink()

    def path(self, digest: str) -> Path:
        """Return where something lies, for reading it piece by piece: its digest is not looked at.

        Raises BundleMissing.
        """
        place = self._place(digest)
        if not place.is_file():
            raise BundleMissing(digest)
        return place

    def has(self, digest: str) -> bool:
        """Whether something lies under that digest."""
        return is_digest(digest) and self._place(digest).is_file()

    def get(self, digest: str) -> bytes:
        """Return something small whole: a plain bundle, a manifest, a compose file.

        Raises:
            BundleMissing: it is not here.
            BundleDamaged: it has another digest.
            ObjectDamaged: it is larger than anything that is read whole.
        """
        name = self._place(digest).name
        try:
            bundle = self._store.get(name)
        except ObjectMissing:
            raise BundleMissing(digest) from None
        if digest_of(bundle) != digest:
            raise BundleDamaged(digest)
        return bundle

    def _place(self, digest: str) -> Path:
        if not is_digest(digest):
            raise BundleMissing(digest)
        return self._folder / _name(digest)


def _name(digest: str) -> str:
    return digest.replace("sha256:", "sha256-", 1)
