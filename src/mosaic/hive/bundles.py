"""Bundles that installations use, by digest.

An installation keeps the bundle that it was installed from: a catalog folder
that changes later changes nothing that is installed.
"""

from pathlib import Path

from mosaic.adapters.blobs import FolderStore, ObjectMissing
from mosaic.adapters.bundle import digest as digest_of
from mosaic.core.errors import Corrupt, NotFound
from mosaic.core.ids import AppDigest


class BundleMissing(NotFound):
    """The Hive has no bundle of this digest."""

    code = "bundle-missing"

    def __init__(self, digest: str) -> None:
        super().__init__(f"this Hive has no bundle {digest[:80]}", hint="`mosaic catalog list` shows what it has")


class BundleDamaged(Corrupt):
    """The stored bytes do not have their digest any more."""

    code = "bundle-damaged"

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"the Hive's copy of bundle {digest} is damaged", hint="restore the Hive's bundles folder from a backup"
        )


class Bundles:
    """A folder of bundles. Nothing is ever removed or changed."""

    def __init__(self, folder: Path) -> None:
        self._store = FolderStore(folder)

    def keep(self, bundle: bytes) -> AppDigest:
        """Store a bundle durably; storing it again does nothing."""
        digest = digest_of(bundle)
        self._store.put(_name(digest), bundle)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bundle's bytes. Raises BundleMissing, BundleDamaged."""
        name = _name(digest)
        if len(digest) != 71 or not name.removeprefix("sha256-").isalnum() or not name.islower():
            raise BundleMissing(digest)
        try:
            bundle = self._store.get(name)
        except ObjectMissing:
            raise BundleMissing(digest) from None
        if digest_of(bundle) != digest:
            raise BundleDamaged(digest)
        return bundle


def _name(digest: str) -> str:
    return digest.replace("sha256:", "sha256-", 1)
