"""Sending blobs to a store: only what it lacks, compressed, sealed and gathered into packs.

Blobs are compressed in two threads and sealed in the order they came; one
finished pack is on its way while the next is filled. So at most two packs and
a few megabytes of waiting blobs are in memory.
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
_WAITING_BYTES = 4 * 1024 * 1024
_WAITING_BLOBS = 256
_WORTH_A_THREAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Waiting:
    blob: bytes
    kind: Kind
    plain: bytes
    small: Future[bytes | None] | bytes | None


class Uploader:
    """A run of uploads to one store. Use it in a `with`; nothing is durable for sure before `finish` returned.

    `randomness` gives that many random bytes; only tests that need the same
    packs twice pass their own.
    """

    def __init__(
        self, keys: VolumeKeys, store: Store, known: ChunkIndex, *, randomness: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._keys = keys
        self._store = store
        self._known = known
        self._randomness = randomness
        self._compressors = ThreadPoolExecutor(_COMPRESSORS, "mosaic-compress")
        self._sender = ThreadPoolExecutor(1, "mosaic-upload")
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._unsent: set[bytes] = set()
        self._pack: PackWriter | None = None
        self._sending: tuple[Future[None], PackWriter, int] | None = None
        self.uploaded_bytes = 0
        self.uploaded_packs = 0

    def __enter__(self) -> "Uploader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._compressors.shutdown(wait=True, cancel_futures=True)
        self._sender.shutdown(wait=True, cancel_futures=True)

    def add(self, plain: bytes, kind: Kind) -> bytes:
        """Return the blob's id, having taken it up unless the store has it.

        Raises:
            Unavailable, Refused: the store failed to take an earlier pack.
        """
        blob = blob_id(self._keys.current.blob_id, plain)
        if blob in self._unsent or self._known.has(blob):
            return blob
        self._unsent.add(blob)
        threaded = len(plain) >= _WORTH_A_THREAD_BYTES
        small = self._compressors.submit(shrink, plain) if threaded else shrink(plain)
        self._waiting.append(_Waiting(blob, kind, plain, small))
        self._waiting_bytes += len(plain)
        while self._waiting_bytes > _WAITING_BYTES or len(self._waiting) > _WAITING_BLOBS:
            self._seal_next()
        return blob

    def finish(self) -> None:
        """Send what is left. When this returns, every blob that was added is durable in the store."""
        while self._waiting:
            self._seal_next()
        if self._pack is not None:
            self._send()
        self._confirm()

    def _seal_next(self) -> None:
        blob = self._waiting.popleft()
        self._waiting_bytes -= len(blob.plain)
        small = blob.small.result() if isinstance(blob.small, Future) else blob.small
        pack = self._pack or self._begin()
        compressed = small is not None
        pack.add(blob.blob, blob.kind, small or blob.plain, plain_length=len(blob.plain), compressed=compressed)
        if pack.size >= PACK_BYTES or len(pack.places) >= PACK_BLOBS:
            self._send()

    def _begin(self) -> PackWriter:
        keys = self._keys.current
        name, salt = self._randomness(NAME_BYTES), self._randomness(SALT_BYTES)
        self._pack = PackWriter(self._keys.volume, keys.data, keys.version, name, salt)
        return self._pack

    def _send(self) -> None:
        self._confirm()
        pack = self._pack
        assert pack is not None
        self._pack = None
        whole = pack.finish()
        self._sending = (self._sender.submit(self._store.put, object_name(pack.pack), whole), pack, len(whole))

    def _confirm(self) -> None:
        """Wait for the pack that is on its way. Only then may the index say that the store has its blobs."""
        if self._sending is None:
            return
        sent, pack, size = self._sending
        self._sending = None
        sent.result()
        self._known.add(PackHead(pack.pack, pack.key_version, pack.salt), pack.places, size=size)
        self._unsent.difference_update(place.blob for place in pack.places)
        self.uploaded_bytes += size
        self.uploaded_packs += 1
