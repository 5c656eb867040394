"""Keeping immutable objects in a folder, so that a crash never leaves half of one.

An object is written to a temporary file, synced, and then linked to its name:
`link` fails when the name is taken, which makes the write create-only. What
the objects mean is left to the callers; what a store owes them is written in
`mosaic.storage.engine.store`.
"""

import errno
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mosaic.adapters.private_file import sync_folder
from mosaic.core.errors import Conflict, Corrupt, NotFound, Refused, Unavailable
from mosaic.core.ids import VolumeId
from mosaic.wire.blobs import MAX_OBJECT_BYTES, OBJECT_NAME, ObjectEntry

_NAME = re.compile(OBJECT_NAME, re.ASCII)
_VOLUME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_INCOMING = ".incoming"
_LEFTOVER_SECONDS = 24 * 3600
_DURABLE_MODE = 0o600


class ObjectMissing(NotFound):
    """The store has no object of this name."""

    code = "object-missing"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the store has no object {name}", hint="leave the store as it is: only files in this object are affected"
        )


class ObjectExists(Conflict):
    """The name is taken by other bytes. Objects are immutable: nothing was changed."""

    code = "object-exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"the store has other bytes under {name}", hint="look again; somebody else wrote this name")


class ObjectDamaged(Corrupt):
    """The store has the object, but not with the bytes that were asked for."""

    code = "object-damaged"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"object {name} is damaged: {reason}",
            hint="leave the store as it is: only files in this object are affected",
        )


class ObjectRefused(Refused):
    """Not a name or size that a store takes."""

    code = "object-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, hint="a newer Mosaic may be needed on the other side")


class StoreFull(Refused):
    """There is no space left for another object. Nothing was written."""

    code = "store-full"

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} is full", hint="free space there; nothing that is stored already is affected")


class StoreUnavailable(Unavailable):
    """The store did not answer; what was asked may or may not have happened."""

    code = "store-unavailable"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} does not answer: {reason}", hint="it is tried again by itself")


def check_name(name: str) -> str:
    """Return `name`. Raises ObjectRefused when it is not one that a store takes."""
    if not _NAME.fullmatch(name):
        raise ObjectRefused(f"{name!r} is not an object's name")
    return name


def check_length(name: str, length: int) -> None:
    """Raise ObjectDamaged for more than any object has: nobody wrote that, and it would be read into memory."""
    if length > MAX_OBJECT_BYTES:
        raise ObjectDamaged(name, f"it is {length} bytes long, and no object has more than {MAX_OBJECT_BYTES}")


class FolderBlobs:
    """A folder with one store for each volume."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def volume(self, volume: VolumeId) -> "FolderStore":
        """Return the store of one volume. Its folder is made when something is put.

        Raises:
            ObjectRefused: `volume` is not 64 lower-case hex characters.
        """
        if not _VOLUME.fullmatch(volume):
            raise ObjectRefused(f"{volume!r} is not a volume's name")
        return FolderStore(self._root / volume)


class FolderStore:
    """A `Store` in one folder. Several processes may use the folder at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = False

    def put(self, name: str, data: bytes) -> None:
        """Store an object durably; see `Store.put`."""
        check_name(name)
        if len(data) > MAX_OBJECT_BYTES:
            raise ObjectRefused(f"{name} is {len(data)} bytes, and an object has at most {MAX_OBJECT_BYTES}")
        with self._failures(name):
            self._prepare()
            incoming = self._folder / _INCOMING / secrets.token_hex(16)
            try:
                _write_durably(incoming, data)
                self._link(incoming, name, data)
            finally:
                incoming.unlink(missing_ok=True)

    def get(self, name: str) -> bytes:
        """Return a whole object; see `Store.get`."""
        check_name(name)
        with self._failures(name), (self._folder / name).open("rb") as file:
            check_length(name, os.fstat(file.fileno()).st_size)
            return file.read()

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return part of an object; see `Store.get_range`."""
        check_name(name)
        with self._failures(name):
            fd = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                found = os.pread(fd, length, offset)
            finally:
                os.close(fd)
        if len(found) != length:
            raise ObjectDamaged(name, f"it ends {length - len(found)} bytes before the end of the range that was asked")
        return found

    def delete(self, name: str) -> None:
        """Delete an object; see `Store.delete`."""
        check_name(name)
        with self._failures(name):
            try:
                (self._folder / name).unlink()
            except FileNotFoundError:
                return
            sync_folder(self._folder)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield objects sorted by name; see `Store.list`."""
        with self._failures(prefix):
            names = sorted(name for name in self._names() if name.startswith(prefix))
        for name in names:
            with self._failures(name):
                try:
                    size = (self._folder / name).stat().st_size
                except FileNotFoundError:
                    continue  # deleted since the names were read
            yield ObjectEntry(name, size)

    def _names(self) -> Sequence[str]:
        try:
            return [path.name for path in self._folder.iterdir() if _NAME.fullmatch(path.name)]
        except FileNotFoundError:
            return []

    def _prepare(self) -> None:
        if self._ready:
            return
        incoming = self._folder / _INCOMING
        incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        oldest = time.time() - _LEFTOVER_SECONDS
        for leftover in incoming.iterdir():
            # Younger ones may be another writer's, in flight, and gone by the time that they are looked at.
            with suppress(FileNotFoundError):
                if leftover.stat().st_mtime < oldest:
                    leftover.unlink()
        sync_folder(self._folder)
        sync_folder(self._folder.parent)
        self._ready = True

    def _link(self, incoming: Path, name: str, data: bytes) -> None:
        final = self._folder / name
        try:
            os.link(incoming, final)
        except FileExistsError:
            if final.stat().st_size != len(data) or final.read_bytes() != data:
                raise ObjectExists(name) from None
        # Also after "exists": the earlier call may have died before its own sync.
        sync_folder(self._folder)

    @contextmanager
    def _failures(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise ObjectMissing(name) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFull(str(self._folder)) from error
            if error.errno == errno.EIO:
                raise ObjectDamaged(name, "the disk cannot read or write it") from error
            raise StoreUnavailable(str(self._folder), error.strerror or "unknown failure") from error


def _write_durably(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _DURABLE_MODE)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
    finally:
        os.close(fd)
