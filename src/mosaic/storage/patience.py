"""Bearing a store that does not answer, for as long as what is read from it is wanted.

A restore may take a day, and lines fail for minutes. Whatever was restored by
then is in `incoming/` and in nothing else, so a failed request must not end it:
it is asked again, at the store's newest address and with the newest session,
until it is answered or nobody waits for it any more. Meanwhile the volume says
what is wrong.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from mosaic.adapters.hive_blobs import SessionOver
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.core.ids import HeadHash
from mosaic.storage.backing import Backing
from mosaic.storage.engine.store import Store
from mosaic.storage.volume import LeaseGone, Volume
from mosaic.wire.blobs import ObjectEntry

T = TypeVar("T")

_PAUSE_SECONDS = 5.0


class Patience:
    """Reads what `backing` says from wherever `newest` says that it lies now, while `is_wanted`. Threads share it."""

    def __init__(
        self, volume: Volume, backing: Backing, newest: Callable[[], Backing], is_wanted: Callable[[], bool]
    ) -> None:
        self._volume = volume
        self._now = backing
        self._newest = newest
        self._is_wanted = is_wanted

    @property
    def backing(self) -> Backing:
        """The backing, with a store that is patient; its spares are not, for they are asked in addition."""
        return replace(self._now, store=PatientStore(self))

    @property
    def store(self) -> Store:
        """The store as it is now."""
        return self._now.store

    def lease(self, head: HeadHash, lease: str, *, done: bool = False) -> None:
        """Have a head kept while it is read; see `Keeper.lease`. It is tried once."""
        keeper = self._newest().keeper
        if keeper is not None:
            keeper.lease(head, lease, done=done)

    def until_answered(self, ask: Callable[[], T]) -> T:
        """Return what is asked for. Raises LeaseGone as soon as it is wanted no more."""
        told = False
        while True:
            try:
                found = ask()
            except (Unavailable, SessionOver) as problem:
                told = True
                self._wait(problem)
            else:
                if told:
                    self._volume.tell(None)
                return found

    def _wait(self, problem: MosaicError) -> None:
        volume = self._volume
        volume.tell(problem)
        with volume.wakes:
            volume.wakes.wait_for(lambda: volume.stopping or not self._is_wanted(), _PAUSE_SECONDS)
            if volume.stopping or not self._is_wanted():
                raise LeaseGone(volume.id)
        try:
            self._now = self._newest()
        except Unavailable as still:
            volume.tell(still)


class PatientStore:
    """The `Store` of a `Patience`: what is read is asked for until it is answered."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    def put(self, name: str, data: bytes) -> None:
        """Store an object durably; see `Store.put`."""
        self._patience.store.put(name, data)

    def get(self, name: str) -> bytes:
        """Return a whole object; see `Store.get`."""
        return self._patience.until_answered(lambda: self._patience.store.get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return part of an object; see `Store.get_range`."""
        return self._patience.until_answered(lambda: self._patience.store.get_range(name, offset, length))

    def delete(self, name: str) -> None:
        """Delete an object for good; see `Store.delete`."""
        self._patience.store.delete(name)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield objects sorted by name; see `Store.list`."""
        yield from self._patience.until_answered(lambda: list(self._patience.store.list(prefix)))
