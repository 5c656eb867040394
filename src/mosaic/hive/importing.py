"""Taking in the parts of apps that their owners import, until the manifest comes that names them.

    importing/<account>/<app>/<hex>           a part that was hashed
    importing/<account>/<app>/.<hex>.<n>      one that is coming in

Nothing here is listed or handed out. What an import leaves behind that is never
finished is removed when the Hive starts, when the app is imported again and kept, and
when nothing came for an hour and somebody imports: the room is for all accounts.
How much there may be, and how many parts at once, is bounded; a part goes to the disk
piece by piece, and never lies in memory.
"""

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import BinaryIO

import anyio

from mosaic.adapters.blobs import StoreFull
from mosaic.adapters.disk_room import room_of
from mosaic.adapters.written_tree import remove
from mosaic.core.errors import Conflict, Refused
from mosaic.core.ids import AccountId
from mosaic.core.oci_types import Descriptor, Digest, is_digest
from mosaic.core.package import MAX_BUNDLE_BYTES, MAX_LAYERS
from mosaic.hive import names
from mosaic.hive.packages import SPARED_BYTES
from mosaic.hive.uploading import HiveBusy, UploadStalled

MOST_BYTES = 4 * MAX_BUNDLE_BYTES
"""Of all imports under way."""

MOST_PARTS = MAX_LAYERS + 4
"""Of one app: more than any manifest names."""

MOST_APPS = 8
"""Of one account at once."""

AT_ONCE = 4
QUEUE_SECONDS = 30.0
SILENCE_SECONDS = 30.0
WHOLE_SECONDS = 3600.0
ABANDONED_SECONDS = 3600.0
_PIECE_BYTES = 1024 * 1024

InThread = Callable[[Callable[[], None]], Awaitable[None]]


class ImportRefused(Refused):
    """A part of an app cannot be taken in. Nothing of it was kept."""

    code = "import-refused"

    def __init__(
        self, reason: str, *, hint: str = "import the app again; update this program when it says the same"
    ) -> None:
        super().__init__(reason, hint=hint)


class PartsMissing(Conflict):
    """The manifest names parts that the Hive does not have."""

    code = "parts-missing"

    def __init__(self, app: str, missing: int) -> None:
        super().__init__(
            f"{missing} of the parts that {app} consists of have not come",
            hint="import it again: `mosaic app import PATH`; the Hive may have been started anew in between",
        )


