"""Bringing a head back: beside the live subvolume first, in its place when it is complete.

A restore is written to `incoming/`, which is never mounted. Only when every
byte was checked and is on the disk does the ledger call it complete, and only
then is it renamed to be the live subvolume (G3, G4).
"""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from mosaic.core.epoch import parse
from mosaic.core.errors import MosaicError
from mosaic.core.ids import HeadHash
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage import aside
from mosaic.storage.backing import Backing, HeadLog
from mosaic.storage.caches import Caches
from mosaic.storage.committing import HiveBehind
from mosaic.storage.decide_hold import DataExpected, EpochIsOld
from mosaic.storage.decide_step import Fetch, next_step
from mosaic.storage.engine.heads import HeadForged, open_head, root_of
from mosaic.storage.engine.restore import restore
from mosaic.storage.engine.roots import Progress, RootRef
from mosaic.storage.patience import Patience
from mosaic.storage.reading import Reading
from mosaic.storage.records import Accepted, Incoming, VolumeRecord
from mosaic.storage.volume import LeaseGone, Moved, Volume, is_clean


def fetch(volume: Volume, keys: VolumeKeys, wanted: HeadHash, newest: Callable[[], Backing], *, caches: Caches) -> None:
    """Restore the head into `incoming/` and note it as complete. `newest` returns where it lies now.

    Once begun it bears a store that does not answer, unless an app waits for this with its present in place.

    Raises:
        LeaseGone: the head is not wanted any more.
        Unavailable: the Hive did not answer; call again.
        Corrupt: the head, or something that it needs, is damaged in the store.
        NotFound: there is no such head any more.
    """
    backing = newest()
    signed = backing.heads.get(wanted)
    if head_hash(signed) != wanted:
        raise HeadForged(volume.id)
    root = root_of(open_head(signed, volume.id))

    def is_wanted() -> bool:
        return not volume.stopping and next_step(volume.record) == Fetch(wanted)

    def show(progress: Progress) -> None:
        if not is_wanted():
            raise LeaseGone(volume.id)
        volume.show(Moved("restoring", progress.moved_bytes, progress.total_bytes))
        reading.go_on()

    patience = Patience(volume, backing, newest, is_wanted)
    if volume.record.phase != "going-back":
        backing = patience.backing
    # Held before the index is loaded: what is written elsewhere from now on, its reader need not know.
    with Reading(patience, wanted) as reading, _base(volume) as base, made(volume) as fresh:
        try:
            with caches.index(volume.id) as known, caches.nodes(fresh) as nodes:
                known.load(backing.store, keys)
                restore(
                    root,
                    keys,
                    backing.readable,
                    volume.places.incoming(volume.id),
                    known=known,
                    nodes=nodes,
                    base=base,
                    on_progress=show,
                )
        finally:
            volume.show(None)
        volume.subvolumes.sync(volume.places.pool)
        with volume.wakes:
            if next_step(volume.record) != Fetch(wanted) or not lies_here(volume, fresh):
                # Given up, discarded or held otherwise while the last bytes were written.
                raise LeaseGone(volume.id)
            volume.update(replace(volume.record, incoming=Incoming(wanted, signed.hex(), fresh)))


def find_newest(volume: Volume, heads: HeadLog) -> None:
    """Note which head takes the place of what was lost within the epoch that is held.

    Nobody else can have written in that epoch, so the newest head of all is what was acknowledged here last.

    Raises:
        LeaseGone: nothing is to be made good any more.
        DataExpected: no head was ever accepted.
        EpochIsOld: somebody was granted a later epoch.
        Unavailable: the Hive did not answer, or knows less than it acknowledged; call again.
    """
    lease, lost = volume.record.lease, volume.record.lost_under_lease
    if lease is None or lost is None:
        raise LeaseGone(volume.id)
    found = heads.newest()
    newest = open_head(found[1], volume.id) if found else None
    known = open_head(bytes.fromhex(lost.accepted), volume.id) if lost.accepted else None
    if known is not None and (newest is None or newest.seq < known.seq):
        raise HiveBehind
    if found is None or newest is None:
        raise DataExpected
    epoch = parse(lease.epoch)
    if newest.epoch > epoch:
        raise EpochIsOld(epoch, newest.epoch)
    with volume.still_leased(lease) as record:
        if record.lost_under_lease == lost:
            volume.update(replace(record, lost=replace(lost, head=head_hash(found[1]))))


