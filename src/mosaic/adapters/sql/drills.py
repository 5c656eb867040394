"""Drills: what was found when a snapshot was restored to scratch, the last one of each snapshot."""

from collections.abc import Iterable

from sqlalchemy import delete, select

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.wire.api import Drill, Drilled

_drills = schema.drills.c
_MOST = 2**63 - 1


def put(tx: Tx, volume: VolumeId, drilled: Drilled) -> None:
    """Write what a drill found, in place of an earlier one of the same snapshot."""
    drill = drilled.drill
    tx.execute(delete(schema.drills).where(_drills.head == drill.head))
    tx.execute(
        schema.drills.insert().values(
            head=drill.head,
            volume=volume,
            instant_ns=drilled.instant_ns,
            at_ns=drilled.at_ns,
            files=min(drill.files, _MOST),
            content_bytes=min(drill.content_bytes, _MOST),
            milliseconds=min(round(drill.seconds * 1000), _MOST),
            differing=min(drill.differing, _MOST),
        )
    )


def of_volumes(tx: Tx, volumes: Iterable[VolumeId]) -> dict[VolumeId, list[Drilled]]:
    """Return the drills of these volumes, of each the newest first."""
    found: dict[VolumeId, list[Drilled]] = {}
    query = select(schema.drills).where(_drills.volume.in_(list(volumes)))
    for row in tx.execute(query.order_by(_drills.at_ns.desc(), _drills.head)):
        drill = Drill(HeadHash(row.head), row.files, row.content_bytes, row.milliseconds / 1000, row.differing)
        found.setdefault(VolumeId(row.volume), []).append(Drilled(drill, row.instant_ns, row.at_ns))
    return found
