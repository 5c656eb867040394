"""Remembering in the store which packs were found damaged and are needed no more.

A pack that rotted stays where it is, and its footer may still be good: an index
that is built anew would take it for a place of its blobs. The mark says, to
every machine that ever writes to this volume, that nothing may rely on it. It
is made last of all, so that a pack without one has to be looked after still.
"""

from mosaic.storage.engine.pack import PREFIX as PACK_PREFIX
from mosaic.storage.engine.pack import pack_of
from mosaic.storage.engine.store import Store

PREFIX = "d-"


def mark_mended(store: Store, pack: bytes) -> None:
    """Mark a pack as damaged, and as replaced by others. May be called again."""
    store.put(PREFIX + pack.hex(), pack)


def mended(store: Store) -> set[bytes]:
    """Return the names of all packs that are marked. Marks are believed: who could forge one could delete the pack."""
    names = (entry.name.removeprefix(PREFIX) for entry in store.list(PREFIX))
    return {pack for name in names if (pack := pack_of(PACK_PREFIX + name))}
