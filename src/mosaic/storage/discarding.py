"""Giving up the local copy of a volume that lives elsewhere now.

Nothing is deleted until its replacement was seen (G3): the Hive's newest head
must be the named one or descend from it, and so must what is deleted here.
"""

from msgspec.structs import replace

from mosaic.adapters import btrfs
from mosaic.adapters.hive_blobs import HiveHeads
from mosaic.core.errors import Conflict, Refused
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.crypto.hashing import head_hash
from mosaic.storage import aside, log, replication, restoring
from mosaic.storage.daemon import Daemon
from mosaic.storage.decide_hold import StillMounted
from mosaic.storage.engine.heads import open_head
from mosaic.storage.stale_mounts import mounts_in_use
from mosaic.storage.volume import Volume
from mosaic.wire.storage import Discard

_LONGEST_WALK = 10_000


class StillHeld(Conflict):
    """The volume is held here."""

    code = "still-held"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(f"volume {volume[:12]} is still held here", hint="release it first")


class NotReplaced(Refused):
    """The Hive does not have what should replace the local data."""

    code = "not-replaced"

    def __init__(self, volume: VolumeId, reason: str) -> None:
        super().__init__(
            f"the local copy of volume {volume[:12]} is kept: {reason}",
            hint="wait until the Device that took the app over has replicated once",
        )


def discard(daemon: Daemon, asked: Discard) -> None:
    """Remove the live subvolume, local snapshots and caches. Conflict snapshots stay. May be called again."""
    volume = daemon.volume(VolumeId(asked.volume))
    if volume.record.discarded and volume.live is None:
        return
    _check_free(daemon, volume)
    _check_replaced(volume, daemon.upstreams.require().hive.heads(volume.id), HeadHash(asked.replaced_by))
    with volume.wakes:
        _check_free(daemon, volume)
        aside.retire(volume)
        restoring.drop_incoming(volume)
        daemon.books.seeds.delete(volume.id)
        volume.update(
            replace(
                volume.record,
                phase="absent",
                live_uuid=None,
                data_lease=None,
                accepted=None,
                pending=None,
                prefetch=None,
                discarded=True,
            )
        )
        replication.trim(volume)
        btrfs.sync(volume.places.pool)
    log.info("volume_discarded", volume=volume.id[:12], replaced_by=asked.replaced_by[:12])


def _check_free(daemon: Daemon, volume: Volume) -> None:
    if volume.record.lease is not None:
        raise StillHeld(volume.id)
    mounts = mounts_in_use(daemon, volume.id)
    if mounts:
        raise StillMounted(mounts)


def _check_replaced(volume: Volume, heads: HiveHeads, replaced_by: HeadHash) -> None:
    found = heads.newest()
    if found is None:
        raise NotReplaced(volume.id, "the Hive has no snapshot of it")
    missing = {replaced_by}
    if volume.record.accepted is not None:
        missing.add(volume.record.accepted.head)
    signed: bytes | None = found[1]
    for _ in range(_LONGEST_WALK):
        if signed is None or not missing:
            break
        head = open_head(signed, volume.id)
        missing.discard(head_hash(signed))
        signed = heads.get(head.previous) if head.previous and missing else None
    if replaced_by in missing:
        raise NotReplaced(volume.id, f"the Hive's newest snapshot does not descend from {replaced_by[:12]}")
    if missing:
        raise NotReplaced(volume.id, "the Hive's newest snapshot does not descend from what is here")
