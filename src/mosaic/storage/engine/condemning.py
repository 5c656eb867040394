"""The list of condemned packs, as a volume's tree keeps it.

It lies in the tree's own records, so that every head carries it on without
doing anything for it, and a head that is accepted makes it irrevocable: no
writer ever relies on a pack that its accepted head, or an older one, condemns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic.core.collecting import Condemned
from mosaic.core.errors import Corrupt
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.heads import PREFIX, open_head, root_of
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.records import ALL_CONDEMNED, condemned_key, decode_condemned, encode_condemned
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.stage import Stage
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.tree import Tree

if TYPE_CHECKING:
    from mosaic.storage.engine.kept_list import KeptList


@dataclass(frozen=True, slots=True)
class Condemning:
    """What the next head says newly: these packs are condemned, and those names are off the list, being deleted.

    `kept` is which snapshots are kept from then on, where no Hive says so.
    """

    add: tuple[Condemned, ...] = ()
    drop: tuple[bytes, ...] = ()
    kept: "KeptList | None" = None


NOTHING = Condemning()


def condemned_in(tree: Tree) -> Iterator[Condemned]:
    """Yield what a tree condemns. Raises Corrupt: it can't be read, so nobody knows what may be relied on."""
    if tree.root.condemns:
        for key, value in tree.range(ALL_CONDEMNED):
            yield decode_condemned(key, value)


def load_condemned(root: RootRef, seq: int, keys: VolumeKeys, store: Store, known: ChunkIndex) -> Condemning:
    """Have the index count no pack that a head condemns. `known` was loaded; root and `seq` are the accepted head's.

    Returns what the next head must add: what heads condemn that lie in the
    store and that whoever keeps the heads has lost, with all that it knew.

    Raises:
        Corrupt: a list can't be read.
        Unavailable: the store did not answer.
    """
    with Fetcher(keys, store, known) as fetcher:
        ours = {one.pack: one for one in condemned_in(Tree(fetcher.get, root))}
        lost: dict[bytes, Condemned] = {}
        for signed in _later(store, seq):
            try:
                head = open_head(signed, keys.volume)
            except Corrupt:
                continue
            lost |= {one.pack: one for one in condemned_in(Tree(fetcher.get, root_of(head)))}
    if known.condemn_only([*ours.values(), *(one for pack, one in lost.items() if pack not in ours)]):
        known.load(store, keys)
    known.accept_condemned(root.root)
    return Condemning(add=tuple(one for pack, one in sorted(lost.items()) if pack not in ours))


def stage_condemned(stage: Stage, prior: Tree | None, known: ChunkIndex, condemning: Condemning) -> bool:
    """Stage the list's changes; all of it when there is no tree to go on from. Returns whether there ever was one.

    A list of kept snapshots that is not given is carried on with the tree that it is in, and lost without that.
    """
    before = [] if prior is not None else [one.condemned for one in known.condemned()]
    listed = [*before, *condemning.add]
    for one in listed:
        stage.put(condemned_key(one.pack), encode_condemned(one))
    for pack in condemning.drop:
        stage.delete(condemned_key(pack))
    if condemning.kept is not None:
        # Once a day, and only where there is no Hive.
        from mosaic.storage.engine.kept_list import stage_kept

        stage_kept(stage, prior, condemning.kept)
        return True
    return bool(listed) or (prior is not None and prior.root.condemns)


def _later(store: Store, seq: int) -> Iterator[bytes]:
    """Yield the mirrored heads with a higher number."""
    for entry in store.list(PREFIX):
        number = entry.name.removeprefix(PREFIX).partition("-")[0]
        if number.isdecimal() and int(number) > seq:
            yield store.get(entry.name)
