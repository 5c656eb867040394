"""Taking down what a drill found. The Hive believes its owner: it can neither read the data nor restore it."""

from mosaic.adapters.sql import drills, events, heads
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId, HeadHash
from mosaic.hive.finding import find_volume
from mosaic.hive.runtime import Hive
from mosaic.wire.api import Drill, Drilled

_LONGEST_SECONDS = 1e9


class DrillUnusable(Refused):
    """The result of a drill names no snapshot of the volume, or has numbers that no drill has."""

    code = "drill-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this is no drill's result: {reason}",
            hint="nothing was taken down; `mosaic volume drill NAME` tells its own",
        )


async def tell_drill(hive: Hive, who: AccountId, volume: str, drill: Drill) -> Drilled:
    """Keep the result as the newest of its snapshot. Raises VolumeUnknown, DrillUnusable."""
    if min(drill.files, drill.content_bytes, drill.seconds, drill.differing) < 0 or drill.seconds > _LONGEST_SECONDS:
        raise DrillUnusable("it has a number that no drill has")
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> Drilled:
        known = find_volume(tx, who, volume)
        head = HeadHash(drill.head.replace("\0", ""))
        if heads.signed(tx, known.id, head) is None:
            raise DrillUnusable("the volume has no such snapshot")
        told = Drilled(drill, heads.instants(tx, [head])[head], now_ns)
        drills.put(tx, known.id, told)
        found = "is proved restorable" if not drill.differing else f"did not come back: {drill.differing} paths differ"
        text = f"A snapshot {found}; {drill.files} files were restored to scratch."
        events.add(tx, Happened(who, "drill", known.installation, text), now_ns=now_ns)
        return told

    return await hive.write(change)
