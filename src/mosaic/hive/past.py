"""Which snapshots of a volume there are: accepted heads that the store has not let go, page by page.

The Hive's database keeps every head for good; which of them can still be gone
back to is said by the mirrors in the store (`mosaic.core.past_heads`).
"""

from collections.abc import Collection
from dataclasses import dataclass

from mosaic.adapters.sql import heads
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.heads import Accepted
from mosaic.core.ids import VolumeId
from mosaic.core.past_heads import Mirror, still_there
from mosaic.hive.runtime import Hive
from mosaic.wire.head import MIRROR_PREFIX, parse_mirror

MOST_ON_A_PAGE = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Some heads, the newest first; `next` is the `before` of the next page, None at the end."""

    heads: tuple[Accepted, ...]
    next: int | None


async def mirrors(hive: Hive, volume: VolumeId) -> frozenset[Mirror]:
    """Return what heads the Hive's own store has; none when the volume's data lies elsewhere."""
    store = hive.blobs.volume(volume)

    def look() -> frozenset[Mirror]:
        return frozenset(found for entry in store.list(MIRROR_PREFIX) if (found := parse_mirror(entry.name)))

    return await hive.in_thread(look)


def page(tx: Tx, volume: VolumeId, mirrored: Collection[Mirror], *, before: int | None, limit: int) -> Page:
    """Return the newest snapshots with lower numbers than `before`; `limit` is at most `MOST_ON_A_PAGE`."""
    newest = max((seq for seq, _ in mirrored), default=0)
    found = heads.between(tx, volume, newest, before, limit=limit + 1)
    # A volume may have had millions of heads, and retention kept some hundred: only those are asked for.
    numbers = sorted({seq for seq, _ in mirrored if before is None or seq < before}, reverse=True)[: limit + 1]
    found += still_there(heads.numbered(tx, volume, numbers), mirrored)
    if len(found) > limit:
        return Page(tuple(found[:limit]), found[limit - 1].seq)
    # Mirrors of heads that were never accepted may have taken up places.
    return Page(tuple(found), numbers[-1] if len(numbers) > limit else None)
