"""Cutting a snapshot: whose turn it is, and what its head will say of it.

A cut that the Device asked for (`SnapshotNow.consistent`) is made at once, in
the thread of the request, because an app waits for it; it is noted in the
ledger and replicated before anything that the worker would cut. So a head's
flags always speak of exactly the cut that they were meant for.
"""

import contextlib
import time
from collections.abc import Iterator

from msgspec.structs import replace

from mosaic.core.consistency import APP_CONSISTENT, APP_STOPPED, FUZZY
from mosaic.core.errors import Conflict, Unavailable
from mosaic.core.ids import VolumeId
from mosaic.storage.caches import Caches
from mosaic.storage.decide_audit import must_reread
from mosaic.storage.engine.heads import open_head, root_of
from mosaic.storage.pool import Pool
from mosaic.storage.records import Cut, Lease
from mosaic.storage.subvolumes import IsKnown
from mosaic.storage.volume import LeaseGone, TrialUnderWay, Volume

_PATIENCE_SECONDS = 15.0
"""Half of what the Device waits for an answer."""


class CutBusy(Unavailable):
    """Another snapshot of the volume is being cut and takes long."""

    code = "cut-busy"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(
            f"another snapshot of volume {volume[:12]} is being cut",
            hint="nothing to do: the Device asks again; crash-consistent snapshots go on",
        )


class NotReadyToCut(Conflict):
    """The volume is not in use under a lease, so there is nothing to be consistent about."""

    code = "not-ready-to-cut"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(
            f"volume {volume[:12]} is not ready, so no app-consistent snapshot was cut",
            hint="wait until the app runs: `mosaic show NAME`",
        )


def cut_consistent(volume: Volume, pool: Pool, caches: Caches) -> None:
    """Cut now what an app has made ready, and have it replicated next.

    Raises:
        NotReadyToCut, TrialUnderWay, CutBusy, LeaseGone, PoolNearlyFull: nothing was cut.
    """
    with without_cuts(volume):
        record = volume.record
        if record.lease is None or record.phase != "ready":
            raise NotReadyToCut(volume.id)
        if record.trial is not None:
            raise TrialUnderWay(volume.id)
        pool.check_room()
        cut = _cut(volume, record.lease, APP_CONSISTENT, caches)
        with volume.still_leased(record.lease) as now:
            if now.phase != "ready":
                raise LeaseGone(volume.id)
            volume.cut_ns = cut.taken_ns
            volume.update(replace(now, cut=cut))


@contextlib.contextmanager
def without_cuts(volume: Volume) -> Iterator[None]:
    """Keep everybody else from cutting. Raises CutBusy when somebody does for longer than the Device can wait."""
    if not volume.cutting.acquire(timeout=_PATIENCE_SECONDS):
        raise CutBusy(volume.id)
    try:
        yield
    finally:
        volume.cutting.release()


def next_cut(volume: Volume, lease: Lease, caches: Caches) -> Cut:
    """Return what to replicate now: the cut that waits, or a fresh one. Raises LeaseGone."""
    with volume.cutting:
        with volume.still_leased(lease) as record:
            waiting = record.cut
        if waiting is not None and waiting.epoch == lease.epoch:
            if (volume.places.snapshots(volume.id) / waiting.snapshot).is_dir():
                return waiting
            with volume.still_leased(lease) as record:
                volume.update(replace(record, cut=None))
        return _cut(volume, lease, APP_STOPPED if record.phase in ("releasing", "going-back") else 0, caches)


def drop(volume: Volume, lease: Lease, cut: Cut) -> None:
    """Give up a cut that cannot be replicated."""
    with volume.still_leased(lease) as record:
        if record.cut == cut:
            volume.update(replace(record, cut=None))


def trim(volume: Volume) -> None:
    """Delete all local snapshots but those that are needed.

    Those are the newest acknowledged one, what is under way and what waits, the
    audited one, and what a trial began with.
    """
    if not volume.cutting.acquire(blocking=False):
        # One that is being cut is in no record yet. The next round trims.
        return
    try:
        record, folder = volume.record, volume.places.snapshots(volume.id)
        needed = (record.accepted, record.pending, record.cut) if volume.subvolumes.keeps_snapshots else (record.cut,)
        kept = {found.snapshot for found in needed if found is not None} | {volume.audited_snapshot}
        if record.trial is not None:
            kept.add(record.trial.snapshot)
        if folder.is_dir():
            for path in folder.iterdir():
                if path.name not in kept:
                    volume.subvolumes.delete(path)
    finally:
        volume.cutting.release()


def _cut(volume: Volume, lease: Lease, flags: int, caches: Caches) -> Cut:
    folder = volume.places.snapshots(volume.id)
    folder.mkdir(mode=0o711, exist_ok=True)
    taken_ns = time.time_ns()
    path = folder / str(taken_ns)

    @contextlib.contextmanager
    def known() -> Iterator[IsKnown | None]:
        accepted = volume.record.accepted
        if accepted is None or volume.is_damaged or volume.copies_all or must_reread(volume.record):
            yield None
            return
        root = root_of(open_head(bytes.fromhex(accepted.signed), volume.id))
        with caches.nodes(volume.record.live_uuid or "none") as nodes:
            yield nodes.recognised(root.root)

    made = volume.subvolumes.cut(volume.id, volume.places.live(volume.id), path, known)
    if made.flags & FUZZY:
        # What was not read at one instant is not what the app made ready.
        flags &= ~APP_CONSISTENT
    return Cut(path.name, taken_ns, made.generation, lease.epoch, flags | made.flags)
