"""Letting snapshots go where no Hive does it: the store is the log, and the head says what is kept.

Nobody stands between two machines here, and each may be paused between any two
lines. So nothing is deleted that the accepted head does not give up: a head is
accepted in a slot of its own, so whoever holds the volume later goes on from
it, and counts on nothing that it gives up. What a machine that lost the volume
deletes late, nobody misses. What a machine decided and could not have accepted
was never decided.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from msgspec.structs import replace

from mosaic.adapters.blobs import ObjectMissing
from mosaic.core.errors import Corrupt
from mosaic.core.ids import HeadHash
from mosaic.core.keep_rule import parse_rule, write_rule
from mosaic.core.retention import Retention, Snapshot, retain
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage import log
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.heads import PREFIX, open_head, root_of
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.kept_list import KeptList, kept_in
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.slots import SlotLog, slot_name
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.tree import Tree
from mosaic.storage.records import Accepted
from mosaic.storage.volume import LeaseGone, Volume
from mosaic.wire import head as wire

_READERS = 8
_AT_ONCE = 256
_WORTH = 8
"""For fewer snapshots that free nothing no head is made: it would be one more, and a volume must come to rest."""


class SnapshotLost(Corrupt):
    """The store has neither the mirror nor the slot of a kept snapshot any more, or they are damaged."""

    code = "snapshot-lost"

    def __init__(self, seq: int) -> None:
        super().__init__(
            f"the store has lost what says where snapshot {seq} begins, so nothing is removed there",
            hint="nothing newer is lost; restore the object from a backup of the store, or begin a new volume",
        )


@dataclass(frozen=True, slots=True)
class LettingGo:
    """What stays and what goes. `roots` are the states of the snapshots that stay, without the newest.

    `is_news`: the store must be told in any case, for another rule was chosen.
    """

    roots: Sequence[RootRef]
    decided: KeptList | None
    let_go: int
    is_news: bool = False

    def list_with(self, condemned: Sequence[object]) -> KeptList | None:
        """Return what the head that condemns these packs must say; None: nothing goes, or too little."""
        return self.decided if condemned or self.is_news or self.let_go >= _WORTH else None


def decide(
    volume: Volume, accepted: Accepted, keys: VolumeKeys, store: Store, known: ChunkIndex, go_on: Callable[[], None]
) -> LettingGo:
    """Delete the mirrors that the accepted head gives up, and decide which snapshots the next one gives up.

    `known` was loaded.

    Raises:
        LeaseGone: somebody else wrote since.
        Corrupt: what is kept cannot be found out. Nothing was deleted that is kept.
    """
    newest = open_head(bytes.fromhex(accepted.signed), volume.id)
    listed, is_lost = _listed(root_of(newest), keys, store, known)
    mirrored = forget_mirrors(listed, store, go_on)
    if any(seq > newest.seq for seq in mirrored):
        # Either somebody else has it now, or the log has lost slots, which this raises.
        SlotLog(store, volume.id).newest()
        raise LeaseGone(volume.id)
    if listed is not None:
        seqs = {*listed.seqs, *range(listed.through + 1, newest.seq)}
    else:
        # Where the list was lost, what has a mirror was not let go; what has none may be gone.
        seqs = set(mirrored) if is_lost else set(range(1, newest.seq))
    found = dict(_read(sorted(seqs - {newest.seq}), mirrored, volume, store, go_on))
    rule = _rule(volume, listed, is_lost=is_lost)
    base = volume.record.lease.base if volume.record.lease is not None else None
    snapshots = [Snapshot(one, head.seq, head.instant_ns, pinned=one == base) for one, head in found.items()]
    snapshots.append(Snapshot(accepted.head, newest.seq, newest.instant_ns))
    if rule is None:
        return LettingGo([root_of(head) for head in found.values()], None, 0)
    gone = {one.head for one in retain(snapshots, rule).let_go}
    kept = [head for one, head in found.items() if one not in gone]
    decided = KeptList(newest.seq, frozenset(head.seq for head in (*kept, newest)), rule)
    is_news = rule != (listed.rule if listed is not None else Retention())
    return LettingGo([root_of(head) for head in kept], decided, len(gone), is_news)


def forget_given_up(
    volume: Volume, keys: VolumeKeys, store: Store, known: ChunkIndex, go_on: Callable[[], None]
) -> None:
    """Delete the mirrors that the accepted head gives up, now that it is accepted."""
    accepted = volume.record.accepted
    if accepted is not None:
        listed, _ = _listed(root_of(open_head(bytes.fromhex(accepted.signed), volume.id)), keys, store, known)
        forget_mirrors(listed, store, go_on)


def forget_mirrors(listed: KeptList | None, store: Store, go_on: Callable[[], None]) -> dict[int, list[str]]:
    """Delete the mirrors of what an accepted head gives up, and return the others by their numbers."""
    mirrored: dict[int, list[str]] = {}
    given_up: list[str] = []
    for entry in store.list(PREFIX):
        number = entry.name.removeprefix(PREFIX).partition("-")[0]
        if not number.isdecimal():
            continue
        if listed is not None and not listed.keeps(int(number)):
            given_up.append(entry.name)
        else:
            mirrored.setdefault(int(number), []).append(entry.name)
    for name in given_up:
        go_on()
        store.delete(name)
    return mirrored


def _listed(root: RootRef, keys: VolumeKeys, store: Store, known: ChunkIndex) -> tuple[KeptList | None, bool]:
    """Return what the accepted head says, and whether it has lost what an earlier one said."""
    with Fetcher(keys, store, known) as fetcher:
        tree = Tree(fetcher.get, root)
        listed = kept_in(tree)
    # Whatever condemned a pack listed what it keeps. A tree that was written anew after damage has the packs only.
    return listed, listed is None and tree.root.condemns


def _rule(volume: Volume, listed: KeptList | None, *, is_lost: bool) -> Retention | None:
    """Return the rule: the owner's, else the one that the store knows, else the default; None: nobody knows it."""
    hiveless = volume.record.hiveless
    assert hiveless is not None
    if hiveless.keeps is not None:
        return parse_rule(hiveless.keeps, Retention())
    if is_lost:
        log.warning("rule_lost", volume=volume.id[:12])
        return None
    rule = listed.rule if listed is not None else Retention()
    with volume.wakes:
        now = volume.record.hiveless
        if now is not None and now.keeps is None:
            volume.update(replace(volume.record, hiveless=replace(now, keeps=write_rule(rule))))
    return rule


def _read(
    seqs: Sequence[int],
    mirrored: Mapping[int, Sequence[str]],
    volume: Volume,
    store: Store,
    go_on: Callable[[], None],
) -> Iterator[tuple[HeadHash, wire.Head]]:
    """Yield the heads of these numbers. Raises SnapshotLost: nobody may decide who does not know all of them."""

    def read(seq: int) -> tuple[HeadHash, wire.Head]:
        # The slot is what counts; its mirror has the same bytes.
        for name in (slot_name(seq), *mirrored.get(seq, ())):
            try:
                signed = store.get(name)
                head = open_head(signed, volume.id)
            except (ObjectMissing, Corrupt):
                continue
            if head.seq == seq:
                return head_hash(signed), head
        raise SnapshotLost(seq)

    with ThreadPoolExecutor(_READERS, "mosaic-heads") as readers:
        for at in range(0, len(seqs), _AT_ONCE):
            go_on()
            yield from readers.map(read, seqs[at : at + _AT_ONCE])
