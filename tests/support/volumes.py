"""A volume with its store and this machine's memory of it, for tests of the engine."""

import time
from pathlib import Path

from mosaic.crypto.volume_keys import volume_keys
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.mend import Mending, note_mended, replicate_and_mend
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.replicate import replicate
from mosaic.storage.engine.restore import restore
from mosaic.storage.engine.roots import Replication, Restoration, RootRef, Verification
from mosaic.storage.engine.staged import Staged
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.verify import verify
from support.stores import MemoryStore

SEED = bytes(range(32))
KEYS = volume_keys(SEED)
_SOON_NS = 10_000_000_000


class Machine:
    """One machine that replicates to a store. `newest` is the last root that it replicated or restored."""

    def __init__(self, store: Store | None = None) -> None:
        self.store: Store = store or MemoryStore()
        self.known = ChunkIndex()
        self.nodes = NodeMap()
        self.newest: RootRef | None = None

    def replicate(self, folder: Path, *, settled: bool = False) -> Replication:
        """Replicate a folder. `settled` says that its files are older than any clock's step."""
        self.known.load(self.store, KEYS)
        done = replicate(
            folder,
            KEYS,
            self.store,
            previous=self.newest,
            known=self.known,
            nodes=self.nodes,
            taken_ns=time.time_ns() + (_SOON_NS if settled else 0),
        )
        self.newest = done.root
        return done

    def replicate_copies(self, made: Path, taken_ns: int) -> Replication:
        """Replicate a snapshot that was made by copying in the folder `made`, and begun then."""
        self.known.load(self.store, KEYS)
        done = replicate(
            made / "tree",
            KEYS,
            self.store,
            previous=self.newest,
            known=self.known,
            nodes=self.nodes,
            taken_ns=taken_ns,
            staged=Staged(made),
        )
        self.newest = done.root
        return done

    def mend(self, folder: Path) -> Mending:
        """Replicate a folder as the storage daemon does it in a round: what is damaged in the store is replaced."""
        self.known.load(self.store, KEYS)
        done = replicate_and_mend(
            folder,
            KEYS,
            self.store,
            previous=self.newest,
            known=self.known,
            nodes=self.nodes,
            taken_ns=time.time_ns(),
        )
        self.newest = done.replication.root
        note_mended(self.store, self.known, done.replaced)
        return done

    def restore(self, root: RootRef, target: Path, *, base: tuple[Path, RootRef] | None = None) -> Restoration:
        """Restore into a new folder."""
        target.mkdir()
        self.known.load(self.store, KEYS)
        done = restore(root, KEYS, self.store, target, known=self.known, nodes=self.nodes, base=base)
        self.newest = root
        return done

    def verify(self, root: RootRef) -> Verification:
        """Verify from the footers alone, as a machine that knows nothing would."""
        known = ChunkIndex()
        known.load(self.store, KEYS)
        return verify(root, KEYS, self.store, known=known)

    def forget(self) -> None:
        """Lose every cache."""
        self.known = ChunkIndex()
        self.nodes = NodeMap()
