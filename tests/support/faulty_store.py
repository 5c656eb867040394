"""A store in memory that fails in every way that a store can, as luck will have it."""

import random
from collections import Counter
from collections.abc import Iterator

from mosaic.adapters.blobs import ObjectDamaged, ObjectMissing, StoreFull, StoreUnavailable
from mosaic.wire.blobs import ObjectEntry
from support.stores import MemoryStore

PUT = ("timeout", "lost_reply", "no_space", "sent_twice")
GET = ("timeout", "short_read", "rotten_reply", "stale_read")
DELETE = ("timeout", "lost_reply")
LIST = ("timeout", "ends_early", "stale_read", "told_twice")


class FaultyStore:
    """Passes on to `inner`; that part of the calls fails, in one way after the other. `met` counts."""

    def __init__(self, inner: MemoryStore, luck: random.Random, *, rate: float, met: Counter[str]) -> None:
        self.inner = inner
        self.rate = rate
        self._met = met
        self._luck = luck

    def put(self, name: str, data: bytes) -> None:
        match self._fault("put", PUT):
            case "timeout":
                raise StoreUnavailable("the test store", "no answer in time")
            case "no_space":
                raise StoreFull("the test store")
            case "lost_reply":
                self.inner.put(name, data)
                raise StoreUnavailable("the test store", "the connection was reset")
            case "sent_twice":
                self.inner.put(name, data)
        self.inner.put(name, data)

    def get(self, name: str) -> bytes:
        return self._read(name, self.inner.get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._read(name, self.inner.get_range(name, offset, length), of_a_range=True)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        entries = list(self.inner.list(prefix))
        match self._fault("list", LIST):
            case "timeout":
                raise StoreUnavailable("the test store", "no answer in time")
            case "ends_early":
                yield from entries[: len(entries) // 2]
                raise StoreUnavailable("the test store", "the connection was reset")
            case "stale_read":
                yield from entries[: len(entries) // 2]
                return
            case "told_twice":
                entries = [entry for entry in entries for _ in range(2)]
        yield from entries

    def delete(self, name: str) -> None:
        match self._fault("delete", DELETE):
            case "timeout":
                raise StoreUnavailable("the test store", "no answer in time")
            case "lost_reply":
                self.inner.delete(name)
                raise StoreUnavailable("the test store", "the connection was reset")
        self.inner.delete(name)

    def _read(self, name: str, whole: bytes, *, of_a_range: bool = False) -> bytes:
        match self._fault("get", GET):
            case "timeout":
                raise StoreUnavailable("the test store", "no answer in time")
            case "stale_read":
                raise ObjectMissing(name)
            case "short_read" if of_a_range:
                # Every adapter compares the length, for that is the store's promise.
                raise ObjectDamaged(name, "it is shorter")
            case "short_read":
                return whole[: len(whole) // 2]
            case "rotten_reply" if whole:
                at = self._luck.randrange(len(whole))
                return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        return whole

    def _fault(self, verb: str, kinds: tuple[str, ...]) -> str | None:
        if self._luck.random() >= self.rate:
            return None
        chosen = min(kinds, key=lambda kind: self._met[f"{verb}_{kind}"])
        self._met[f"{verb}_{chosen}"] += 1
        return chosen
