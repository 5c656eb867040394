"""Holding a read lease while a head is restored, so that what it needs stays however long that takes."""

import contextlib
import secrets
import time
from types import TracebackType
from typing import Protocol

from mosaic.adapters.hive_blobs import SessionOver
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.core.ids import HeadHash

_AGAIN_SECONDS = 3600.0
_AFTER_FAILURE_SECONDS = 60.0
_LASTS_SECONDS = 23 * 3600.0


class Leases(Protocol):
    """Who gives read leases; without a `Keeper` behind it all snapshots are kept."""

    def lease(self, head: HeadHash, lease: str, *, done: bool = False) -> None:
        """See `mosaic.storage.backing.Keeper`."""
        ...


class Reading:
    """A read lease of one head. Use it in a `with`, and call `go_on` often.

    One that is left behind by a killed process ends by itself, a day later.
    """

    def __init__(self, leases: Leases, head: HeadHash) -> None:
        self._leases = leases
        self._head = head
        self._id = secrets.token_hex(16)
        self._given_at = 0.0
        self._ask_at = 0.0

    def __enter__(self) -> "Reading":
        """Raises NotFound when the head was let go, Unavailable."""
        self._ask()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(MosaicError):
            self._leases.lease(self._head, self._id, done=True)

    def go_on(self) -> None:
        """Have it last longer, when it is time to. Raises like entering it, but Unavailable only when it is over."""
        if time.monotonic() < self._ask_at:
            return
        try:
            self._ask()
        except (Unavailable, SessionOver):
            if time.monotonic() - self._given_at > _LASTS_SECONDS:
                raise
            self._ask_at = time.monotonic() + _AFTER_FAILURE_SECONDS

    def _ask(self) -> None:
        self._leases.lease(self._head, self._id)
        self._given_at = time.monotonic()
        self._ask_at = self._given_at + _AGAIN_SECONDS
