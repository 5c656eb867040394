"""All that one daemon has open, and the volumes that it knows."""

import functools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mosaic.adapters.clock import Clock, SystemClock
from mosaic.core.errors import NotFound
from mosaic.core.ids import VolumeId
from mosaic.storage import aside, cutting, log
from mosaic.storage.auditing import Auditor
from mosaic.storage.backing import Backing, Backings
from mosaic.storage.books import Books
from mosaic.storage.caches import Caches
from mosaic.storage.config import StorageConfig
from mosaic.storage.decide_restart import OnDisk, after_restart
from mosaic.storage.limits import Limits
from mosaic.storage.places import Places
from mosaic.storage.pool import Pool
from mosaic.storage.records import VolumeRecord
from mosaic.storage.reports import Reports
from mosaic.storage.stores.followers import Followers
from mosaic.storage.upstreams import Upstreams
from mosaic.storage.volume import Volume
from mosaic.storage.worker import OwnStep, Worker

if TYPE_CHECKING:
    from mosaic.storage.hiveless.stores import Stores
    from mosaic.storage.stores.share_server import ShareServer


class VolumeNotHere(NotFound):
    """The daemon has never heard of the volume."""

    code = "volume-not-here"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(f"volume {volume[:12]} is not known here", hint="hold or prefetch it first")


@dataclass
class Daemon:
    """One running daemon. `lock` guards the table of volumes; each volume has a lock of its own.

    `mounted_at` tells when this run of the daemon answered a mount, by the engine's id, in monotonic seconds.
    """

    config: StorageConfig
    books: Books
    pool: Pool
    upstreams: Upstreams
    boot: str
    reports: Reports = field(default_factory=Reports)
    limits: Limits = field(default_factory=Limits)
    volumes: dict[VolumeId, Volume] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    mounted_at: dict[str, float] = field(default_factory=dict)
    sharing: "ShareServer | None" = None
    clock: Clock = field(default_factory=SystemClock)
    _workers: list[Worker] = field(default_factory=list)

    @property
    def places(self) -> Places:
        """Where everything lies in the pool."""
        return Places(self.pool.path)

    @property
    def backings(self) -> Backings:
        """Where each volume's heads and packs go."""
        return Backings(self.upstreams, self._backing_without_hive, self.followers)

    @functools.cached_property
    def stores(self) -> "Stores":
        """The stores of volumes without a Hive."""
        # Loaded where there are such volumes: an idle daemon of a Device pays nothing for them.
        from mosaic.storage.hiveless.stores import Stores

        return Stores(self.config.state)

    @functools.cached_property
    def followers(self) -> Followers:
        """The stores that follow."""
        cache = self.config.state / "cache"
        changed = self.reports.changed
        return Followers(self.books, self.limits, cache=cache, changed=changed, pace=self.config.follow)

    @functools.cached_property
    def auditor(self) -> Auditor:
        """What audits the volumes."""
        return Auditor(self.caches, self.clock, self.config.audit, self._is_carrying)

    @property
    def caches(self) -> Caches:
        """The engine's memory."""
        return Caches(self.config.state / "cache")

    def volume(self, volume: VolumeId) -> Volume:
        """Return a volume. Raises VolumeNotHere."""
        with self.lock:
            found = self.volumes.get(volume)
        if found is None:
            raise VolumeNotHere(volume)
        return found

    def volume_or_new(self, record: VolumeRecord) -> Volume:
        """Return the volume of that name, made from `record` when it is new."""
        with self.lock:
            found = self.volumes.get(record.volume)
            if found is None:
                found = self._make(record)
                self._start(found)
            return found

    def recover(self) -> None:
        """Take up all volumes where a stopped or killed daemon left them."""
        limits = self.books.limits()
        self.limits.limit(limits.upload, limits.download)
        # Opened before any worker asks for them.
        log.info("stores_followed", stores=len(self.followers.records()))
        self.places.make()
        aside.empty_trash(self.pool.subvolumes, self.places)
        self.pool.subvolumes.sync(self.pool.path)
        for record in self.books.volumes.items().values():
            self._recover(record)
        uuids = {volume.record.live_uuid for volume in self.volumes.values()}
        uuids |= {volume.record.incoming.uuid for volume in self.volumes.values() if volume.record.incoming}
        self.caches.keep_only(set(self.volumes), {uuid for uuid in uuids if uuid})

    def stop(self, deadline_seconds: float) -> None:
        """End all work."""
        if self.sharing is not None:
            self.sharing.stop()
        self.upstreams.close()
        if "stores" in self.__dict__:
            self.stores.close()
        self.limits.stop()
        for worker in self._workers:
            worker.stop(deadline_seconds / max(1, len(self._workers)))
        self.auditor.stop()
        self.followers.stop(deadline_seconds)

    def mounts(self, volume: VolumeId) -> int:
        """Count the engine's mounts of a volume."""
        return sum(
            len(found.mount_ids) for found in self.books.docker_volumes.items().values() if found.volume == volume
        )

    def _is_carrying(self) -> bool:
        with self.lock:
            volumes = list(self.volumes.values())
        return any(volume.moved is not None or volume.cutting.locked() for volume in volumes)

    def _make(self, record: VolumeRecord) -> Volume:
        return Volume(
            record,
            books=self.books,
            places=self.places,
            subvolumes=self.pool.subvolumes,
            changed=self.reports.changed,
            fence_confirm_seconds=self.config.fence_confirm_seconds,
        )

    def _start(self, volume: Volume) -> None:
        self.volumes[volume.id] = volume
        worker = Worker(
            volume,
            pool=self.pool,
            caches=self.caches,
            backings=self.backings,
            config=self.config,
            without_hive=self._step_without_hive,
            auditor=self.auditor,
        )
        self._workers.append(worker)
        worker.start()

    def _backing_without_hive(self, record: VolumeRecord) -> Backing:
        from mosaic.storage.hiveless.stores import backing

        return backing(self.stores, record, self.books.writer())

    def _step_without_hive(self, volume: Volume, step: OwnStep) -> float | None:
        from mosaic.storage.hiveless.steps import carry_out

        return carry_out(self, volume, step)

    def _recover(self, record: VolumeRecord) -> None:
        places, subvolumes = self.places, self.pool.subvolumes
        live = subvolumes.uuid(places.live(record.volume))
        disk = OnDisk(live, subvolumes.uuid(places.incoming(record.volume)), self.boot)
        resume = after_restart(record, disk)
        if resume.finish_rename:
            places.incoming(record.volume).rename(places.live(record.volume))
        if resume.clear_incoming:
            aside.throw_away(subvolumes, places, places.incoming(record.volume))
        if resume.record != record:
            log.info("volume_resumed", volume=record.volume[:12], before=record.phase, now=resume.record.phase)
            self.books.volumes.put(record.volume, resume.record)
        volume = self._make(resume.record)
        if live is not None:
            volume.seen(subvolumes.generation(places.live(record.volume)))
        cutting.trim(volume)
        self._start(volume)
