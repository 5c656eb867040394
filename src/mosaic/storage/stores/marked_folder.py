"""A folder as a store, marked when it was added, so that it is never mistaken for another one.

A network file system that is not mounted leaves an empty folder in its place.
Written to, that folder would look like a replica and be none: every verb
looks for the mark first, and a write looks again before it counts.
"""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from mosaic.adapters.blobs import FolderBlobs, ObjectDamaged, StoreUnavailable
from mosaic.adapters.mount_tables import own_table
from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Refused
from mosaic.core.ids import VolumeId
from mosaic.storage.engine.store import Store
from mosaic.storage.stores.machine_of import is_on_network
from mosaic.wire.blobs import ObjectEntry

_MARK = "mosaic-store"


class FolderUnusable(Refused):
    """A folder cannot be a store."""

    code = "store-folder-unusable"


def mark_folder(path: Path) -> str:
    """Return the mark of a folder that is to be a store, made when it has none. The folder must exist.

    Raises:
        FolderUnusable: there is no such folder, or nothing can be written to it.
    """
    try:
        if not path.is_dir():
            raise FolderUnusable(
                f"there is no folder {path}", hint=f"mount what belongs there, then make it: mkdir -p {path}"
            )
        file = path / _MARK
        if not file.exists():
            write_private(file, secrets.token_hex(16).encode())
        return file.read_text(errors="replace")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FolderUnusable(
            f"{path} cannot be used: {reason}", hint="check who owns it and how it is mounted"
        ) from None


def read_mark(path: Path) -> str:
    """Return the mark of a folder that is a store. Raises FolderUnusable when it is none; nothing is written."""
    try:
        return (path / _MARK).read_text(errors="replace")
    except OSError:
        raise FolderUnusable(
            f"{path} is not a store: there is no file {_MARK} in it",
            hint="mount what belongs there, or correct the folder's path",
        ) from None


class MarkedFolder:
    """The stores of all volumes in one marked folder."""

    def __init__(self, path: Path, mark: str) -> None:
        self._path = path
        self._mark = mark
        self._blobs = FolderBlobs(path)

    def volume(self, volume: VolumeId) -> "MarkedStore":
        """Return the store of one volume. Raises ObjectRefused for what is no volume's name."""
        return MarkedStore(self, self._blobs.volume(volume))

    def check(self) -> None:
        """Raise StoreUnavailable unless this is the folder that was added."""
        try:
            found = (self._path / _MARK).read_text(errors="replace")
        except FileNotFoundError:
            reason = "the mark of the store is not in it; perhaps its file system is not mounted"
            raise StoreUnavailable(str(self._path), reason) from None
        except OSError as error:
            raise StoreUnavailable(str(self._path), error.strerror or "unknown failure") from error
        if found != self._mark:
            raise StoreUnavailable(str(self._path), "another store lies there than the one that was added")

    @property
    def is_on_network(self) -> bool:
        """Whether a server has to answer before anything can be read."""
        return is_on_network(self._path, mounts=own_table())


class MarkedStore:
    """One volume's `Store` in a marked folder."""

    def __init__(self, folder: MarkedFolder, store: Store) -> None:
        self._folder = folder
        self._store = store

    def put(self, name: str, data: bytes) -> None:
        """Store an object durably; see `Store.put`."""
        self._folder.check()
        self._store.put(name, data)
        self._folder.check()

    def get(self, name: str) -> bytes:
        """Return a whole object; see `Store.get`."""
        return self._read(lambda: self._store.get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return part of an object; see `Store.get_range`."""
        return self._read(lambda: self._store.get_range(name, offset, length))

    def delete(self, name: str) -> None:
        """Delete an object for good; see `Store.delete`."""
        self._folder.check()
        self._store.delete(name)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield objects sorted by name; see `Store.list`."""
        self._folder.check()
        yield from self._store.list(prefix)

    def _read(self, read: Callable[[], bytes]) -> bytes:
        """Read, and believe that something is damaged only when the store is there and says so twice.

        A network file system says "input/output error" while its server is away, as a disk does that rots.
        """
        self._folder.check()
        try:
            return read()
        except ObjectDamaged:
            self._folder.check()
        try:
            return read()
        except ObjectDamaged as damage:
            self._folder.check()
            if isinstance(damage.__cause__, OSError) and self._folder.is_on_network:
                raise StoreUnavailable(
                    "the store's server", f"it gives an input/output error; {damage.message}"
                ) from damage
            raise
