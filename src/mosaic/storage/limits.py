"""Keeping all stores together under the owner's limit of the line, both ways.

What is decided is `core.bandwidth`'s. Here are the clock, the lock and the
waiting: a new limit is felt by who waits under the old one, and a stop ends
all waiting.
"""

import threading
import time
from collections.abc import Callable, Iterator

from mosaic.core.bandwidth import Allowance, limited, spend, wait_seconds
from mosaic.storage.engine.store import Store
from mosaic.wire.blobs import ObjectEntry

_SMALL_BYTES = 16 * 1024
"""Heads, marks and envelopes are paid for, and wait for nothing: a head says what is safe."""


class Line:
    """One direction. Threads share it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._allowance = Allowance(None)
        self._saving: list[int] = []
        self._stopped = False

    @property
    def rate(self) -> int | None:
        """Bytes a second, None for no limit."""
        return self._allowance.rate

    def limit(self, rate: int | None) -> None:
        """Set the limit, from now on."""
        with self._changed:
            self._allowance = limited(self._allowance, rate, self._clock())
            self._changed.notify_all()

    def stop(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def take(self, length: int, *, is_patient: bool) -> None:
        """Wait until `length` bytes may be sent. Who is patient makes nobody else wait."""
        with self._changed:
            if length > _SMALL_BYTES:
                self._wait(length if is_patient else 0)
            self._allowance = spend(self._allowance, length, self._clock(), saved=max(self._saving, default=0))

    def _wait(self, wanted: int) -> None:
        self._saving.append(wanted)
        try:
            while not self._stopped and (pause := wait_seconds(self._allowance, wanted, self._clock())) > 0:
                self._changed.wait(pause)
        finally:
            self._saving.remove(wanted)


class Limits:
    """The line up and the line down."""

    def __init__(self) -> None:
        self.upload = Line()
        self.download = Line()

    def limit(self, upload: int | None, download: int | None) -> None:
        """Set both limits (bytes a second, None for no limit), from now on."""
        self.upload.limit(upload)
        self.download.limit(download)

    def stop(self) -> None:
        """Let nobody wait any more."""
        self.upload.stop()
        self.download.stop()


class LimitedStore:
    """A `Store` that keeps to the limits. `is_patient`: what it sends can wait for what others send."""

    def __init__(self, store: Store, limits: Limits, *, is_patient: bool = False) -> None:
        self._store = store
        self._limits = limits
        self._is_patient = is_patient

    def put(self, name: str, data: bytes) -> None:
        """Store an object durably; see `Store.put`."""
        self._limits.upload.take(len(data), is_patient=self._is_patient)
        self._store.put(name, data)

    def get(self, name: str) -> bytes:
        """Return a whole object; see `Store.get`."""
        found = self._store.get(name)
        # Only now is its size known.
        self._limits.download.take(len(found), is_patient=False)
        return found

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return part of an object; see `Store.get_range`."""
        self._limits.download.take(length, is_patient=False)
        return self._store.get_range(name, offset, length)

    def delete(self, name: str) -> None:
        """Delete an object for good; see `Store.delete`."""
        self._store.delete(name)

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield objects sorted by name; see `Store.list`."""
        return self._store.list(prefix)
