"""The stores of volumes without a Hive: opening one, trying it out, and keeping it open."""

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.adapters.mount_tables import own_table
from mosaic.adapters.s3.location import S3Location
from mosaic.core.errors import Refused
from mosaic.core.ids import DeviceId, VolumeId
from mosaic.storage.backing import Backing
from mosaic.storage.engine.slots import SlotLog
from mosaic.storage.engine.store import Store
from mosaic.storage.hiveless.address import StoreAddress, parse_address, write_address
from mosaic.storage.hiveless.credentials import find_credentials
from mosaic.storage.records import Hiveless, VolumeRecord
from mosaic.storage.stores.address import FolderAddress
from mosaic.storage.stores.machine_of import is_own_host, lies_here
from mosaic.storage.stores.marked_folder import MarkedFolder, mark_folder, read_mark

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


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where a store is. `mark` is a folder's, without which nothing is done in it."""

    address: StoreAddress
    credentials: str | None
    mark: str | None


class Stores:
    """Every store that is in use, opened once. Threads share it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str | None], tuple[S3Credentials, S3Bucket]] = {}

    def open(self, place: StorePlace, volume: VolumeId) -> Store:
        """Return a volume's store. Asks it nothing yet. Raises when its key cannot be found."""
        if isinstance(place.address, FolderAddress):
            return MarkedFolder(place.address.path, place.mark or "").volume(volume)
        # Loaded only where a volume lies in a bucket: the library behind it takes 7 MB.
        from mosaic.adapters.s3.blobs import S3Blobs
        from mosaic.adapters.s3.self_test import Conditions

        # Tried out when the volume was made.
        kept = Conditions(create_only=True, compare_and_swap=False)
        return S3Blobs(self._bucket(place.address, place.credentials), kept).volume(volume)

    def try_out(self, address: StoreAddress, credentials: str | None) -> StorePlace:
        """Find out whether a store can be the only one that knows who may write, and return it ready to be used.

        Raises:
            StoreKeepsNoLog, FolderUnusable: it cannot.
            MosaicError: it cannot be reached or used; the error says why.
        """
        from mosaic.adapters.s3.self_test import find_conditions
        from mosaic.storage.stores.trying_out import try_folder

        if isinstance(address, FolderAddress):
            mark = mark_folder(address.path)
            conditions = try_folder(address.path, mark)
        else:
            mark = None
            conditions = find_conditions(self._bucket(address, credentials), address.prefix)
        if not conditions.create_only:
            where = f"the folder {address.path}" if isinstance(address, FolderAddress) else address.where
            raise StoreKeepsNoLog(where)
        return StorePlace(address, credentials, mark)

    def existing(self, address: StoreAddress, credentials: str | None) -> StorePlace:
        """Return a store that is to be read. Raises FolderUnusable for a folder that is none."""
        return StorePlace(address, credentials, read_mark(address.path) if isinstance(address, FolderAddress) else None)

    def volumes(self, place: StorePlace) -> list[VolumeId]:
        """Return the volumes that have anything in a store."""
        if isinstance(place.address, FolderAddress):
            path = place.address.path
            names = {found.name for found in path.iterdir()} if path.is_dir() else set()
        else:
            prefix = place.address.prefix
            depth = prefix.count("/") + 1 if prefix else 0
            keys = self._bucket(place.address, place.credentials).sizes(prefix)
            names = {key.split("/")[depth] for key in keys if key.count("/") > depth}
        return [VolumeId(name) for name in sorted(names) if _VOLUME.fullmatch(name)]

    def close(self) -> None:
        """Give up all requests under way."""
        with self._lock:
            for _, bucket in self._buckets.values():
                bucket.close()

    def _bucket(self, location: S3Location, credentials: str | None) -> "S3Bucket":
        from mosaic.adapters.s3.bucket import S3Bucket

        key = find_credentials(location.bucket, named=Path(credentials) if credentials else None, state=self._state)
        with self._lock:
            at = (write_address(location), credentials)
            found = self._buckets.get(at)
            if found is None or found[0] != key:
                # The file may hold another key since.
                found = (key, S3Bucket(location, key, deadline_seconds=_DEADLINE_SECONDS))
                self._buckets[at] = found
            return found[1]


def is_here(address: StoreAddress) -> bool:
    """Return whether a store is on this very machine, which makes it no replica. Asks for names in the network."""
    return lies_here(address, mounts=own_table(), is_own=is_own_host)


def place_of(hiveless: Hiveless) -> StorePlace:
    """Return where a volume's store is."""
    return StorePlace(parse_address(hiveless.store), hiveless.credentials, hiveless.mark)


def backing(stores: Stores, record: VolumeRecord, writer: DeviceId) -> Backing:
    """Return what backs a volume without a Hive: its store, which is its own log."""
    assert record.hiveless is not None
    store = stores.open(place_of(record.hiveless), record.volume)
    return Backing(
        name="store",
        heads=SlotLog(store, record.volume),
        store=store,
        device=writer,
        key=record.hiveless.store,
        same_machine=record.hiveless.same_machine,
    )
