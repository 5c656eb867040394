"""All stores that follow, and how far each is with each volume. Threads share it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mosaic.adapters.s3.location import S3Location
from mosaic.core.errors import MosaicError
from mosaic.core.ids import VolumeId
from mosaic.storage import log
from mosaic.storage.books import Books
from mosaic.storage.config import FollowPace
from mosaic.storage.engine.spares import Spare
from mosaic.storage.limits import LimitedStore, Limits
from mosaic.storage.records import Followed
from mosaic.storage.stores.address import parse_address
from mosaic.storage.stores.follower import Follower
from mosaic.storage.stores.opening import DEADLINE_SECONDS, OpenStore, open_store
from mosaic.storage.stores.room import Room
from mosaic.storage.stores.store_records import AddedStore

_ROOM_BYTES = 24 * 1024 * 1024
"""For each store: the pack on its way, and the next."""

_READ_SECONDS = 10.0
"""A spare that is down must not keep a restore waiting."""


class _Followed:
    """One store that is open."""

    def __init__(self, record: AddedStore, books: Books) -> None:
        key = books.store_keys.get(record.name)
        self.record = record
        self.room = Room(_ROOM_BYTES)
        self.writing: OpenStore = open_store(record, key, deadline_seconds=DEADLINE_SECONDS)
        self.reading: OpenStore = open_store(record, key, deadline_seconds=_READ_SECONDS)
        self.volumes: dict[VolumeId, Follower] = {}

    def stop(self) -> None:
        """Begin nothing any more."""
        for follower in self.volumes.values():
            follower.stop()
        self.writing.close()
        self.reading.close()


class _Forgotten:
    """What has to be deleted from one store of one volume, in the ledger."""

    def __init__(self, books: Books, key: str) -> None:
        self._books = books
        self._prefix = f"{key}/"

    def names(self) -> list[str]:
        """Return all of it."""
        return [key.removeprefix(self._prefix) for key in self._books.forgotten.items() if key.startswith(self._prefix)]

    def add(self, name: str) -> None:
        """Remember one more."""
        self._books.forgotten.put(self._prefix + name, 1)

    def done(self, name: str) -> None:
        """It is deleted."""
        self._books.forgotten.delete(self._prefix + name)


class Followers:
    """The stores of the ledger, open from the start; `begin` and `end` follow what is added and removed."""

    def __init__(
        self, books: Books, limits: Limits, *, cache: Path, changed: Callable[[], None], pace: FollowPace
    ) -> None:
        self._books = books
        self._pace = pace
        self.limits = limits
        self._cache = cache
        self._changed = changed
        self._lock = threading.Lock()
        self._stores: dict[str, _Followed] = {}
        for record in books.stores.items().values():
            try:
                self.begin(record)
            except MosaicError as error:
                log.warning("store_not_opened", store=record.name, code=error.code, reason=error.message)

    def begin(self, record: AddedStore) -> None:
        """Follow a store from now on, in place of an older one of its name."""
        opened = _Followed(record, self._books)
        with self._lock:
            older, self._stores[record.name] = self._stores.get(record.name), opened
        if older is not None:
            older.stop()
        self._changed()

    def noted(self, record: AddedStore) -> None:
        """Take in what was found out about a store that is followed."""
        with self._lock:
            found = self._stores.get(record.name)
            if found is not None and found.record.create_only == record.create_only:
                found.record = record
                return
        self.begin(record)

    def end(self, name: str) -> None:
        """Follow a store no more, and forget how far it was. What lies in it stays."""
        with self._lock:
            older = self._stores.pop(name, None)
            if older is not None:
                older.stop()
            with self._books.transaction():
                for bucket in (self._books.followed, self._books.forgotten):
                    for key in bucket.items():
                        if key.startswith(f"{name}/"):
                            bucket.delete(key)
        self._changed()

    def records(self) -> list[AddedStore]:
        """Return the stores that are followed, by name."""
        with self._lock:
            return [self._stores[name].record for name in sorted(self._stores)]

    def of(self, volume: VolumeId) -> list[Follower]:
        """Return the volume's followers, by name."""
        with self._lock:
            return [self._follower(self._stores[name], volume) for name in sorted(self._stores)]

    def known(self, volume: VolumeId) -> list[tuple[AddedStore, Follower | None, Followed | None]]:
        """Return each store, the volume's follower there once it has one, and how far the ledger says that it is."""
        with self._lock:
            return [
                (found.record, found.volumes.get(volume), self._books.followed.get(f"{name}/{volume}"))
                for name, found in sorted(self._stores.items())
            ]

    def spares(self, volume: VolumeId) -> list[Spare]:
        """Return the stores to read what the volume's first store lost."""
        with self._lock:
            stores = [found for _, found in sorted(self._stores.items())]
        return [
            Spare(
                LimitedStore(found.reading.volume(volume), self.limits),
                self._cache / f"{volume}.index-{found.record.name}",
            )
            for found in stores
        ]

    def ask(self, name: str) -> None:
        """Try again now what failed."""
        with self._lock:
            found = self._stores.get(name)
            for follower in found.volumes.values() if found else ():
                follower.ask()

    def stop(self, deadline_seconds: float) -> None:
        """End all of it; what is under way may be left: it is safe to be killed."""
        with self._lock:
            stores = list(self._stores.values())
        for found in stores:
            found.stop()
        at_work = [follower for found in stores for follower in found.volumes.values()]
        for follower in at_work:
            follower.join(deadline_seconds / len(at_work))

    def _follower(self, found: _Followed, volume: VolumeId) -> Follower:
        follower = found.volumes.get(volume)
        if follower is None:
            key = f"{found.record.name}/{volume}"
            follower = found.volumes[volume] = Follower(
                volume,
                found.record.name,
                LimitedStore(found.writing.volume(volume), self.limits, is_patient=True),
                found.room,
                followed=self._books.followed.get(key),
                remember=lambda followed: self._books.followed.put(key, followed),
                forgotten=_Forgotten(self._books, key),
                changed=self._changed,
                pace=self._pace_of(found.record),
            )
        return follower

    def _pace_of(self, record: AddedStore) -> FollowPace:
        """Read disks of our own again. A bucket's keeper looks for rot himself, and many charge for what is read."""
        is_bucket = isinstance(parse_address(record.url), S3Location)
        return replace(self._pace, reread_seconds=None) if is_bucket else self._pace
