"""Holding a read lease while a head is restored, so that what it needs stays however long that takes."""

import contextlib
import secrets
import time
from types import TracebackType

from mosaic.core.errors import MosaicError
from mosaic.core.ids import HeadHash
from mosaic.storage.backing import Keeper

_AGAIN_SECONDS = 3600.0


class Reading:
    """A read lease of one head; none without a keeper. Use it in a `with`, and call `go_on` often.

    One that is left behind by a killed process ends by itself, a day later.
    """

    def __init__(self, keeper: Keeper | None, head: HeadHash) -> None:
        self._keeper = keeper
        self._head = head
        self._id = secrets.token_hex(16)
        self._asked_at = 0.0

    def __enter__(self) -> "Reading":
        """Raises NotFound when the head was let go, Unavailable."""
        self._ask()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            with contextlib.suppress(MosaicError):
                self._keeper.lease(self._head, self._id, done=True)

    def go_on(self) -> None:
        """Have it last longer, when it is time to. Raises like entering it."""
        if time.monotonic() - self._asked_at > _AGAIN_SECONDS:
            self._ask()

    def _ask(self) -> None:
        if self._keeper is not None:
            self._keeper.lease(self._head, self._id)
        self._asked_at = time.monotonic()
