"""Sending blobs to a store: only what it lacks, compressed, sealed and gathered into packs.

Whoever adds blobs only names them. Compressing, sealing and sending are done
by threads of their own, a batch of blobs at a time, in the order in which they
came. In memory are a few megabytes of waiting blobs, the pack being filled and
the one on its way.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from mosaic.crypto.hashing import blob_id
from mosaic.crypto.pack_cipher import SALT_BYTES
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.compression import shrink
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.pack import NAME_BYTES, Kind, PackHead, PackWriter, object_name
from mosaic.storage.engine.store import Store

PACK_BYTES = 16 * 1024 * 1024
PACK_BLOBS = 16 * 1024
_COMPRESSORS = 2
_BATCH_BYTES = 512 * 1024
_BATCH_BLOBS = 256
_BATCHES = 8
"""As many may wait: 4 MiB."""


@dataclass(frozen=True, slots=True)
class _Named:
    blob: bytes
    kind: Kind
    plain: bytes


@dataclass(frozen=True, slots=True)
class _OnItsWay:
    """A finished pack, and the sending of it."""

    pack: PackWriter
    size: int
    sent: Future[None]


class Uploader:
    """A run of uploads to one store. Use it in a `with`; nothing is durable for sure before `finish` returned.

    `quick` is for a first upload, which is all compressing: until it has ended
    there is no copy at all. `randomness` gives that many random bytes; only
    tests that need the same packs twice pass their own.
    """

    def __init__(
        self,
        keys: VolumeKeys,
        store: Store,
        known: ChunkIndex,
        *,
        quick: bool = False,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._keys = keys
        self._store = store
        self._known = known
        self._quick = quick
        self._randomness = randomness
        self._compressors = ThreadPoolExecutor(_COMPRESSORS, "mosaic-compress")
        self._sealer = ThreadPoolExecutor(1, "mosaic-seal")
        self._sender = ThreadPoolExecutor(1, "mosaic-upload")
        self._batch: list[_Named] = []
        self._batch_bytes = 0
        self._sealing: deque[Future[list[_OnItsWay]]] = deque()
        self._sending: deque[_OnItsWay] = deque()
        self._unsent: set[bytes] = set()
        # Only the sealing thread touches these two.
        self._pack: PackWriter | None = None
        self._before: Future[None] | None = None
        self.uploaded_bytes = 0
        self.uploaded_packs = 0

    def __enter__(self) -> "Uploader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._compressors.shutdown(wait=True, cancel_futures=True)
        self._sealer.shutdown(wait=True, cancel_futures=True)
        self._sender.shutdown(wait=True, cancel_futures=True)

    def add(self, plain: bytes, kind: Kind) -> bytes:
        """Return the blob's id, having taken it up unless the store has it.

        Raises:
            Unavailable, Refused: the store failed to take an earlier pack.
        """
        return self.add_named(self.identify(plain), plain, kind)

    def identify(self, plain: bytes) -> bytes:
        """Return the id that a blob has, from any thread."""
        return blob_id(self._keys.current.blob_id, plain)

    def add_named(self, blob: bytes, plain: bytes, kind: Kind) -> bytes:
        """`add` a blob whose id is known."""
        if blob in self._unsent:
            return blob
        self._unsent.add(blob)
        self._batch.append(_Named(blob, kind, plain))
        self._batch_bytes += len(plain)
        if self._batch_bytes >= _BATCH_BYTES or len(self._batch) >= _BATCH_BLOBS:
            self._begin_batch()
            while len(self._sealing) > _BATCHES:
                self._harvest()
        return blob

    def finish(self) -> None:
        """Send what is left. When this returns, every blob that was added is durable in the store."""
        self._begin_batch()
        self._sealing.append(self._sealer.submit(self._end_pack))
        while self._sealing:
            self._harvest()
        while self._sending:
            self._confirm()

    def _begin_batch(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        # Asked for many at once: between a question and its answer other threads get their turn, and keep it a while.
        have = self._known.having([named.blob for named in batch])
        if have:
            batch = [named for named in batch if named.blob not in have]
            self._unsent -= have
        if batch:
            small = self._compressors.submit(_shrink_all, batch, self._quick)
            self._sealing.append(self._sealer.submit(self._seal, batch, small))

    def _seal(self, batch: list[_Named], small: Future[list[bytes | None]]) -> list[_OnItsWay]:
        """Put a batch into the pack. Returns the packs that this filled."""
        filled: list[_OnItsWay] = []
        for named, stored in zip(batch, small.result(), strict=True):
            pack = self._pack = self._pack or self._begin()
            pack.add(
                named.blob,
                named.kind,
                named.plain if stored is None else stored,
                plain_length=len(named.plain),
                compressed=stored is not None,
            )
            if pack.size >= PACK_BYTES or len(pack.places) >= PACK_BLOBS:
                filled += self._end_pack()
        return filled

    def _begin(self) -> PackWriter:
        keys = self._keys.current
        name, salt = self._randomness(NAME_BYTES), self._randomness(SALT_BYTES)
        return PackWriter(self._keys.volume, keys.data, keys.version, name, salt)

    def _end_pack(self) -> list[_OnItsWay]:
        pack, self._pack = self._pack, None
        if pack is None:
            return []
        if self._before is not None:
            # One on its way at a time. When it failed, that is told here, and nothing more is sent.
            self._before.result()
        whole = pack.finish()
        self._before = self._sender.submit(self._store.put, object_name(pack.pack), whole)
        return [_OnItsWay(pack, len(whole), self._before)]

    def _harvest(self) -> None:
        """Wait for the oldest batch, and enter what has arrived meanwhile."""
        self._sending.extend(self._sealing.popleft().result())
        while self._sending and self._sending[0].sent.done():
            self._confirm()

    def _confirm(self) -> None:
        """Wait for the oldest pack on its way. Only then may the index say that the store has its blobs."""
        found = self._sending.popleft()
        found.sent.result()
        pack = found.pack
        self._known.add(PackHead(pack.pack, pack.key_version, pack.salt), pack.places, size=found.size)
        self._unsent.difference_update(place.blob for place in pack.places)
        self.uploaded_bytes += found.size
        self.uploaded_packs += 1


def _shrink_all(batch: list[_Named], quick: bool) -> list[bytes | None]:
    return [shrink(named.plain, quick=quick) for named in batch]
