"""The Device's content store: `blobs/sha256/<hex>`, and `<hex>.part` for what is still being fetched.

A blob under its name was hashed before it got it. Whoever fetches appends to the part, from where it ends, and
then says `keep`.
"""

import hashlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from mosaic.adapters.private_file import sync_folder
from mosaic.core.errors import Corrupt, NotFound
from mosaic.core.oci_types import Descriptor, digest_of, is_digest

_PART_BYTES = 1024 * 1024


class BlobWrong(Corrupt):
    """What was fetched is not what was asked for."""

    code = "blob-wrong"

    def __init__(self, digest: str, actual: str) -> None:
        super().__init__(
            f"what was fetched for {digest[:19]}… is {actual[:19]}…",
            hint="it is fetched again from its beginning; where that ends the same way, the registry's copy is damaged",
        )


class BlobMissing(NotFound):
    """A blob is not in this Device's store."""

    code = "blob-missing"

    def __init__(self, digest: str) -> None:
        super().__init__(f"this Device does not have {digest[:80]}", hint="fetch or import the app again")


class Blobs:
    """The store under one folder. Digests that are no names are refused as missing."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "sha256"
        self._adding = threading.Lock()

    def make(self) -> None:
        """Make the folder. Doing it twice is fine."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def place(self, digest: str) -> Path:
        """Return where a blob lies, or would. Only what has that digest may be put there, durably and by renaming."""
        if not is_digest(digest):
            raise BlobMissing(digest)
        return self._folder / digest.removeprefix("sha256:")

    def path(self, digest: str) -> Path:
        """Return where a blob lies. Raises BlobMissing when it is not here."""
        path = self.place(digest)
        if not path.is_file():
            raise BlobMissing(digest)
        return path

    def part(self, digest: str) -> Path:
        """Return where a blob is fetched to. What is there already is its beginning, unless something damaged it."""
        place = self.place(digest)
        return place.with_name(place.name + ".part")

    def missing(self, wanted: Iterable[Descriptor]) -> list[tuple[Descriptor, int]]:
        """Return what of these is not here, once each, with how many bytes of it are."""
        unique = {descriptor.digest: descriptor for descriptor in wanted}
        return [
            (descriptor, min(_size(self.part(digest)), descriptor.size))
            for digest, descriptor in unique.items()
            if not self.place(digest).is_file()
        ]

    def keep(self, digest: str) -> Path:
        """Give a fetched part its name, durably; return where it lies. Doing it twice is fine.

        Raises:
            BlobWrong: it has another digest. The part is gone, so that the next attempt begins anew.
            BlobMissing: there is no part.
        """
        place, part = self.place(digest), self.part(digest)
        if not part.is_file():
            return self.path(digest)
        actual = _hashed(part)
        if actual != digest:
            part.unlink()
            raise BlobWrong(digest, actual)
        descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.rename(place)
        sync_folder(self._folder)
        return place

    def adopt(self, digest: str, file: Path) -> Path:
        """Move a file of the same file system into the store. Raises BlobWrong; the file is then gone."""
        file.rename(self.part(digest))
        return self.keep(digest)

    def add(self, content: bytes) -> str:
        """Put bytes into the store, in place of a blob that rotted there; return their digest."""
        digest = digest_of(content)
        # Two apps may have one file; what one thread writes another must not find half written.
        with self._adding:
            if not self.is_whole(digest):
                self.part(digest).write_bytes(content)
                self.keep(digest)
        return digest

    def is_whole(self, digest: str) -> bool:
        """Whether a blob is here and still what it was. Reads all of it."""
        place = self.place(digest)
        return place.is_file() and _hashed(place) == digest

    def listed(self) -> list[Path]:
        """Return every blob and every part that is here now."""
        return [path for path in self._folder.iterdir() if path.is_file()]

    def remove(self, listed: Iterable[Path], *, but: Iterable[str]) -> list[str]:
        """Remove of these what is of no digest among `but`; return the digests of what went."""
        kept = {digest.removeprefix("sha256:") for digest in but}
        gone = [path for path in listed if path.name.removesuffix(".part") not in kept]
        for path in gone:
            # A part may have become whole since.
            path.unlink(missing_ok=True)
        return sorted({"sha256:" + path.name.removesuffix(".part") for path in gone})


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _hashed(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            digest.update(part)
    return "sha256:" + digest.hexdigest()
