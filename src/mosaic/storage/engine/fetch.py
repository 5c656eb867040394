"""Reading blobs from a store, every one checked against its id.

`get` is for the tree's pages: they were written side by side, so a request
brings the neighbours too. `get_many` is for file content: blobs that lie near
each other in a pack come in one request, and several requests run at once.
"""

import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

from mosaic.core.errors import Corrupt, MosaicError, NotFound
from mosaic.crypto.pack_cipher import PackCipher
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.damage import BlobDamaged
from mosaic.storage.engine.index import ChunkIndex, Location
from mosaic.storage.engine.pack import PackHead, cipher_of, object_name, open_blob
from mosaic.storage.engine.spares import Spare, spares_of
from mosaic.storage.engine.store import Store

_WINDOW_BYTES = 128 * 1024
_WINDOWS = 16
_CIPHERS = 256
_GAP_BYTES = 64 * 1024
_RUN_BYTES = 4 * 1024 * 1024
_READERS = 3

Take: TypeAlias = Callable[[bytes, bytes], None]
"""Gets a blob's id and content, in whichever thread read it. Different blobs may come at the same time."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Blobs of one pack that are fetched with one request."""

    head: PackHead
    found: Sequence[Location]

    @property
    def start(self) -> int:
        return self.found[0].place.offset

    @property
    def length(self) -> int:
        last = self.found[-1].place
        return last.offset + last.length - self.start


@dataclass(frozen=True, slots=True)
class Asked:
    """Blobs that are being fetched: the requests, and where else each blob lies."""

    requests: Sequence[tuple[_Run, "Future[list[tuple[Location, Corrupt]]]"]]
    elsewhere: dict[bytes, list[Location]]
    missing: Sequence[bytes]
    take: Take


