"""The stores of volumes without a Hive: opening one, trying it out, and keeping it open."""

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.core.errors import Refused
from mosaic.core.ids import DeviceId, VolumeId
from mosaic.storage.backing import Backing
from mosaic.storage.engine.slots import SlotLog
from mosaic.storage.engine.store import Store
from mosaic.storage.hiveless.address import FolderAddress, S3Address, StoreAddress, parse_address
from mosaic.storage.hiveless.credentials import find_credentials
from mosaic.storage.hiveless.mounted_folder import MountedFolder, is_elsewhere, try_out
from mosaic.storage.records import Hiveless, VolumeRecord

if TYPE_CHECKING:
    from mosaic.adapters.s3.bucket import S3Bucket
    from mosaic.adapters.s3.location import S3Credentials

_VOLUME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DEADLINE_SECONDS = 15.0
"""Less than the engine waits for a mount; what takes longer is tried again by the volume's worker."""


class StoreKeepsNoLog(Refused):
    """The store takes a conditional write and ignores the condition."""

    code = "store-keeps-no-log"

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} does not hold to create-only writes, so two machines could both believe that a volume is theirs",
            hint="use a folder or another S3 store, or let a Hive keep the heads: `mosaic up`",
        )


class Stores:
    """Every store that is in use, opened once. Threads share it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str | None], tuple[S3Credentials, S3Bucket]] = {}

    def store(self, hiveless: Hiveless, volume: VolumeId) -> Store:
        """Return the store of a volume. Asks it nothing yet. Raises when its key cannot be found."""
        return self.open(parse_address(hiveless.store), hiveless.credentials, volume)

    def open(self, address: StoreAddress, credentials: str | None, volume: VolumeId) -> Store:
        """Return a volume's store at an address."""
        match address:
            case FolderAddress(path):
                return MountedFolder(path, volume)
            case S3Address():
                # Loaded only where a volume lies in a bucket: the library behind it takes 7 MB.
                from mosaic.adapters.s3.blobs import S3Blobs
                from mosaic.adapters.s3.self_test import Conditions

                # Tried out when the volume was made.
                kept = Conditions(create_only=True, compare_and_swap=False)
                return S3Blobs(self._bucket(address, credentials), kept).volume(volume)

    def log(self, hiveless: Hiveless, volume: VolumeId) -> SlotLog:
        """Return the history of a volume."""
        return SlotLog(self.store(hiveless, volume), volume)

    def try_out(self, address: StoreAddress, credentials: str | None) -> None:
        """Find out whether a store can be the only one that knows who may write.

        Raises:
            StoreKeepsNoLog, StoreFolderRefused: it cannot.
            MosaicError: it cannot be reached or used; the error says why.
        """
        match address:
            case FolderAddress(path):
                try_out(path)
            case S3Address(location):
                from mosaic.adapters.s3.self_test import find_conditions

                if not find_conditions(self._bucket(address, credentials), location.prefix).create_only:
                    raise StoreKeepsNoLog(location.where)

    def volumes(self, address: StoreAddress, credentials: str | None) -> list[VolumeId]:
        """Return the volumes that have anything in a store."""
        match address:
            case FolderAddress(path):
                names = {found.name for found in path.iterdir()} if path.is_dir() else set()
            case S3Address(location):
                depth = location.prefix.count("/") + 1 if location.prefix else 0
                keys = self._bucket(address, credentials).sizes(location.prefix)
                names = {key.split("/")[depth] for key in keys if key.count("/") > depth}
        return [VolumeId(name) for name in sorted(names) if _VOLUME.fullmatch(name)]

    def close(self) -> None:
        """Give up all requests under way."""
        with self._lock:
            for _, bucket in self._buckets.values():
                bucket.close()

    def _bucket(self, address: S3Address, credentials: str | None) -> "S3Bucket":
        from mosaic.adapters.s3.bucket import S3Bucket

        named = Path(credentials) if credentials else None
        key = find_credentials(address.location.bucket, named=named, state=self._state)
        with self._lock:
            at = (str(address), credentials)
            found = self._buckets.get(at)
            if found is None or found[0] != key:
                # The file may hold another key since.
                found = (key, S3Bucket(address.location, key, deadline_seconds=_DEADLINE_SECONDS))
                self._buckets[at] = found
            return found[1]


def lies_here(hiveless: Hiveless) -> bool:
    """Return whether a store is on this very machine, which makes it no replica."""
    match parse_address(hiveless.store):
        case FolderAddress(path):
            return not is_elsewhere(path)
        case S3Address(location):
            return location.is_loopback


def backing(stores: Stores, record: VolumeRecord, writer: DeviceId) -> Backing:
    """Return what backs a volume without a Hive: its store, which is its own log."""
    assert record.hiveless is not None
    store = stores.store(record.hiveless, record.volume)
    return Backing(
        name="store",
        heads=SlotLog(store, record.volume),
        store=store,
        device=writer,
        key=record.hiveless.store,
        same_machine=lies_here(record.hiveless),
    )
