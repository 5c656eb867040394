"""What happened, and that something happened: the Console's two ways to hear of changes."""

from collections.abc import AsyncIterator

from mosaic.adapters.sql import events
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import AccountId
from mosaic.hive.runtime import Hive
from mosaic.wire.api import Event

_NOISE = frozenset({"device-reported", "head-accepted"})
"""Kinds that say `read it again`: they wake pages, and tell people nothing."""
_LOOKED_AT = 500


async def recent(hive: Hive, who: AccountId, *, limit: int) -> list[Event]:
    """Return what happened that people care about, the newest first."""

    def look(tx: Tx) -> list[Event]:
        return events.after(tx, who, events.newest(tx, who) - _LOOKED_AT, limit=_LOOKED_AT)

    told = [event for event in await hive.read(look) if event.kind not in _NOISE]
    return told[: -limit - 1 : -1]


async def changed(hive: Hive, *, at_most_seconds: float) -> AsyncIterator[bool]:
    """Yield True whenever something changed, False when nothing did for that long. Ends with the Hive."""
    seen = hive.news.seen
    while not hive.closing.is_set():
        something = await hive.news.wait(seen, seconds=at_most_seconds)
        # Before the yield: what changes while the reader takes this one must wake it again.
        seen = hive.news.seen
        yield something
