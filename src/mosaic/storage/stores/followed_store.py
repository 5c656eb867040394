"""The store that keeps a volume's heads, with the stores that follow it."""

from collections.abc import Iterator, Sequence

from mosaic.storage.engine.heads import PREFIX as HEAD_PREFIX
from mosaic.storage.engine.store import Store
from mosaic.storage.stores.follower import Follower
from mosaic.wire.blobs import ObjectEntry


class FollowedStore:
    """A `Store` whose followers are handed what it took. It is read alone, and waits for none of them."""

    def __init__(self, store: Store, followers: Sequence[Follower]) -> None:
        self._store = store
        self._followers = followers

    def put(self, name: str, data: bytes) -> None:
        """Store an object durably; see `Store.put`."""
        self._store.put(name, data)
        if name.startswith(HEAD_PREFIX):
            # A head follows when all is there that it needs.
            return
        for follower in self._followers:
            follower.offer(name, data)

    def get(self, name: str) -> bytes:
        """Return a whole object; see `Store.get`."""
        return self._store.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return part of an object; see `Store.get_range`."""
        return self._store.get_range(name, offset, length)

    def delete(self, name: str) -> None:
        """Delete an object for good; see `Store.delete`. A follower deletes it when its own newest head allows it."""
        self._store.delete(name)
        for follower in self._followers:
            follower.forget(name)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield objects sorted by name; see `Store.list`."""
        return self._store.list(prefix)
