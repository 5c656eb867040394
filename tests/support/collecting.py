"""A volume whose snapshots are retained and whose packs are collected, for tests of the engine: no Hive, no daemon."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mosaic.core.collecting import Limits
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId
from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.collect import Collected, Kept, collect
from mosaic.storage.engine.condemning import NOTHING, Condemning, load_condemned
from mosaic.storage.engine.heads import head_name, mirror_head, sign_head
from mosaic.storage.engine.replicate import replicate
from mosaic.storage.engine.roots import RootRef
from mosaic.wire.head import Head
from support.stores import MemoryStore
from support.volumes import KEYS, SEED, Machine

DAY_S = 24 * 3600.0
EAGER = Limits(settled_seconds=-3600, small_bytes=100_000, merged=3, worth_bytes=0)


@dataclass
class Collector:
    """The holder of a volume. `heads` are the accepted ones that are kept, oldest first; `now_s` its two clocks."""

    machine: Machine
    heads: list[tuple[int, RootRef]] = field(default_factory=list)
    now_s: float = field(default_factory=time.time)
    oldest_reader: int | None = None
    limits: Limits = EAGER
    is_loaded: bool = False

    @property
    def newest(self) -> RootRef | None:
        return self.heads[-1][1] if self.heads else None

    def crash(self) -> None:
        """Lose what is in memory; the index and the node map are on the disk."""
        self.is_loaded = False

    def snapshot(self, folder: Path, condemning: Condemning = NOTHING) -> RootRef:
        """Replicate a folder and have its head accepted."""
        here = self.machine
        if not self.is_loaded:
            here.known.load(here.store, KEYS)
            if self.newest is not None:
                lost = load_condemned(self.newest, self.heads[-1][0], KEYS, here.store, here.known)
                condemning = Condemning((*condemning.add, *lost.add), condemning.drop)
            self.is_loaded = True
        done = replicate(
            folder,
            KEYS,
            here.store,
            previous=self.newest,
            known=here.known,
            nodes=here.nodes,
            taken_ns=time.time_ns() + 10**10,
            condemning=condemning,
        )
        if done.root != self.newest:
            self._accept(done.root)
        here.known.accept_condemned(done.root.root, [one.pack for one in condemning.add])
        return done.root

    def collect(self, folder: Path, *, keep: int = 1) -> Collected:
        """Let go of all but the last heads, collect, and have a head accepted with the result."""
        here = self.machine
        self.heads = self.heads[-keep:]
        for entry in list(here.store.list("h-")):
            if int(entry.name[2:22]) < self.heads[0][0]:
                here.store.delete(entry.name)
        seq, newest = self.heads[-1]
        kept = Kept([root for _, root in self.heads], newest, seq, self.oldest_reader)
        here.known.pass_time("boot", self.now_s)
        done = collect(
            kept,
            KEYS,
            here.store,
            here.known,
            now_ns=int(self.now_s * 10**9),
            limits=self.limits,
            still_ours=lambda: None,
            go_on=lambda: None,
        )
        if done.condemning != NOTHING:
            self.snapshot(folder, done.condemning)
        return done

    def pass_days(self, days: float = 1.01) -> None:
        self.now_s += days * DAY_S

    def _accept(self, root: RootRef) -> None:
        seq = self.heads[-1][0] + 1 if self.heads else 1
        head = Head(
            KEYS.volume, Epoch(1, 1), seq, None, seq * 10**9, DeviceId("00" * 16), None, 0, root.root, root.pack, 0
        )
        signed = sign_head(head, SEED)
        self.heads.append((seq, root))
        mirror_head(self.machine.store, signed)
        assert head_name(seq, head_hash(signed))


def packs(store: MemoryStore) -> Sequence[str]:
    return [name for name in store.objects if name.startswith("p-")]