class Fetcher:
    """Reads from one store. Use it in a `with`, from one thread."""

    def __init__(self, keys: VolumeKeys, store: Store, known: ChunkIndex) -> None:
        self._keys = keys
        self._store = store
        self._known = known
        self._readers = ThreadPoolExecutor(_READERS, "mosaic-fetch")
        self._ciphers: OrderedDict[bytes, PackCipher] = OrderedDict()
        self._windows: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self._spares = list(spares_of(store))
        self._opened: list[Fetcher] = []
        self._closing = contextlib.ExitStack()
        self.fetched_bytes = 0

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._closing.close()

    def get(self, blob: bytes) -> bytes:
        """Return one blob's content.

        Raises:
            Corrupt: no pack has it whole.
            Unavailable: the store did not answer.
        """
        damage: Corrupt = _missing(blob)
        for found in self._known.locations(blob):
            try:
                sealed = self._windowed(found)
                return open_blob(self._cipher(found.head), found.place, sealed, id_key=self._id_key(found.head))
            except Corrupt as error:
                self._known.doubt(found.head.pack)
                damage = error
        for spare in self._fetchers():
            # Whatever is wrong there, what is wrong here is the news.
            with contextlib.suppress(MosaicError):
                return spare.get(blob)
        raise damage

    def ask(self, blobs: Sequence[bytes], take: Take) -> Asked:
        """Begin to fetch different blobs, and let `take` have each one that is whole. `answer` waits for them.

        Everything asked for may be in memory at once: ask for a few megabytes.
        """
        places = self._known.locations_of(blobs)
        best = [found.pop(0) for found in places.values() if found]
        requests = [
            (run, self._readers.submit(self._open_run, run, self._cipher(run.head), self._id_key(run.head), take))
            for run in _runs(best)
        ]
        missing = [blob for blob in blobs if blob not in places]
        return Asked(requests, places, missing, take)

    def answer(self, asked: Asked) -> Iterator[tuple[bytes, Corrupt]]:
        """Wait until everything that was asked for was taken. Yields what is in no pack whole, and why.

        Raises:
            Unavailable: the store did not answer.
        """
        lost: dict[bytes, Corrupt] = {blob: _missing(blob) for blob in asked.missing}
        for run, request in asked.requests:
            failed = request.result()
            self.fetched_bytes += run.length
            for found, damage in failed:
                self._known.doubt(found.head.pack)
                last = self._try_elsewhere(asked, found.place.blob, damage)
                if last is not None:
                    lost[found.place.blob] = last
        for spare in self._fetchers() if lost else ():
            # One that fails has nothing; what it gave before that is taken all the same.
            with contextlib.suppress(MosaicError):
                still = {blob for blob, _ in spare.answer(spare.ask(list(lost), asked.take))}
                lost = {blob: damage for blob, damage in lost.items() if blob in still}
        yield from lost.items()

    def _fetchers(self) -> "Iterator[Fetcher]":
        """Open the spares, one when it is needed. One that does not answer is asked no more."""
        yield from self._opened
        while self._spares:
            opened = self._open_spare(self._spares.pop(0))
            if opened is not None:
                self._opened.append(opened)
                yield opened

    def _open_spare(self, spare: Spare) -> "Fetcher | None":
        known = ChunkIndex(spare.index)
        self._closing.callback(known.close)
        try:
            known.load(spare.store, self._keys)
        except MosaicError:
            return None
        return self._closing.enter_context(Fetcher(self._keys, spare.store, known))

    def _try_elsewhere(self, asked: Asked, blob: bytes, damage: Corrupt) -> Corrupt | None:
        """Fetch a blob from the next pack that has it. Returns what is wrong when none has it whole."""
        for found in asked.elsewhere[blob]:
            run = _Run(found.head, [found])
            failed = self._open_run(run, self._cipher(found.head), self._id_key(found.head), asked.take)
            self.fetched_bytes += run.length
            if not failed:
                return None
            self._known.doubt(found.head.pack)
            damage = failed[0][1]
        return damage

    def _open_run(self, run: _Run, cipher: PackCipher, id_key: bytes, take: Take) -> list[tuple[Location, Corrupt]]:
        """Read and open the blobs of one request. Returns those that are damaged."""
        try:
            whole = memoryview(self._store.get_range(object_name(run.head.pack), run.start, run.length))
        except (Corrupt, NotFound):
            if len(run.found) == 1:
                return [(run.found[0], _missing(run.found[0].place.blob))]
            # Perhaps only a part of it is gone.
            alone = [self._open_run(_Run(run.head, [one]), cipher, id_key, take) for one in run.found]
            return list(itertools.chain.from_iterable(alone))
        failed: list[tuple[Location, Corrupt]] = []
        for found in run.found:
            place = found.place
            start = place.offset - run.start
            try:
                content = open_blob(cipher, place, whole[start : start + place.length], id_key=id_key)
            except BlobDamaged as damage:
                failed.append((found, damage))
            else:
                take(place.blob, content)
        return failed

    def _windowed(self, found: Location) -> bytes:
        """Return the sealed blob, from a window of its pack that stays in memory for its neighbours."""
        pack, place = found.head.pack, found.place
        first, last = place.offset // _WINDOW_BYTES, (place.offset + place.length - 1) // _WINDOW_BYTES
        parts = [self._window(pack, number) for number in range(first, last + 1)]
        start = place.offset - first * _WINDOW_BYTES
        return b"".join(parts)[start : start + place.length]

    def _window(self, pack: bytes, number: int) -> bytes:
        key = (pack, number)
        window = self._windows.get(key)
        if window is None:
            name = object_name(pack)
            start = number * _WINDOW_BYTES
            size = self._known.size(pack)
            try:
                window = self._store.get_range(name, start, min(_WINDOW_BYTES, size - start))
            except NotFound as missing:
                raise BlobDamaged(pack, "lies in a pack that the store lost") from missing
            self.fetched_bytes += len(window)
            self._windows[key] = window
            if len(self._windows) > _WINDOWS:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(key)
        return window

    def _cipher(self, head: PackHead) -> PackCipher:
        cipher = self._ciphers.get(head.pack)
        if cipher is None:
            cipher = self._ciphers[head.pack] = cipher_of(head, self._keys)
            if len(self._ciphers) > _CIPHERS:
                self._ciphers.popitem(last=False)
        return cipher

    def _id_key(self, head: PackHead) -> bytes:
        return self._keys.at(head.key_version).blob_id


def _missing(blob: bytes) -> BlobDamaged:
    return BlobDamaged(blob, "is in no pack that can be read")


def _runs(found: Sequence[Location]) -> Iterator[_Run]:
    """Gather locations into requests: same pack, nearly adjacent, and not too long."""
    ordered = sorted(found, key=lambda one: (one.head.pack, one.place.offset))
    run: list[Location] = []
    for one in ordered:
        if run:
            last = run[-1].place
            near = one.head.pack == run[0].head.pack and one.place.offset - (last.offset + last.length) <= _GAP_BYTES
            if not near or one.place.offset + one.place.length - run[0].place.offset > _RUN_BYTES:
                yield _Run(run[0].head, run)
                run = []
        run.append(one)
    if run:
        yield _Run(run[0].head, run)
