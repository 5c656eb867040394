"""Beginning a volume with what another one had: a fork.

The other volume's state is read with its own key, and lies here under nobody's
head; the first round then stores all of it anew, under this volume's key. The
other volume is only read.
"""

from collections.abc import Callable

from msgspec.structs import replace

from mosaic.core.ids import VolumeId
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage import restoring
from mosaic.storage.backing import Backing
from mosaic.storage.belonging import digest_in
from mosaic.storage.caches import Caches
from mosaic.storage.decide_step import Adopt, next_step
from mosaic.storage.engine.heads import HeadForged, open_head, root_of
from mosaic.storage.engine.restore import restore
from mosaic.storage.engine.roots import Progress
from mosaic.storage.patience import Patience
from mosaic.storage.reading import Reading
from mosaic.storage.records import Incoming, Origin, VolumeRecord
from mosaic.storage.volume import LeaseGone, Moved, Volume


def adopt(volume: Volume, origin: Origin, keys: VolumeKeys, newest: Callable[[], Backing], *, caches: Caches) -> None:
    """Restore the origin's state into `incoming/` and note it as complete. `keys` and what `newest` returns are its.

    Once begun it bears a store that does not answer.

    Raises:
        LeaseGone: it is not wanted any more.
        Unavailable: the Hive did not answer; call again.
        Corrupt: the head, or something that it needs, is damaged in the store.
    """
    backing = newest()
    signed = backing.heads.get(origin.head)
    if head_hash(signed) != origin.head:
        raise HeadForged(origin.volume)
    head = open_head(signed, origin.volume)
    root = root_of(head)

    def is_wanted() -> bool:
        return not volume.stopping and next_step(volume.record) == Adopt(origin)

    def show(progress: Progress) -> None:
        if not is_wanted():
            raise LeaseGone(volume.id)
        volume.show(Moved("restoring", progress.moved_bytes, progress.total_bytes))
        reading.go_on()

    patience = Patience(volume, backing, newest, is_wanted)
    backing = patience.backing
    restoring.drop_incoming(volume)
    with Reading(patience, origin.head) as reading, restoring.made(volume) as made:
        try:
            # An index of its own: the origin's may be in use by the origin's own work.
            with caches.index(VolumeId(f"{volume.id}-origin")) as known, caches.nodes(made) as nodes:
                known.load(backing.store, keys)
                target = volume.places.incoming(volume.id)
                restore(root, keys, backing.readable, target, known=known, nodes=nodes, on_progress=show)
        finally:
            volume.show(None)
        volume.subvolumes.sync(volume.places.pool)
        with volume.wakes:
            if next_step(volume.record) != Adopt(origin) or not restoring.lies_here(volume, made):
                raise LeaseGone(volume.id)
            incoming = Incoming(origin.head, "", made, adopted=digest_in(head))
            volume.update(replace(volume.record, incoming=incoming))


def forget_seed(volume: Volume) -> None:
    """Let go of the origin's key once its state is in place, unless somebody else here needs it."""
    origin, books = volume.record.origin, volume.books
    if origin is None or volume.record.phase != "ready":
        return
    # A fork that is begun meanwhile is seen here, or puts the key back.
    with books.transaction():
        others = books.volumes.items().values()
        is_awaited = any(one.phase == "restoring" and _is_of(one, origin) for one in others)
        if books.volumes.get(origin.volume) is None and not is_awaited:
            books.seeds.delete(origin.volume)


def _is_of(record: VolumeRecord, origin: Origin) -> bool:
    return record.origin is not None and record.origin.volume == origin.volume
