"""Taking in objects: only so many at once, for each lies in memory, and none for ever.

A Device that loses its power or its way in the middle of an upload says so to
nobody. Its place is free again when it has been silent for a while.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio

from mosaic.core.errors import Refused, Unavailable
from mosaic.wire.blobs import MAX_OBJECT_BYTES

SLOTS = 8
"""Times the largest object: 128 MiB, when all are in use."""

QUEUE_SECONDS = 30.0
SILENCE_SECONDS = 30.0
WHOLE_SECONDS = 600.0


class ObjectTooLarge(Refused):
    """More bytes than an object has."""

    code = "object-too-large"

    def __init__(self) -> None:
        super().__init__(f"an object has at most {MAX_OBJECT_BYTES // 2**20} MiB", hint="write smaller packs")


class HiveBusy(Unavailable):
    """Every place for an upload is taken."""

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

    slots: int = SLOTS
    queue_seconds: float = QUEUE_SECONDS
    silence_seconds: float = SILENCE_SECONDS
    whole_seconds: float = WHOLE_SECONDS
    _free: anyio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = anyio.Semaphore(self.slots)

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and keep it for the block. Raises HiveBusy."""
        with anyio.move_on_after(self.queue_seconds) as waiting:
            await self._free.acquire()
        if waiting.cancelled_caught:
            raise HiveBusy
        try:
            yield
        finally:
            self._free.release()

    async def take(self, pieces: AsyncIterator[bytes], announced: str) -> bytes:
        """Return all of an upload. `announced` is its length, if it was told. Raises ObjectTooLarge, UploadStalled."""
        if announced.isdigit() and int(announced[:18]) > MAX_OBJECT_BYTES:
            raise ObjectTooLarge
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
