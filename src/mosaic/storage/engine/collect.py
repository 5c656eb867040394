"""Collecting a store's garbage: what no kept state needs goes, and small packs become big ones.

One call does what can be done now, in an order that may be cut off anywhere:

1. Find out what all kept states need. What can't be read ends the call.
2. Delete packs that were condemned long enough ago, and of which nothing that
   is needed would be lost.
3. Choose packs to condemn, write what is needed of them to new packs, and
   read back everything that replaces them.

The caller then has a head accepted with the result. Until it is, nothing is
condemned, and new packs are only copies. What is chosen, and when something is
deleted, is decided in `mosaic.core.collecting`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mosaic.core.collecting import Condemned, Limits, condemn, due
from mosaic.core.errors import Corrupt, NotFound
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.condemning import NOTHING, Condemning, load_condemned
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.needs import Continue, Lacking, Needs
from mosaic.storage.engine.pack import Kind, object_name
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.scrub import check_pack
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.upload import Uploader

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays. `newest` is among `roots`, and is the state of the accepted head, whose number is `seq`.

    `doubtful` are states of heads whose mirrors are not in the store: they are kept as far as they can be read.
    A Hive that came back from a backup shows heads again that were let go since, and their packs may be gone.
    `oldest_reader` is the number of the newest head when the oldest read lease that is held was given; None: no lease.
    """

    roots: Sequence[RootRef]
    newest: RootRef
    seq: int
    oldest_reader: int | None
    doubtful: Sequence[RootRef] = ()


@dataclass(frozen=True, slots=True)
class Collected:
    """What one collection did, and what the next head must say for the rest of it.

    `rests` says that calling again finds nothing to do as long as the accepted head stays the newest.
    """

    condemning: Condemning
    deleted: int = 0
    deleted_bytes: int = 0
    written_bytes: int = 0
    rests: bool = False


def collect(
    kept: Kept,
    keys: VolumeKeys,
    store: Store,
    known: ChunkIndex,
    *,
    now_ns: int,
    limits: Limits,
    still_ours: Callable[[], None],
    go_on: Continue,
) -> Collected:
    """Do the above. Only the holder of the newest epoch may call it; no head is made meanwhile.

    `still_ours` is called right before packs are deleted, and raises when the
    epoch is not held any more; `go_on` is called often, and may raise.
    `known.pass_time` was called.

    Nothing is done while something is damaged: mending comes first.

    Raises:
        Corrupt: something that is needed can't be read. Nothing was condemned.
        Unavailable: the store did not answer. Call again.
    """
    known.load(store, keys)
    lost = load_condemned(kept.newest, kept.seq, keys, store, known)
    if lost != NOTHING or known.damaged():
        return Collected(lost)
    stored = known.stored()
    with Needs(known) as needs:
        with Fetcher(keys, store, known) as fetcher:
            needs.mark(kept.roots, fetcher, go_on)
            needs.mark_readable(kept.doubtful, fetcher, go_on)
        if known.damaged():
            return Collected(NOTHING)
        needs.find_homes()
        lacking = needs.lacking()
        deleted: list[int] = [] if lacking else _delete_due(kept, store, known, stored, now_ns, still_ours)
        drop = tuple(one.condemned.pack for one in known.condemned() if one.condemned.pack not in stored)
        uses = needs.uses(now_ns / 1e9)
        chosen = condemn(uses, limits)
        known.condemn(Condemned(pack, kept.seq + 1, now_ns) for pack in chosen)
        needs.find_homes()
        written = _write_anew(needs.lacking(), keys, store, known, go_on)
        needs.find_homes()
        left = needs.lacking()
        if left or not _are_whole(needs.replacing(chosen), keys, store, known, go_on):
            # What should replace them is not there: the next call begins with a look at what the accepted head says.
            chosen = ()
    add = tuple(Condemned(pack, kept.seq + 1, now_ns) for pack in chosen)
    is_waiting = any(one.condemned.pack in stored for one in known.condemned()) or kept.oldest_reader is not None
    is_young = any(one.known_seconds < limits.settled_seconds for one in uses)
    rests = not (add or drop or is_waiting or is_young)
    return Collected(Condemning(add, drop), len(deleted), sum(deleted), written, rests)


def _delete_due(
    kept: Kept, store: Store, known: ChunkIndex, stored: set[bytes], now_ns: int, still_ours: Callable[[], None]
) -> list[int]:
    """Delete the packs that are due, and return their sizes."""
    waiting = [one for one in known.condemned() if one.condemned.pack in stored]
    sizes: list[int] = []
    ready = due(waiting, now_ns=now_ns, oldest_reader=kept.oldest_reader)
    for at in range(0, len(ready), _BATCH):
        some = ready[at : at + _BATCH]
        still_ours()
        for pack in some:
            sizes.append(known.size(pack))
            store.delete(object_name(pack))
    known.deleted(ready)
    return sizes


def _write_anew(lacking: Sequence[Lacking], keys: VolumeKeys, store: Store, known: ChunkIndex, go_on: Continue) -> int:
    """Copy what lies in condemned packs only to new packs. Raises Corrupt when something can't be read."""
    if not lacking:
        return 0
    with Fetcher(keys, store, known) as fetcher, Uploader(keys, store, known) as uploader:
        for at in range(0, len(lacking), _BATCH):
            some = lacking[at : at + _BATCH]
            go_on()
            found: dict[bytes, bytes] = {}
            asked = fetcher.ask([one.blob for one in some], found.__setitem__)
            for _, damage in fetcher.answer(asked):
                raise damage
            for one in some:
                uploader.add_named(one.blob, found[one.blob], Kind(one.flags >> 1 & 3))
        uploader.finish()
        return uploader.uploaded_bytes


def _are_whole(replacing: Iterable[bytes], keys: VolumeKeys, store: Store, known: ChunkIndex, go_on: Continue) -> bool:
    """Read back the packs that replace others (G3). One that is damaged counts no more, and is mended."""
    for pack in sorted(replacing):
        go_on()
        try:
            check_pack(pack, store.get(object_name(pack)), keys)
        except (Corrupt, NotFound):
            known.doubt(pack)
            return False
    return True
