"""A store whose volume other stores have copies of, for readers.

Everything is read from the store itself. What it lost or damaged is read from
the others, blob by blob, and they are asked nothing before that: one of them
may be switched off. Where a blob lies is each store's own index's to say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mosaic.storage.engine.store import Store
from mosaic.wire.blobs import ObjectEntry


@dataclass(frozen=True, slots=True)
class Spare:
    """Another store with a copy. `index` is where its index may be kept between reads, None for nowhere."""

    store: Store
    index: Path | None = None


class SparedStore:
    """A `Store` that is read together with its `spares`, in that order. Whoever only knows `Store` never asks them."""

    def __init__(self, store: Store, spares: Sequence[Spare]) -> None:
        self._store = store
        self.spares = spares

    def put(self, name: str, data: bytes) -> None:
        """Store an object durably; see `Store.put`."""
        self._store.put(name, data)

    def get(self, name: str) -> bytes:
        """Return a whole object; see `Store.get`."""
        return self._store.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return part of an object; see `Store.get_range`."""
        return self._store.get_range(name, offset, length)

    def delete(self, name: str) -> None:
        """Delete an object for good; see `Store.delete`. The spares are not told."""
        self._store.delete(name)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield objects sorted by name; see `Store.list`."""
        return self._store.list(prefix)


def spares_of(store: Store) -> Sequence[Spare]:
    """Return the stores to read what this one cannot give."""
    return store.spares if isinstance(store, SparedStore) else ()