def promote(volume: Volume) -> None:
    """Make the complete restore the live subvolume, after what was there has been kept or thrown away.

    Safe to call again after a kill at any line: the subvolume's uuid tells how far it came.
    """
    with volume.wakes:
        record, restored = volume.record, volume.record.incoming
        if record.lease is None or restored is None or restored.head != _awaited(record):
            return
        generation = put_in_place(volume, restored.uuid)
        if generation is None:
            return
        is_own = record.lease.base is not None or record.lost_under_lease is not None
        volume.update(
            replace(
                record,
                phase="ready",
                live_uuid=restored.uuid,
                data_lease=record.lease,
                accepted=Accepted(restored.head, restored.signed, None, generation) if is_own else None,
                pending=None,
                cut=None,
                incoming=None,
                prefetch=None,
                aside_reason=None,
                lost=None,
                adopted=None if is_own else restored.adopted,
            )
        )


def put_in_place(volume: Volume, uuid: str) -> int | None:
    """Have this complete subvolume of `incoming/` be the live one, on the disk too; what was there has been retired.

    Returns its generation. None: it is gone, nothing was taken away for it,
    and it is restored anew. Safe to call again after a kill at any line.
    """
    places = volume.places
    if volume.live != uuid:
        if not lies_here(volume, uuid):
            # Before anything is retired: what should take its place is gone.
            volume.update(replace(volume.record, incoming=None))
            return None
        aside.retire(volume)
        places.incoming(volume.id).rename(places.live(volume.id))
    volume.subvolumes.sync(places.pool)
    generation = volume.subvolumes.generation(places.live(volume.id))
    volume.generation = generation
    return generation


def _awaited(record: VolumeRecord) -> HeadHash | None:
    """Return what a volume that is being restored waits for.

    The newest head after a loss, otherwise the one that the grant froze, or a fork's origin.
    """
    if record.lost_under_lease is not None:
        return record.lost_under_lease.head
    if record.lease is not None and record.lease.base is not None:
        return record.lease.base
    return record.origin.head if record.origin is not None else None


def drop_incoming(volume: Volume) -> None:
    """Throw away whatever lies in `incoming/`."""
    with volume.wakes:
        if volume.record.incoming is not None:
            volume.update(replace(volume.record, incoming=None))
        aside.throw_away(volume.subvolumes, volume.places, volume.places.incoming(volume.id))


def lies_here(volume: Volume, uuid: str) -> bool:
    """Whether this very subvolume lies in `incoming/`."""
    return volume.subvolumes.uuid(volume.places.incoming(volume.id)) == uuid


@contextlib.contextmanager
def made(volume: Volume) -> Iterator[str]:
    """Make `incoming/` and yield its uuid; throw it away if what is done with it fails: half of it is only in the way.

    Raises LeaseGone when somebody else threw it away meanwhile: whatever failed then says nothing about the head.
    """
    target = volume.places.incoming(volume.id)
    uuid = volume.subvolumes.create(target)
    try:
        yield uuid
    except Exception as error:  # raised again, all of them: what it left is half, whatever it was
        with volume.wakes:
            if not lies_here(volume, uuid):
                raise LeaseGone(volume.id) from error
            # A failure here would hide why the restore failed; the next one, or the next start, clears it too.
            with contextlib.suppress(MosaicError, OSError):
                aside.throw_away(volume.subvolumes, volume.places, target)
        raise


@contextlib.contextmanager
def _base(volume: Volume) -> Iterator[tuple[Path, RootRef] | None]:
    """Make room in `incoming/`, and yield the best local copy of another state, if there is one."""
    record, places = volume.record, volume.places
    path = places.incoming(volume.id)
    older = record.incoming
    if older is None or not lies_here(volume, older.uuid):
        drop_incoming(volume)
        yield _local_copy(volume)
        return
    root = root_of(open_head(bytes.fromhex(older.signed), volume.id))
    grave = places.trash() / f"{path.name}-{secrets.token_hex(8)}"
    with volume.wakes:
        volume.update(replace(volume.record, incoming=None))
        path.rename(grave)
    try:
        yield grave, root
    finally:
        volume.subvolumes.delete(grave)


def _local_copy(volume: Volume) -> tuple[Path, RootRef] | None:
    record, places, subvolumes = volume.record, volume.places, volume.subvolumes
    if record.accepted is None:
        return None
    root = root_of(open_head(bytes.fromhex(record.accepted.signed), volume.id))
    if record.accepted.snapshot is not None and subvolumes.keeps_snapshots:
        snapshot = places.snapshots(volume.id) / record.accepted.snapshot
        return (snapshot, root) if subvolumes.uuid(snapshot) is not None else None
    live = places.live(volume.id)
    if volume.live is not None and volume.live == record.live_uuid and is_clean(record, subvolumes.generation(live)):
        return live, root
    return None
