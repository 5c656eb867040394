"""What happened, and that something happened: the Console's two ways to hear of changes."""

from collections.abc import AsyncIterator

from mosaic.adapters.sql import events
from mosaic.core.ids import AccountId
from mosaic.hive import views
from mosaic.hive.runtime import Hive
from mosaic.wire.api import Event


async def recent(hive: Hive, who: AccountId, *, limit: int) -> list[Event]:
    """Return what happened that people care about, the newest first."""
    return await views.list_events(hive, who, limit=limit, leave_out=events.NOISE)


async def changed(hive: Hive, *, at_most_seconds: float) -> AsyncIterator[bool]:
    """Yield True whenever something changed, False when nothing did for that long. Ends with the Hive."""
    seen = hive.news.seen
    while not hive.closing.is_set():
        something = await hive.news.wait(seen, seconds=at_most_seconds)
        # Before the yield: what changes while the reader takes this one must wake it again.
        seen = hive.news.seen
        yield something
