"""Taking in objects: only so many bytes at once, for they lie in memory, and none for ever.

A Device that loses its power or its way in the middle of an upload says so to
nobody. Its place is free again when it has been silent for a while.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio

from mosaic.core.errors import Refused, Unavailable
from mosaic.wire.blobs import MAX_OBJECT_BYTES

BUDGET_BYTES = 128 * 1024 * 1024
"""Of uploads under way, as long as they said they are. Each lies in memory twice while it is written."""

LEAST_BYTES = 1024 * 1024
"""What the smallest upload counts as: a connection and its buffers cost as well."""

QUEUE_SECONDS = 30.0
SILENCE_SECONDS = 30.0
WHOLE_SECONDS = 600.0


class ObjectTooLarge(Refused):
    """More bytes than an object has."""

    code = "object-too-large"

    def __init__(self) -> None:
        super().__init__(f"an object has at most {MAX_OBJECT_BYTES // 2**20} MiB", hint="write smaller packs")


class HiveBusy(Unavailable):
    """The uploads under way fill the memory that they may have."""

    code = "hive-busy"

    def __init__(self) -> None:
        super().__init__("the Hive takes in as many uploads as it can", hint="it is tried again by itself")


class UploadStalled(Unavailable):
    """The rest of an upload did not come."""

    code = "upload-stalled"

    def __init__(self) -> None:
        super().__init__("the rest of the upload did not come in time", hint="it is tried again by itself")


@dataclass
class Uploads:
    """The places of one Hive. Seconds: to wait for a place, between two pieces of an upload, and for all of it."""

    budget_bytes: int = BUDGET_BYTES
    queue_seconds: float = QUEUE_SECONDS
    silence_seconds: float = SILENCE_SECONDS
    whole_seconds: float = WHOLE_SECONDS
    _used: int = 0
    _turn: anyio.Lock = field(default_factory=anyio.Lock)
    _freed: anyio.Event = field(default_factory=anyio.Event)

    @property
    def used_bytes(self) -> int:
        """What the uploads under way count as."""
        return self._used

    @contextlib.asynccontextmanager
    async def place(self, announced: str) -> AsyncIterator[None]:
        """Wait for room for an upload of the announced length, and keep it for the block.

        Raises:
            ObjectTooLarge, HiveBusy.
        """
        size = _counted(announced)
        with anyio.move_on_after(self.queue_seconds) as waiting:
            # In the order in which they came, or small ones would keep a large one out for ever.
            async with self._turn:
                while self._used and self._used + size > self.budget_bytes:
                    await self._freed.wait()
                self._used += size
        if waiting.cancelled_caught:
            raise HiveBusy
        try:
            yield
        finally:
            self._used -= size
            self._freed.set()
            self._freed = anyio.Event()

    async def take(self, pieces: AsyncIterator[bytes]) -> bytes:
        """Return all of an upload. Raises ObjectTooLarge, UploadStalled."""
        content = bytearray()
        try:
            with anyio.fail_after(self.whole_seconds):
                while (piece := await self._next(pieces)) is not None:
                    content += piece
                    if len(content) > MAX_OBJECT_BYTES:
                        raise ObjectTooLarge
        except TimeoutError:
            raise UploadStalled from None
        return bytes(content)

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        with anyio.fail_after(self.silence_seconds):
            return await anext(pieces, None)


def _counted(announced: str) -> int:
    """Return what an upload counts as. One that does not say how long it is may be as long as any."""
    size = int(announced[:18]) if announced.isascii() and announced.isdigit() else MAX_OBJECT_BYTES
    if size > MAX_OBJECT_BYTES:
        raise ObjectTooLarge
    return max(LEAST_BYTES, size)
