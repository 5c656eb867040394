"""Where a Hive's copies can go: a folder, best of another machine, or a bucket of an S3 store."""

from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.backup_files import Destination
from mosaic.adapters.blobs import FolderBlobs
from mosaic.adapters.machine import file_system_of
from mosaic.core.errors import Refused
from mosaic.core.ids import VolumeId
from mosaic.storage.engine.store import Store

_OF_OTHER_MACHINES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "fuse.sshfs", "fuse.rclone", "fuse.glusterfs", "virtiofs"}
)


class PlaceUnusable(Refused):
    """Copies cannot go there."""

    code = "backup-place-unusable"

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint=hint)


@dataclass(frozen=True, slots=True)
class Place:
    """An opened destination. `same_machine` says that it dies with this machine."""

    store: Store
    same_machine: bool


def opened(destination: Destination, volume: VolumeId, *, new: bool = False) -> Place:
    """Open a destination. With `new`, its folder is made; without, a missing one is an error: a disk is not mounted.

    Raises:
        PlaceUnusable: it is none, or not there.
        MosaicError: the store does not answer, or fails what is asked of it.
    """
    if destination.url.startswith("s3:"):
        return _bucket(destination, volume)
    folder = _folder(destination.url)
    if new:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not folder.is_dir():
        raise PlaceUnusable(
            f"the folder {folder} is not there", hint="mount the disk that it is on, or make it: mkdir -p"
        )
    return Place(FolderBlobs(folder).volume(volume), file_system_of(folder) not in _OF_OTHER_MACHINES)


def _folder(url: str) -> Path:
    folder = Path(url.removeprefix("file://"))
    if "://" in str(folder) or not folder.is_absolute():
        raise PlaceUnusable(
            "copies go to a folder or to an S3 store, and this is neither",
            hint="give an absolute path like /mnt/nas/mosaic, or s3://BUCKET/FOLDER?endpoint=https://…",
        )
    return folder


def _bucket(destination: Destination, volume: VolumeId) -> Place:
    # The library of S3 stores is large, and copies to a folder do without it.
    from mosaic.adapters.s3.address import parse_bucket
    from mosaic.adapters.s3.blobs import S3Blobs
    from mosaic.adapters.s3.bucket import S3Bucket
    from mosaic.adapters.s3.self_test import Conditions
    from mosaic.cli.hive_backup.destination import credentials_of

    location = parse_bucket(destination.url)
    bucket = S3Bucket(location, credentials_of(destination))
    # One Hive writes, under names that nobody else would choose: nothing is asked of the store's conditions.
    store = S3Blobs(bucket, Conditions(create_only=False, compare_and_swap=False)).volume(volume)
    return Place(store, location.is_loopback)
