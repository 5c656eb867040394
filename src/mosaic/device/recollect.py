"""Telling a Hive that lost some of its past what this Device knows of it.

A Hive that came back from an older copy knows fewer grants and fewer
snapshots than it once acknowledged. It grants nothing until it has heard
every Device, and adopts what they know (`mosaic.core.rewind`).
"""

import anyio

from mosaic.adapters import log
from mosaic.core.errors import MosaicError
from mosaic.device.hive_link import HiveLink
from mosaic.device.outside import Storage, ask
from mosaic.device.records import Records
from mosaic.wire.assignment import Assignment
from mosaic.wire.recollection import Recollection, RememberedInstallation, RememberedVolume
from mosaic.wire.storage import HeadsRequest, StateRequest, VolumeState

_AGAIN_SECONDS = 2.0


async def recollect(link: HiveLink, storage: Storage, records: Records) -> None:
    """Tell the Hive everything, again and again until it has heard it."""
    while True:
        try:
            told = await remembered(storage, records)
            await ask(link.hive().recollect, told)
        except MosaicError as error:
            log.warning("hive_not_told", code=error.code, reason=error.message)
            await anyio.sleep(_AGAIN_SECONDS)
        else:
            log.info("hive_told_what_it_lost", installations=len(told.installations))
            return


async def remembered(storage: Storage, records: Records) -> Recollection:
    """Return what this Device knows: the highest epochs, and the accepted heads of every volume that was ever here."""
    state = await ask(storage.state, StateRequest())
    highest, assignments = records.highest, records.assignments.items()
    here: dict[str, list[VolumeState]] = {}
    for volume in state.volumes:
        here.setdefault(volume.installation, []).append(volume)
    items = []
    for installation in sorted({*highest, *here} - {""}):
        volumes = []
        for volume in here.get(installation, []):
            known = await ask(storage.heads, HeadsRequest(volume.volume))
            if known.heads:
                volumes.append(RememberedVolume(volume.volume, known.heads))
        epoch = highest.get(installation, "0.0")
        held = _holds(epoch, assignments.get(installation), here.get(installation, []))
        items.append(RememberedInstallation(installation, epoch, held, volumes))
    return Recollection(items)


def _holds(epoch: str, item: Assignment | None, volumes: list[VolumeState]) -> bool:
    """Whether this Device was granted the epoch itself and has not given it back."""
    told = item is not None and item.goal in ("run", "stop") and item.epoch == epoch
    return told or any(volume.epoch == epoch for volume in volumes)
