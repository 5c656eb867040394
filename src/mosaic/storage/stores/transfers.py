"""How many objects a shared folder takes and gives at once, and how slowly they may move.

Each lies in memory until it has arrived, or has been sent. Big ones have few
places; small ones, heads above all, have places of their own, so that a pack
on a slow line keeps none of them waiting. Whoever finds no place is told to
come again, and a transfer that is slower than any line that is of use ends.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

from mosaic.core.errors import Unavailable

SMALL_BYTES = 4 * 1024 * 1024

_BIG_PLACES = 2
_SMALL_PLACES = 8
_WAIT_SECONDS = 10.0
_GRACE_SECONDS = 30.0
_SLOWEST = 64 * 1024
"""Bytes a second."""


class ShareBusy(Unavailable):
    """Others' objects take all places."""

    code = "share-busy"

    def __init__(self) -> None:
        super().__init__("as many objects as it can hold are on their way", hint="it is tried again by itself")


class Places:
    """The places of one direction. Threads share it."""

    def __init__(self) -> None:
        self._big = threading.Semaphore(_BIG_PLACES)
        self._small = threading.Semaphore(_SMALL_PLACES)

    @contextlib.contextmanager
    def one(self, length: int) -> Iterator[None]:
        """Have a place for so many bytes; none needs none. Raises ShareBusy when there is none for a while."""
        if length == 0:
            yield
            return
        places = self._small if length <= SMALL_BYTES else self._big
        if not places.acquire(timeout=_WAIT_SECONDS):
            raise ShareBusy
        try:
            yield
        finally:
            places.release()


class Deadline:
    """Until when so many bytes must have moved."""

    def __init__(self, length: int) -> None:
        self._ends_at = time.monotonic() + _GRACE_SECONDS + length / _SLOWEST

    def left_seconds(self) -> float:
        """Return how long there is still. Raises TimeoutError when it is over."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("it was too slow")
        return left
