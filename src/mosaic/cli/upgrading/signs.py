"""Reading a Hive's vital signs out of its database, by the version whose tables it has."""

import contextlib
from pathlib import Path

from mosaic.adapters.sql import accounts, devices, heads, installations, volumes
from mosaic.adapters.sql.engine import open_sqlite
from mosaic.core.vital_signs import VitalSigns
from mosaic.wire.head import parse


def read(state: Path) -> VitalSigns:
    """Return them as they are now; the Hive may run."""
    with contextlib.closing(open_sqlite(state / "hive.db")) as database, database.read() as tx:
        reported: dict[str, int] = {one.id: one.reported_ns for one in devices.every(tx) if one.reported_ns is not None}
        numbers: dict[str, int] = {}
        for installation in installations.every(tx):
            for volume in volumes.of_installation(tx, installation):
                newest = heads.newest(tx, volume.id)
                numbers[volume.id] = parse(newest[1])[0].seq if newest is not None else 0
        return VitalSigns(accounts.count(tx), reported, numbers)
