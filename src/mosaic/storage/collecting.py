"""Letting old snapshots go, and giving back what only they needed, while the volume is held.

Whoever keeps the heads lets snapshots go, for good: from then on nobody is
shown them. Then their mirrors leave the store, so that a head which lies there
is always whole, and only then are packs condemned. What is done about packs is
`engine.collect`'s, and the round that follows has a head accepted with it.
Without a Hive that head lets the snapshots go as well (`letting_go`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mosaic.core.collecting import Limits
from mosaic.core.errors import NotFound
from mosaic.core.ids import HeadHash
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage import log, memory, replication
from mosaic.storage.backing import Backing, Keeper
from mosaic.storage.caches import Caches
from mosaic.storage.config import CollectPace
from mosaic.storage.engine.condemning import NOTHING
from mosaic.storage.engine.heads import PREFIX, head_name, open_head, root_of
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.store import Store
from mosaic.storage.pool import Pool
from mosaic.storage.records import Accepted, Lease
from mosaic.storage.volume import LeaseGone, Volume
from mosaic.wire.blobs import Retained

if TYPE_CHECKING:
    from mosaic.storage.engine.collect import Kept
    from mosaic.storage.letting_go import LettingGo

_ASKED_AT_ONCE = 1000


class SnapshotsDisagree(NotFound):
    """Whoever keeps the heads does not have the newest one."""

    code = "snapshots-disagree"

    def __init__(self) -> None:
        super().__init__(
            "the newest snapshot is not among those that are kept, so nothing is removed",
            hint="nothing is lost; see `mosaic doctor` on the Hive, which may have been restored from a backup",
        )


def collect_if_due(
    volume: Volume, keys: VolumeKeys, backing: Backing, *, pool: Pool, caches: Caches, pace: CollectPace
) -> None:
    """Collect, if it is time to and nothing else is under way.

    Raises:
        LeaseGone: something else is to be done first.
        Corrupt: something that is kept can't be read. Nothing was condemned.
        Unavailable: a store or the Hive did not answer.
    """
    now, lease, keeper = time.monotonic(), volume.record.lease, backing.keeper
    if volume.collect_at is None:
        volume.collect_at = now + pace.first_seconds
    hiveless = volume.record.hiveless
    if keeper is None and (hiveless is None or not hiveless.confirmed):
        return
    if lease is None or now < volume.collect_at or _is_busy(volume):
        return
    accepted = volume.record.accepted
    if accepted is not None and volume.collected == accepted.head:
        # Nothing is left to be done, and time alone changes nothing.
        return
    # After a failure too, so that one that stays does not stop all else.
    volume.collect_at = now + pace.again_seconds
    _collect(volume, lease, keys, backing, keeper, pool, caches, pace.limits)
    volume.collect_at = time.monotonic() + pace.every_seconds
    memory.give_back()


def _collect(
    volume: Volume,
    lease: Lease,
    keys: VolumeKeys,
    backing: Backing,
    keeper: Keeper | None,
    pool: Pool,
    caches: Caches,
    limits: Limits,
) -> None:
    # Once a day, and it has the engine's writing half with it.
    from mosaic.storage.engine.collect import collect

    accepted = volume.record.accepted
    if accepted is None:
        return

    def go_on() -> None:
        with volume.still_leased(lease):
            if _is_busy(volume) or volume.record.accepted != accepted:
                raise LeaseGone(volume.id)

    asked = _kept_by_hive(volume, lease, backing.store, keeper, accepted) if keeper is not None else None

    def still_ours() -> None:
        go_on()
        if not _is_newest(volume, backing, accepted):
            raise LeaseGone(volume.id)

    with caches.index(volume.id) as known:
        known.pass_time(volume.record.boot or "", time.clock_gettime(time.CLOCK_BOOTTIME))
        kept, own = (asked, None) if asked else _kept_by_log(volume, keys, backing, accepted, known, go_on)
        done = collect(
            kept,
            keys,
            backing.store,
            known,
            now_ns=time.time_ns(),
            limits=limits,
            still_ours=still_ours,
            go_on=go_on,
        )
    go_on()
    volume.collected = accepted.head if done.rests else None
    condemning = replace(done.condemning, kept=own.list_with(done.condemning.add)) if own else done.condemning
    if condemning != NOTHING:
        replication.replicate_volume(volume, keys, backing, pool=pool, caches=caches, condemning=condemning)
        if condemning.kept is not None:
            _forget_given_up(volume, lease, keys, backing, caches)
    log.info(
        "collected",
        volume=volume.id[:12],
        kept=len(kept.roots) + len(kept.doubtful),
        condemned=len(done.condemning.add),
        deleted=done.deleted,
        deleted_bytes=done.deleted_bytes,
        written_bytes=done.written_bytes,
    )


def _kept_by_hive(volume: Volume, lease: Lease, store: Store, keeper: Keeper, accepted: Accepted) -> "Kept":
    from mosaic.storage.engine.collect import Kept

    newest = open_head(bytes.fromhex(accepted.signed), volume.id)
    retained, mirrored = _let_go(lease, store, keeper, accepted)
    roots: dict[bool, list[RootRef]] = {True: [root_of(newest)], False: []}
    for signed in map(bytes.fromhex, retained.kept):
        head = open_head(signed, volume.id)
        roots[head_name(head.seq, head_hash(signed)) in mirrored].append(root_of(head))
    return Kept(roots[True], root_of(newest), newest.seq, retained.oldest_reader, roots[False])


def _kept_by_log(
    volume: Volume,
    keys: VolumeKeys,
    backing: Backing,
    accepted: Accepted,
    known: ChunkIndex,
    go_on: Callable[[], None],
) -> "tuple[Kept, LettingGo]":
    # Only where there are volumes without a Hive.
    from mosaic.storage import letting_go
    from mosaic.storage.engine.collect import Kept

    known.load(backing.store, keys)
    newest = open_head(bytes.fromhex(accepted.signed), volume.id)
    found = letting_go.decide(volume, accepted, keys, backing.store, known, go_on)
    return Kept([root_of(newest), *found.roots], root_of(newest), newest.seq, None), found


def _forget_given_up(volume: Volume, lease: Lease, keys: VolumeKeys, backing: Backing, caches: Caches) -> None:
    from mosaic.storage import letting_go

    def go_on() -> None:
        with volume.still_leased(lease):
            pass

    with caches.index(volume.id) as known:
        letting_go.forget_given_up(volume, keys, backing.store, known, go_on)


def _is_newest(volume: Volume, backing: Backing, accepted: Accepted) -> bool:
    if volume.record.hiveless is not None:
        from mosaic.storage.engine.slots import SlotLog

        return SlotLog(backing.store, volume.id).ends_with(bytes.fromhex(accepted.signed))
    found = backing.heads.newest()
    return found is not None and found[0] == accepted.head


def _let_go(lease: Lease, store: Store, keeper: Keeper, accepted: Accepted) -> tuple[Retained, set[str]]:
    """Have old heads let go, and delete their mirrors. Returns what is kept, and the mirrors that are left."""
    mirrored = {
        HeadHash(name.rpartition("-")[2]): name
        for name in (entry.name for entry in store.list(PREFIX))
        if not name.endswith(accepted.head)
    }
    retained = Retained([], [], None)
    for some in _some(list(mirrored)):
        retained = keeper.retain(lease.epoch, some)
        for head in retained.let_go:
            if head in mirrored:
                store.delete(mirrored.pop(HeadHash(head)))
    if accepted.head not in {head_hash(bytes.fromhex(signed)) for signed in retained.kept}:
        raise SnapshotsDisagree
    return retained, set(mirrored.values())


def _some(heads: Sequence[HeadHash]) -> Sequence[Sequence[HeadHash]]:
    return [heads[at : at + _ASKED_AT_ONCE] for at in range(0, len(heads), _ASKED_AT_ONCE)] or [[]]


def _is_busy(volume: Volume) -> bool:
    record = volume.record
    return record.phase != "ready" or record.pending is not None or record.cut is not None or record.accepted is None
