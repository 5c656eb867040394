"""The copies that a store has: which is the newest, and all of them for whoever has to go back further."""

from collections.abc import Iterator

from mosaic.core.errors import Corrupt, NotFound
from mosaic.core.ids import VolumeId
from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.heads import PREFIX, head_name, open_head
from mosaic.storage.engine.store import Store

_LOOKED_AT = 16


def newest(store: Store, volume: VolumeId) -> bytes | None:
    """Return the signed head of the newest copy; None when the store has none."""
    return next(newest_first(store, volume, most=_LOOKED_AT), None)


def newest_first(store: Store, volume: VolumeId, *, most: int) -> Iterator[bytes]:
    """Yield the signed heads of the newest copies, `most` of them at most.

    What is damaged or forged is passed over: the store is not trusted. A Hive
    that was recovered while the old one lived on counts on under a higher
    epoch, so epochs come before numbers.
    """
    names = sorted((entry.name for entry in store.list(PREFIX)), reverse=True)
    found: list[tuple[tuple[int, int, int], bytes]] = []
    for name in names:
        if len(found) == most:
            break
        try:
            signed = store.get(name)
            head = open_head(signed, volume)
        except (Corrupt, NotFound):
            continue
        if name == head_name(head.seq, head_hash(signed)):
            found.append(((head.epoch.term, head.epoch.n, head.seq), signed))
    for _, signed in sorted(found, key=lambda each: each[0], reverse=True):
        yield signed
