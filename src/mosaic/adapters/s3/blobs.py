"""Keeping volumes in a bucket: the object `name` of a volume is `prefix/volume/name`.

So a copy of the folder of a volume, made by any tool, is a store in a folder,
and `tools/rescue.py` reads it.
"""

import re
from collections.abc import Iterator

from mosaic.adapters.blobs import (
    ObjectDamaged,
    ObjectExists,
    ObjectMissing,
    ObjectRefused,
    StoreUnavailable,
    check_name,
)
from mosaic.adapters.s3.bucket import S3Bucket
from mosaic.adapters.s3.failures import ConditionFailed
from mosaic.adapters.s3.self_test import Conditions
from mosaic.core.ids import VolumeId
from mosaic.wire.blobs import MAX_OBJECT_BYTES, ObjectEntry

_VOLUME = re.compile(r"[0-9a-f]{64}", re.ASCII)


class S3Blobs:
    """A bucket with one store for each volume. `conditions` is what its self-test found."""

    def __init__(self, bucket: S3Bucket, conditions: Conditions) -> None:
        self._bucket = bucket
        self._conditions = conditions

    def volume(self, volume: VolumeId) -> "S3Store":
        """Return the store of one volume. Nothing is asked of the bucket yet.

        Raises:
            ObjectRefused: `volume` is not 64 lower-case hex characters.
        """
        if not _VOLUME.fullmatch(volume):
            raise ObjectRefused(f"{volume!r} is not a volume's name")
        return S3Store(self._bucket, volume, create_only=self._conditions.create_only)


class S3Store:
    """A `Store` in a bucket. Machines may share it.

    Without `create_only` the bucket cannot refuse a name that is taken, so `put` looks before it
    writes, and two callers that put different bytes under one name at the same moment may both
    return: obligation 3 of `Store` holds one after another only. Data is safe all the same: a pack's
    name is 16 random bytes, a head's is the hash of its bytes, and which head counts is decided by
    the Hive, never by the store. Such a bucket must not be the only place where heads are kept.
    """

    def __init__(self, bucket: S3Bucket, volume: VolumeId, *, create_only: bool) -> None:
        self._bucket = bucket
        prefix = bucket.location.prefix
        self._folder = f"{prefix}/{volume}" if prefix else str(volume)
        self._create_only = create_only

    def put(self, name: str, data: bytes) -> None:
        """Store an object durably; see `Store.put`."""
        key = self._key(name)
        if len(data) > MAX_OBJECT_BYTES:
            raise ObjectRefused(f"{name} is {len(data)} bytes, and an object has at most {MAX_OBJECT_BYTES}")
        if not self._create_only:
            self._look_and_write(key, name, data)
            return
        try:
            self._bucket.create(key, data)
        except ConditionFailed:
            found = self._found(key)
            if found is None:
                # Refused for a writer that was at it in the same moment, and failed.
                raise StoreUnavailable(self._bucket.location.where, f"it refused {name} and does not have it") from None
            if found != data:
                raise ObjectExists(name) from None

    def get(self, name: str) -> bytes:
        """Return a whole object; see `Store.get`."""
        return self._bucket.read(self._key(name)).data

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return part of an object; see `Store.get_range`."""
        found = self._bucket.read_range(self._key(name), offset, length)
        if len(found) != length:
            raise ObjectDamaged(name, f"it ends {length - len(found)} bytes before the end of the range that was asked")
        return found

    def delete(self, name: str) -> None:
        """Delete an object; see `Store.delete`."""
        self._bucket.delete(self._key(name))

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield objects sorted by name; see `Store.list`."""
        # The whole folder: S3 lists a part of it only up to a slash, and not every store sorts.
        for key, size in sorted(self._bucket.sizes(self._folder).items()):
            name = key.removeprefix(f"{self._folder}/")
            if name.startswith(prefix) and "/" not in name:
                yield ObjectEntry(name, size)

    def _look_and_write(self, key: str, name: str, data: bytes) -> None:
        found = self._found(key)
        if found is None:
            self._bucket.write(key, data)
        elif found != data:
            raise ObjectExists(name)

    def _found(self, key: str) -> bytes | None:
        try:
            return self._bucket.read(key).data
        except ObjectMissing:
            return None

    def _key(self, name: str) -> str:
        return f"{self._folder}/{check_name(name)}"
