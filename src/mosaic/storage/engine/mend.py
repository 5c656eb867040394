"""Replicating to a store that may have lost something, while the live data is the good copy.

A pack that is gone or damaged holds content that the tree goes on naming,
though the files did not change. So everything is written anew: what only lies
in such packs is sent again. The index keeps them in mind until a head that
needs none of them was accepted, whatever is killed before that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mosaic.core.errors import Corrupt
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.changes import Hints
from mosaic.storage.engine.condemning import NOTHING, Condemning
from mosaic.storage.engine.damage import SourceDamaged
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.mended import mark_mended
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.replicate import replicate
from mosaic.storage.engine.roots import OnProgress, Replication, RootRef, Skipped, ignore_progress
from mosaic.storage.engine.staged import Staged
from mosaic.storage.engine.store import Store


@dataclass(frozen=True, slots=True)
class Mending:
    """A replication, and the damaged packs (16-byte names) that its root does without."""

    replication: Replication
    replaced: tuple[bytes, ...]


def replicate_and_mend(
    snapshot: Path,
    keys: VolumeKeys,
    store: Store,
    *,
    previous: RootRef | None,
    known: ChunkIndex,
    nodes: NodeMap,
    taken_ns: int,
    hints: Hints | None = None,
    condemning: Condemning = NOTHING,
    staged: Staged | None = None,
    skipped: Iterable[Skipped] = (),
    on_progress: OnProgress = ignore_progress,
) -> Mending:
    """Do what `replicate` does, and write everything anew when the store was found damaged.

    Call `note_mended` when a head with the root was accepted; until then each
    call writes anew. Only what the store lacks is sent, also after a kill.

    Raises:
        As `replicate`, but Corrupt only as SourceDamaged: the local disk fails.
    """
    write = partial(
        replicate,
        snapshot,
        keys,
        store,
        known=known,
        nodes=nodes,
        taken_ns=taken_ns,
        hints=hints,
        condemning=condemning,
        staged=staged,
        skipped=tuple(skipped),
        on_progress=on_progress,
    )
    if previous is not None and not known.damaged():
        try:
            return Mending(write(previous=previous), ())
        except SourceDamaged:
            raise
        except Corrupt:
            # Whatever took one pack may have taken others: what is gone is known after a look at the names.
            known.load(store, keys)
    damaged = known.damaged()
    return Mending(write(previous=None), damaged)


def note_mended(store: Store, known: ChunkIndex, replaced: Iterable[bytes]) -> None:
    """Remember, in the store first, that an accepted head does without these packs. May be called again."""
    for pack in replaced:
        mark_mended(store, pack)
        known.mended(pack)
