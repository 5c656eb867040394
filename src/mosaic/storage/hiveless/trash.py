"""Volumes without a Hive that were removed with `docker volume rm`: kept for 30 days.

The data stays where it is, unheld and unmounted; only the record says that it
lies in the trash. The objects in the store and the key file are never touched.
"""

import time

from msgspec.structs import replace

from mosaic.core.errors import NotFound
from mosaic.storage import aside, cutting, log, restoring
from mosaic.storage.daemon import Daemon
from mosaic.storage.decide_hold import StillMounted
from mosaic.storage.decide_mount import NameTaken
from mosaic.storage.records import DockerVolume
from mosaic.storage.stale_mounts import mounts_in_use
from mosaic.storage.volume import Volume

KEPT_NS = 30 * 24 * 3600 * 10**9
FOLDER = "data"
"""The folder of the volume that its Docker volume is."""


class NotInTrash(NotFound):
    """No removed volume has this name, or several have."""

    code = "not-in-trash"

    def __init__(self, name: str, count: int) -> None:
        said = "no volume" if count == 0 else f"{count} volumes"
        super().__init__(
            f"{said} named {name!r} in the trash",
            hint="`mosaic storage trash list` shows what is there; give the beginning of its key instead of the name",
        )


def remove(daemon: Daemon, volume: Volume) -> None:
    """Move the volume to the trash. Raises StillMounted while containers use it."""
    with volume.wakes, daemon.lock:
        record = volume.record
        if record.hiveless is None or record.hiveless.removed_ns is not None:
            return
        mounts = mounts_in_use(daemon, volume.id)
        if mounts:
            raise StillMounted(mounts)
        removed = replace(record.hiveless, removed_ns=time.time_ns(), confirmed=False)
        phase = (
            record.phase if record.phase in ("failed", "set-aside") else "released" if record.live_uuid else "absent"
        )
        with daemon.books.transaction():
            daemon.books.docker_volumes.delete(record.hiveless.name)
            volume.update(replace(record, hiveless=removed, phase=phase, lease=None))
    log.info("volume_removed", volume=volume.id[:12], name=removed.name)
    volume.wake()


def removed(daemon: Daemon) -> list[Volume]:
    """Return the volumes in the trash whose data is here, oldest first."""
    with daemon.lock:
        found = [volume for volume in daemon.volumes.values() if _removed_ns(volume) and volume.record.live_uuid]
    return sorted(found, key=_removed_ns)


def find(daemon: Daemon, name: str) -> Volume:
    """Return the removed volume of that name, or whose key begins so. Raises NotInTrash."""
    there = removed(daemon)
    found = [volume for volume in there if volume.record.hiveless and volume.record.hiveless.name == name]
    found = found or [volume for volume in there if volume.id.startswith(name)]
    if len(found) != 1:
        raise NotInTrash(name, len(found))
    return found[0]


def restore(daemon: Daemon, name: str) -> str:
    """Give a removed volume back to the engine, and return its name. The store is asked before it may be mounted."""
    volume = find(daemon, name)
    with volume.wakes, daemon.lock:
        record = volume.record
        assert record.hiveless is not None
        if daemon.books.docker_volumes.get(record.hiveless.name) is not None:
            raise NameTaken(record.hiveless.name)
        with daemon.books.transaction():
            daemon.books.docker_volumes.put(
                record.hiveless.name, DockerVolume(record.hiveless.name, volume=volume.id, folder=FOLDER)
            )
            volume.update(replace(record, hiveless=replace(record.hiveless, removed_ns=None)))
    log.info("volume_brought_back", volume=volume.id[:12], name=record.hiveless.name)
    volume.wake()
    return record.hiveless.name


def delete(daemon: Daemon, name: str) -> str:
    """Delete a removed volume's data here, now. Returns its name."""
    volume = find(daemon, name)
    purge(volume)
    assert volume.record.hiveless is not None
    return volume.record.hiveless.name


def purge(volume: Volume) -> None:
    """Delete the data here of a removed volume. What is in the store stays, and so do conflict snapshots."""
    with volume.wakes:
        record = volume.record
        if record.hiveless is None or record.hiveless.removed_ns is None:
            return
        # The disk first: what is moved away before a kill is deleted at the next start.
        aside.throw_away(volume.subvolumes, volume.places, volume.places.live(volume.id))
        volume.update(
            replace(record, phase="absent", live_uuid=None, data_lease=None, accepted=None, pending=None, fenced=None)
        )
        restoring.drop_incoming(volume)
        cutting.trim(volume)
        volume.subvolumes.sync(volume.places.pool)
    log.info("volume_purged", volume=volume.id[:12])


def ends_ns(removed_ns: int) -> int:
    """Return when a removed volume's time in the trash is over."""
    return removed_ns + KEPT_NS


def _removed_ns(volume: Volume) -> int:
    hiveless = volume.record.hiveless
    return (hiveless.removed_ns or 0) if hiveless is not None else 0
