"""Setting local data aside, and deleting it once nothing is lost by that.

What no acknowledged head has is kept as a read-only conflict snapshot before
the live subvolume may go (G5). Whether that has happened is read from the
disk, so that a kill in the middle never makes a second one, or none.
"""

import secrets
import time
from pathlib import Path

from msgspec.structs import replace

from mosaic.adapters import btrfs
from mosaic.core.errors import NotFound
from mosaic.core.ids import VolumeId
from mosaic.storage.places import Places
from mosaic.storage.records import VolumeRecord
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
    places, live = volume.places, volume.live
    if live is None:
        return
    btrfs.sync(places.pool)
    live = volume.live
    assert live is not None
    if _is_saved(volume.record, places, live):
        return
    folder = places.conflicts(volume.id)
    folder.mkdir(mode=0o711, exist_ok=True)
    epoch = volume.record.data_lease.epoch if volume.record.data_lease else _NO_EPOCH
    btrfs.snapshot(places.live(volume.id), folder / f"{epoch}-{time.time_ns()}")
    btrfs.sync(places.pool)


def retire(volume: Volume) -> None:
    """Take the live subvolume away, after keeping what only it has. None there is fine."""
    keep_conflict(volume)
    throw_away(volume.places, volume.places.live(volume.id))


def throw_away(places: Places, path: Path) -> None:
    """Move a subvolume to the trash and delete it there. None there is fine."""
    if btrfs.exists(path):
        grave = places.trash() / f"{path.name}-{secrets.token_hex(8)}"
        path.rename(grave)
        btrfs.delete(grave)


def empty_trash(places: Places) -> None:
    """Delete what a killed daemon left in the trash."""
    for grave in places.trash().iterdir():
        btrfs.delete(grave)


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


def _is_saved(record: VolumeRecord, places: Places, live: btrfs.Subvolume) -> bool:
    if live.uuid == record.live_uuid and is_clean(record, live.generation):
        return True
    if record.accepted is None and not any(places.live(record.volume).iterdir()):
        return True
    # A snapshot is made in the generation that the live subvolume keeps until it is changed again.
    made_in = {found.created_at for found in _subvolumes(places.conflicts(record.volume))}
    return live.generation in made_in


def _subvolumes(folder: Path) -> list[btrfs.Subvolume]:
    if not folder.is_dir():
        return []
    return [found for path in folder.iterdir() if (found := btrfs.look(path)) is not None]
