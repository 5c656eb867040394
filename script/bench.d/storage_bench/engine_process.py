"""The engine as the storage daemon holds it: keys, caches and the last head in one process."""

import time
from collections.abc import Iterator
from pathlib import Path

from mosaic.adapters import btrfs
from mosaic.adapters.blobs import FolderStore
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import volume_keys
from mosaic.storage import memory
from mosaic.storage.caches import Caches
from mosaic.storage.differing import hints
from mosaic.storage.engine.heads import mirror_head, sign_head
from mosaic.storage.engine.replicate import replicate
from mosaic.storage.engine.restore import restore
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.verify import verify
from mosaic.wire import head as wire
from mosaic.wire.blobs import ObjectEntry


class EngineProcess:
    """See the module."""

    def __init__(self, folder: Path, seed: bytes) -> None:
        memory.prefer_small()
        folder.mkdir()
        self._folder = folder
        self._seed = seed
        self._keys = volume_keys(seed)
        self._store = Counting(FolderStore(folder / "store"))
        self._caches = Caches(folder / "cache")
        self._root: RootRef | None = None
        self._head: bytes | None = None
        self._seq = 0
        self._before: Path | None = None

    def back_up(self, snapshot: Path) -> tuple[float, int]:
        """Replicate, sign and mirror. Returns seconds and bytes written to the store."""
        sent = self._store.sent_bytes
        started = time.perf_counter()
        with self._caches.index(self._keys.volume) as known, self._caches.nodes("live") as nodes:
            if self._seq == 0:
                known.load(self._store, self._keys)
            done = replicate(
                snapshot, self._keys, self._store, previous=self._root, known=known, nodes=nodes,
                taken_ns=time.time_ns(), hints=hints(snapshot, self._before_of(snapshot, nodes.source)),
            )  # fmt: skip
        if done.root != self._root:
            self._root = done.root
            self._commit(done.root)
        took = time.perf_counter() - started
        memory.give_back()
        return took, self._store.sent_bytes - sent

    def idle_round(self) -> tuple[float, int]:
        """Look whether anything changed, as the daemon does at each interval."""
        requests, before = self._store.requests, time.process_time()
        for _ in range(10):
            btrfs.sync(self._folder.parent / "pool")
            btrfs.look(self._folder.parent / "pool" / "live")
        return (time.process_time() - before) / 10, self._store.requests - requests

    def restore(self, target: Path) -> float:
        """Restore as a machine that knows nothing."""
        assert self._root is not None
        target.mkdir()
        started = time.perf_counter()
        caches = Caches(target.with_name("fresh-cache"))
        with caches.index(self._keys.volume) as known, caches.nodes("new") as nodes:
            known.load(self._store, self._keys)
            restore(self._root, self._keys, self._store, target, known=known, nodes=nodes)
        took = time.perf_counter() - started
        caches.keep_only(set(), set())
        memory.give_back()
        return took

    def verify(self) -> float:
        """Verify as a machine that knows nothing."""
        assert self._root is not None
        started = time.perf_counter()
        caches = Caches(self._folder / "verify-cache")
        with caches.index(self._keys.volume) as known:
            known.load(self._store, self._keys)
            found = verify(self._root, self._keys, self._store, known=known)
        assert not found.damaged, found.damaged
        took = time.perf_counter() - started
        caches.keep_only(set(), set())
        memory.give_back()
        return took

    def peak_bytes(self) -> int:
        """Return the most resident memory that this program ever had.

        Not `getrusage`, which counts what the process was before it became this program.
        """
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    def _commit(self, root: RootRef) -> None:
        self._seq += 1
        signed = sign_head(
            wire.Head(
                volume=self._keys.volume, epoch=Epoch(1, 1), seq=self._seq,
                previous=head_hash(self._head) if self._head else None, instant_ns=time.time_ns(),
                device=DeviceId("0" * 32), app_digest=None, config_revision=1, root=root.root,
                root_pack=root.pack, flags=0,
            ),
            self._seed,
        )  # fmt: skip
        mirror_head(self._store, signed)
        self._head = signed

    def _before_of(self, snapshot: Path, source: str) -> Path | None:
        for path in snapshot.parent.glob("before*"):
            found = btrfs.look(path)
            if found is not None and found.uuid == source:
                return path
        return None


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.requests = 0
        self.sent_bytes = 0

    def put(self, name: str, data: bytes) -> None:
        """Count and pass on."""
        self.requests += 1
        self.sent_bytes += len(data)
        self._inner.put(name, data)

    def get(self, name: str) -> bytes:
        """Count and pass on."""
        self.requests += 1
        return self._inner.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Count and pass on."""
        self.requests += 1
        return self._inner.get_range(name, offset, length)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Count and pass on."""
        self.requests += 1
        return self._inner.list(prefix)
