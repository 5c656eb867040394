"""A folder that this machine keeps for other Devices: what it takes, and how much.

It is blind: all that lies here is ciphertext whose keys are elsewhere. Used
bytes are counted once at the start and kept count of from then on; every
object counts as whole blocks, so that many small ones cannot evade the quota.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from mosaic.adapters.blobs import StoreFull
from mosaic.core.ids import VolumeId
from mosaic.storage.stores.marked_folder import MarkedFolder
from mosaic.wire.blobs import ObjectEntry

SCRATCH = VolumeId("0" * 64)
"""Where other Devices try the folder out. No key pair has this public key, so no volume is called that."""

_BLOCK = 4096
_RESERVE_SHARE = 20
_MOST_RESERVE_BYTES = 10 * 1024**3


class SharedBlobs:
    """The volumes of other Devices in one marked folder. Threads share it."""

    def __init__(self, path: Path, mark: str, quota_bytes: int | None) -> None:
        self._path = path
        self._folder = MarkedFolder(path, mark)
        self._quota_bytes = quota_bytes
        self._lock = threading.Lock()
        self._folder.check()
        shutil.rmtree(path / SCRATCH, ignore_errors=True)
        self._used = sum(_blocks(file.stat().st_size) for file in path.glob("*/*") if file.is_file())

    @property
    def used_bytes(self) -> int:
        """How much lies here."""
        with self._lock:
            return self._used

    def put(self, volume: VolumeId, name: str, content: bytes) -> None:
        """Store an object; see `Store.put`. Raises StoreFull when the quota or the disk's reserve would be touched."""
        store, size = self._folder.volume(volume), _blocks(len(content))
        is_new = not (self._path / volume / name).exists()
        if is_new:
            self._reserve(size)
        try:
            store.put(name, content)
        except BaseException:  # raised again; room that nothing fills would be taken for ever
            if is_new:
                self._give_back(size)
            raise

    def get(self, volume: VolumeId, name: str) -> bytes:
        """Return a whole object; see `Store.get`."""
        return self._folder.volume(volume).get(name)

    def get_range(self, volume: VolumeId, name: str, offset: int, length: int) -> bytes:
        """Return part of an object; see `Store.get_range`."""
        return self._folder.volume(volume).get_range(name, offset, length)

    def size(self, volume: VolumeId, name: str) -> int:
        """Return how long an object is, 0 when there is none."""
        try:
            return (self._path / volume / name).stat().st_size
        except OSError:
            return 0

    def delete(self, volume: VolumeId, name: str) -> None:
        """Delete an object; see `Store.delete`."""
        file = self._path / volume / name
        size = _blocks(file.stat().st_size) if file.is_file() else 0
        self._folder.volume(volume).delete(name)
        self._give_back(size)

    def list(self, volume: VolumeId, prefix: str) -> Iterator[ObjectEntry]:
        """Yield a volume's objects; see `Store.list`."""
        return self._folder.volume(volume).list(prefix)

    def _reserve(self, size: int) -> None:
        disk = os.statvfs(self._path)
        reserve = min(disk.f_blocks * disk.f_frsize // _RESERVE_SHARE, _MOST_RESERVE_BYTES)
        with self._lock:
            is_over = self._quota_bytes is not None and self._used + size > self._quota_bytes
            if is_over or disk.f_bavail * disk.f_frsize < size + reserve:
                raise StoreFull("the Device that keeps this")
            self._used += size

    def _give_back(self, size: int) -> None:
        with self._lock:
            self._used -= size


def _blocks(size: int) -> int:
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK + _BLOCK
