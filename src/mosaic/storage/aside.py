"""Setting local data aside, and deleting it once nothing is lost by that.

What no acknowledged head has is kept as a read-only conflict snapshot before
the live subvolume may go (G5). Whether that has happened is read from the
disk, so that a kill in the middle never makes a second one, or none.
"""

import secrets
import time
from pathlib import Path

from msgspec.structs import replace

from mosaic.core.errors import MosaicError, NotFound
from mosaic.core.ids import VolumeId
from mosaic.storage import log
from mosaic.storage.places import Places
from mosaic.storage.subvolumes import Subvolumes
from mosaic.storage.volume import Volume, is_clean
from mosaic.wire.storage import ConflictSnapshot

_NO_EPOCH = "0.0"


class ConflictUnknown(NotFound):
    """There is no conflict snapshot of that name here."""

    code = "conflict-unknown"

    def __init__(self, volume: VolumeId, name: str) -> None:
        super().__init__(
            f"volume {volume[:12]} has no conflict snapshot {name[:60]!r} on this Device",
            hint="`mosaic volume show KEY` names those that there are",
        )


def set_aside(volume: Volume, why: str, *, pending_refused: bool) -> None:
    """Stop holding a volume that somebody else was granted, and keep what is here as a conflict snapshot.

    Mounts are refused from the first line on. May be called again.
    `pending_refused` says that a head under way is known to be lost.
    """
    with volume.wakes:
        record = volume.record
        volume.update(
            replace(
                record,
                phase="set-aside" if record.live_uuid else "absent",
                lease=None,
                fenced=record.lease.epoch if record.lease else record.fenced,
                aside_reason=why,
                pending=None if pending_refused else record.pending,
                cut=None,
                going_back=None,
            )
        )
        keep_conflict(volume)


def keep_conflict(volume: Volume) -> None:
    """Make a conflict snapshot of the live subvolume if it has anything that no acknowledged head has."""
    places, subvolumes = volume.places, volume.subvolumes
    if volume.live is None:
        return
    subvolumes.sync(places.pool)
    if _is_saved(volume):
        return
    subvolumes.set_apart(places.live(volume.id), _next_conflict(volume))
    subvolumes.sync(places.pool)
    if volume.live is None:
        # It was moved there as it was: nothing local goes on from any head any more.
        volume.update(replace(volume.record, live_uuid=None, data_lease=None, accepted=None, pending=None))


def retire(volume: Volume) -> None:
    """Take the live subvolume away, after keeping what only it has. None there is fine."""
    if volume.live is not None and volume.subvolumes.holds_others(volume.places.live(volume.id)):
        # No head and no snapshot has what lies in those: all of it is kept as it is.
        volume.places.live(volume.id).rename(_next_conflict(volume))
        volume.subvolumes.sync(volume.places.pool)
        return
    keep_conflict(volume)
    throw_away(volume.subvolumes, volume.places, volume.places.live(volume.id))


def throw_away(subvolumes: Subvolumes, places: Places, path: Path) -> None:
    """Move a subvolume to the trash and delete it there. None there is fine."""
    if subvolumes.uuid(path) is not None:
        grave = places.trash() / f"{path.name}-{secrets.token_hex(8)}"
        path.rename(grave)
        subvolumes.delete(grave)


def empty_trash(subvolumes: Subvolumes, places: Places) -> None:
    """Delete what a killed daemon left in the trash. What cannot be deleted is left for the next start."""
    for grave in places.trash().iterdir():
        try:
            subvolumes.delete(grave)
        except (MosaicError, OSError) as error:
            log.warning("trash_kept", path=str(grave), reason=str(error))


def conflicts(places: Places, volume: VolumeId) -> list[ConflictSnapshot]:
    """Return the volume's conflict snapshots, oldest first."""
    folder = places.conflicts(volume)
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name.rpartition("-")[2]):
        epoch, _, instant = path.name.rpartition("-")
        if epoch and instant.isdigit():
            found.append(ConflictSnapshot(path.name, epoch, int(instant), str(path)))
    return found


def conflict(places: Places, volume: VolumeId, name: str) -> Path:
    """Return where the conflict snapshot of that name lies. Raises ConflictUnknown."""
    found = next((one for one in conflicts(places, volume) if one.name == name), None)
    if found is None:
        raise ConflictUnknown(volume, name)
    return Path(found.path)


def _next_conflict(volume: Volume) -> Path:
    folder = volume.places.conflicts(volume.id)
    folder.mkdir(mode=0o711, exist_ok=True)
    epoch = volume.record.data_lease.epoch if volume.record.data_lease else _NO_EPOCH
    return folder / f"{epoch}-{time.time_ns()}"


def _is_saved(volume: Volume) -> bool:
    record, live = volume.record, volume.places.live(volume.id)
    subvolumes = volume.subvolumes
    if volume.live == record.live_uuid and is_clean(record, subvolumes.generation(live)):
        return True
    if record.accepted is None and not any(live.iterdir()):
        return True
    return subvolumes.is_set_apart(live, volume.places.conflicts(volume.id))
