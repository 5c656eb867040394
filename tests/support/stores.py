"""Stores for tests: one in memory, and one that fails when told to."""

from collections.abc import Iterator

from mosaic.adapters.blobs import (
    ObjectDamaged,
    ObjectExists,
    ObjectMissing,
    ObjectRefused,
    StoreUnavailable,
    check_name,
)
from mosaic.wire.blobs import MAX_OBJECT_BYTES, ObjectEntry


class MemoryStore:
    """A `Store` that forgets everything with the process."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts = 0
        self.put_bytes = 0
        self.requests = 0

    def put(self, name: str, data: bytes) -> None:
        check_name(name)
        if len(data) > MAX_OBJECT_BYTES:
            raise ObjectRefused("too big")
        self.requests += 1
        self.puts += 1
        self.put_bytes += len(data)
        if self.objects.setdefault(name, bytes(data)) != data:
            raise ObjectExists(name)

    def get(self, name: str) -> bytes:
        check_name(name)
        self.requests += 1
        if name not in self.objects:
            raise ObjectMissing(name)
        return self.objects[name]

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        found = self.get(name)[offset : offset + length]
        if len(found) != length:
            raise ObjectDamaged(name, "it is shorter")
        return found

    def delete(self, name: str) -> None:
        check_name(name)
        self.requests += 1
        self.objects.pop(name, None)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        self.requests += 1
        # A copy, made at once: a Hive's own objects may be lent to this store while Devices upload to it.
        for name, data in sorted(self.objects.copy().items()):
            if name.startswith(prefix):
                yield ObjectEntry(name, len(data))


class FailingStore:
    """Passes everything on to `inner`, but call number `fails_at` (from 1) fails.

    `after` says whether that call still has its effect: a lost reply.
    """

    def __init__(self, inner: MemoryStore, *, fails_at: int, after: bool) -> None:
        self.inner = inner
        self.fails_at = fails_at
        self.after = after
        self.calls = 0

    @property
    def failed(self) -> bool:
        return self.calls >= self.fails_at

    def put(self, name: str, data: bytes) -> None:
        fails = self._counted()
        if fails and not self.after:
            raise StoreUnavailable("the test store", "told to fail")
        self.inner.put(name, data)
        if fails:
            raise StoreUnavailable("the test store", "told to lose the reply")

    def get(self, name: str) -> bytes:
        self._fail_reading()
        return self.inner.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._fail_reading()
        return self.inner.get_range(name, offset, length)

    def delete(self, name: str) -> None:
        fails = self._counted()
        if not fails or self.after:
            self.inner.delete(name)
        if fails:
            raise StoreUnavailable("the test store", "told to fail")

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        self._fail_reading()
        yield from self.inner.list(prefix)

    def _counted(self) -> bool:
        self.calls += 1
        return self.calls == self.fails_at

    def _fail_reading(self) -> None:
        if self._counted():
            raise StoreUnavailable("the test store", "told to fail")