class Imports:
    """The imports under way of one Hive. Seconds: to wait for a turn, between two pieces of a part, for all of it, and
    from the last part of an app until it counts as given up.
    """

    def __init__(self, folder: Path) -> None:
        self.most_bytes = MOST_BYTES
        self.queue_seconds = QUEUE_SECONDS
        self.silence_seconds = SILENCE_SECONDS
        self.whole_seconds = WHOLE_SECONDS
        self.abandoned_seconds = ABANDONED_SECONDS
        self._folder = folder
        self._coming_bytes = 0
        self._turns = anyio.Semaphore(AT_ONCE)
        self._numbers = count()

    def clear(self) -> None:
        """Remove what was left of imports. For the start, before anybody asks."""
        remove(self._folder)

    def forget(self, account: AccountId, app: str) -> None:
        """Remove the parts of one app. None being there is fine."""
        remove(self._of(account, app))

    def parts(self, account: AccountId, app: str, wanted: list[Descriptor]) -> dict[Digest, Path]:
        """Return where the wanted parts lie, each with the size that it should have. Raises PartsMissing."""
        folder = self._of(account, app)
        found = {one.digest: folder / one.digest.removeprefix("sha256:") for one in wanted}
        missing = sum(not _has_size(found[one.digest], one.size) for one in wanted)
        if missing:
            raise PartsMissing(app, missing)
        return found

    async def take(
        self,
        account: AccountId,
        app: str,
        digest: str,
        pieces: AsyncIterator[bytes],
        *,
        announced: str,
        in_thread: InThread,
    ) -> None:
        """Keep a part of the announced length under its digest. Doing it again is fine.

        Raises:
            NameUnusable, ImportRefused, StoreFull: nothing of it was kept.
            HiveBusy, UploadStalled: as an upload that can be tried again.
        """
        names.check(app)
        size = _size(announced)
        if not is_digest(digest):
            raise ImportRefused(f"{digest[:80]!a} names no part of an app")
        async with self._turn():
            place = self._of(account, app) / digest.removeprefix("sha256:")
            await in_thread(lambda: self._make_room(place, size))
            self._coming_bytes += size
            draft = place.with_name(f".{place.name}.{next(self._numbers)}")
            try:
                await self._write(draft, pieces, digest, size, in_thread)
                draft.replace(place)
            finally:
                self._coming_bytes -= size
                draft.unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        with anyio.move_on_after(self.queue_seconds) as waiting:
            await self._turns.acquire()
        if waiting.cancelled_caught:
            raise HiveBusy
        try:
            yield
        finally:
            self._turns.release()

    def _make_room(self, place: Path, size: int) -> None:
        """Make the part's folder, when there is room for another part."""
        self._clear_abandoned(place.parent)
        accounts = place.parent.parent
        others = {path.name for path in accounts.iterdir()} if accounts.is_dir() else set[str]()
        if place.parent.name not in others and len(others) >= MOST_APPS:
            raise ImportRefused(
                f"{len(others)} apps are being imported already, and {MOST_APPS} is the most at once",
                hint="finish those, or start the Hive again: what was not finished is removed then",
            )
        parts = {path.name for path in place.parent.iterdir()} if place.parent.is_dir() else set[str]()
        if place.name not in parts and len(parts) >= MOST_PARTS:
            raise ImportRefused(f"{place.parent.name} has {len(parts)} parts already, and no app has more")
        free = room_of(self._folder).free_bytes - SPARED_BYTES
        taken = self._coming_bytes + sum(map(_kept_bytes, self._folder.glob("*/*/*")))
        most = min(free - self._coming_bytes, self.most_bytes - taken)
        if size > most:
            raise ImportRefused(
                f"this part has {size} bytes, and the Hive has room for {max(0, most)} of an import",
                hint="make room on the Hive's disk, or leave out of the app what it does not need, and import it again",
            )
        with _full(self._folder):
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.utime(place.parent)

    def _clear_abandoned(self, own: Path) -> None:
        """Remove the parts of other apps to which nothing was added for long."""
        since = time.time() - self.abandoned_seconds
        for app in self._folder.glob("*/*"):
            if app != own and all(_changed(path) < since for path in (app, *app.glob("*"))):
                remove(app)

    async def _write(
        self, draft: Path, pieces: AsyncIterator[bytes], digest: str, size: int, in_thread: InThread
    ) -> None:
        hashed, written = hashlib.sha256(), 0
        try:
            with anyio.fail_after(self.whole_seconds), _full(self._folder), draft.open("xb", buffering=0) as file:
                async for piece in _gathered(self._heard(pieces)):
                    written += len(piece)
                    if written > size:
                        raise ImportRefused(f"more than the announced {size} bytes came")
                    await in_thread(partial(_add, file, hashed.update, piece))
        except TimeoutError:
            raise UploadStalled from None
        actual = f"sha256:{hashed.hexdigest()}"
        if actual != digest:
            raise ImportRefused(f"what came for {digest[:19]}… is {actual[:19]}…")

    async def _heard(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces, as long as they keep coming."""
        while True:
            with anyio.fail_after(self.silence_seconds):
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece

    def _of(self, account: AccountId, app: str) -> Path:
        return self._folder / account / names.check(app)


def _size(announced: str) -> int:
    """Return how long a part says that it is."""
    if not (announced.isascii() and announced.isdigit() and len(announced) < 19):
        raise ImportRefused("a part has to say how long it is")
    if int(announced) > MAX_BUNDLE_BYTES:
        raise ImportRefused(
            f"this part has {announced} bytes, and no part of an app has more than {MAX_BUNDLE_BYTES}",
            hint="leave out of the app what it does not need (`.composeappignores`), and import it again",
        )
    return int(announced)


async def _gathered(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same bytes in larger pieces: each costs a way to a thread and back."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        if len(held) >= _PIECE_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _add(file: BinaryIO, update: Callable[[bytes], object], piece: bytes) -> None:
    update(piece)
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


def _kept_bytes(path: Path) -> int:
    """Return how much a part takes; what is on its way counts as it was announced, and others may move it away."""
    with contextlib.suppress(FileNotFoundError):
        return 0 if path.name.startswith(".") else path.stat().st_size
    return 0


def _changed(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


@contextlib.contextmanager
def _full(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(str(folder)) from error
        raise
