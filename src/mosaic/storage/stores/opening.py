"""Opening a store by its record: something that gives one `Store` a volume."""

from collections.abc import Callable
from dataclasses import dataclass

from mosaic.adapters.hive_blobs import HiveConnection
from mosaic.adapters.s3.location import S3Credentials, S3Location
from mosaic.core.ids import VolumeId
from mosaic.storage.engine.store import Store
from mosaic.storage.stores.address import DeviceAddress, FolderAddress, parse_address
from mosaic.storage.stores.marked_folder import MarkedFolder
from mosaic.storage.stores.pairing import PairingRefused
from mosaic.storage.stores.store_records import AddedStore, StoreKey

DEADLINE_SECONDS = 10.0
"""Who follows tries again by itself, and says meanwhile that it does."""


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store that is open. Opening and having it makes no request; `close` gives up what is under way."""

    volume: Callable[[VolumeId], Store]
    close: Callable[[], None]


def open_store(record: AddedStore, key: StoreKey | None, *, deadline_seconds: float = DEADLINE_SECONDS) -> OpenStore:
    """Open a store. Raises AddressUnusable, LocationUnusable: the record is not one of this program's."""
    match parse_address(record.url):
        case FolderAddress(path):
            return OpenStore(MarkedFolder(path, record.mark or "").volume, lambda: None)
        case DeviceAddress(host, port):
            found = connect_device(host, port, record.certificate or "", key, deadline_seconds=deadline_seconds)
            return OpenStore(found.store, found.close)
        case S3Location() as location:
            return _bucket(record, location, key, deadline_seconds)


def connect_device(
    host: str, port: int, certificate_pem: str, key: StoreKey | None, *, deadline_seconds: float
) -> HiveConnection:
    """Connect to another Device's shared folder, which has this certificate and no other."""
    return HiveConnection(
        f"https://{f'[{host}]' if ':' in host else host}:{port}",
        key.secret if key else "",
        pinned_pem=certificate_pem,
        deadline_seconds=deadline_seconds,
        refusal=PairingRefused,
    )


def s3_credentials(key: StoreKey | None) -> S3Credentials:
    """Return a key as the S3 adapter takes it."""
    return S3Credentials(key.key_id or "", key.secret, key.session_token) if key else S3Credentials("", "")


def _bucket(record: AddedStore, location: S3Location, key: StoreKey | None, deadline_seconds: float) -> OpenStore:
    # Its library is loaded at the first request only.
    from mosaic.adapters.s3.blobs import S3Blobs
    from mosaic.adapters.s3.bucket import S3Bucket
    from mosaic.adapters.s3.self_test import Conditions

    bucket = S3Bucket(location, s3_credentials(key), deadline_seconds=deadline_seconds)
    blobs = S3Blobs(bucket, Conditions(record.create_only, record.compare_and_swap))
    return OpenStore(blobs.volume, bucket.close)
