"""Which snapshots are kept, as a volume's tree says it where no Hive does.

A store that is its own log has nobody who notes what was let go. So the tree
of an accepted head says it: of the snapshots up to a number, these are kept.
It is irrevocable like the list of condemned packs. Whoever holds the volume
later goes on from that head, so that a mirror which an earlier holder deletes,
however late, is one that nobody counts on any more.
"""

import struct
from dataclasses import dataclass

from mosaic.core.retention import Retention
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.records import ALL_KEPT, DECIDED_KEY, kept_key, kept_seq
from mosaic.storage.engine.stage import Stage
from mosaic.storage.engine.tree import Tree

_DECIDED = struct.Struct(">QIIIII")


@dataclass(frozen=True, slots=True)
class KeptList:
    """Of the snapshots with numbers up to `through` those of `seqs` are kept, by `rule`; later ones are all kept."""

    through: int
    seqs: frozenset[int]
    rule: Retention

    def keeps(self, seq: int) -> bool:
        """Return whether the snapshot of this number was not let go."""
        return seq > self.through or seq in self.seqs


def kept_in(tree: Tree) -> KeptList | None:
    """Return what a tree says; None when nothing was ever let go. Raises Corrupt: it can't be read."""
    decided = tree.get(DECIDED_KEY) if tree.root.condemns else None
    if decided is None:
        return None
    if len(decided) != _DECIDED.size:
        raise TreeMalformed("the record of what was decided has a wrong length")
    through, *numbers = _DECIDED.unpack(decided)
    return KeptList(through, frozenset(kept_seq(key) for key, _ in tree.range(ALL_KEPT)), Retention(*numbers))


def stage_kept(stage: Stage, prior: Tree | None, wanted: KeptList) -> None:
    """Stage what makes the tree say this."""
    before = kept_in(prior) if prior is not None else None
    had = before.seqs if before is not None else frozenset[int]()
    for seq in had - wanted.seqs:
        stage.delete(kept_key(seq))
    for seq in wanted.seqs - had:
        stage.put(kept_key(seq), b"")
    rule = wanted.rule
    decided = _DECIDED.pack(wanted.through, rule.last, rule.hourly, rule.daily, rule.weekly, rule.monthly)
    stage.put(DECIDED_KEY, decided)
