"""What happens, as it happens: server-sent events that go on where a reader stopped."""

from collections.abc import AsyncIterator
from functools import partial

import anyio
import msgspec
from litestar import get
from litestar.response import Stream

from mosaic.adapters.sql import events
from mosaic.adapters.sql.tokens import bearer
from mosaic.core.errors import MosaicError
from mosaic.core.ids import AccountId
from mosaic.crypto.tokens import hash_token
from mosaic.hive.http import Asked, TheHive
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import Owner, SignedIn
from mosaic.wire.api import Event

_KEEP_ALIVE_SECONDS = 25.0
# A session that has ended hears no more than this of what happens.
_CHECK_SECONDS = 1.0
# Many changes a second become a few messages.
_CALM_SECONDS = 0.1


@get("/api/events", media_type="text/event-stream")
async def stream_events(request: Asked, hive: TheHive, who: Owner) -> Stream:
    """Stream `Event`s: those after `Last-Event-ID`, or from now on."""
    last = request.headers.get("Last-Event-ID", "")
    after = int(last) if last.isascii() and last.isdigit() and len(last) < 18 else None
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(_lines(hive, who, after), media_type="text/event-stream", headers=headers)


async def follow(hive: Hive, who: AccountId, after: int | None) -> AsyncIterator[list[Event]]:
    """Yield the account's events in order, in batches; an empty batch now and then while nothing happens to it."""
    last = after if after is not None else await hive.read(lambda tx: events.newest(tx, who))
    told_ns = hive.clock.boot_ns()
    while not hive.closing.is_set():
        seen = hive.news.seen
        batch = await hive.read(partial(events.after, account=who, number=last))
        if batch:
            last, told_ns = batch[-1].id, hive.clock.boot_ns()
            yield batch
            await anyio.sleep(_CALM_SECONDS)
            continue
        # Other accounts' news wake this one too, and must not keep it silent.
        silent = (hive.clock.boot_ns() - told_ns) / 10**9
        if silent >= _KEEP_ALIVE_SECONDS:
            told_ns = hive.clock.boot_ns()
            yield []
        else:
            await hive.news.wait(seen, seconds=_KEEP_ALIVE_SECONDS - silent)


async def _lines(hive: Hive, who: SignedIn, after: int | None) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    checked_ns = hive.clock.boot_ns()
    try:
        async for batch in follow(hive, who.account, after):
            if hive.clock.boot_ns() - checked_ns >= _CHECK_SECONDS * 10**9:
                if not await _still_signed_in(hive, who):
                    return
                checked_ns = hive.clock.boot_ns()
            yield b"".join(_line(event) for event in batch) or b": still here\n\n"
    except MosaicError:
        # The reader comes again after `retry`, with the last number that it saw.
        return


async def _still_signed_in(hive: Hive, who: SignedIn) -> bool:
    now_ns = hive.clock.wall_ns()
    return await hive.read(lambda tx: bearer(tx, hash_token(who.token), now_ns=now_ns)) is not None


def _line(event: Event) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.id, event.kind.encode(), msgspec.json.encode(event))


handlers = [stream_events]
