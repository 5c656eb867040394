"""Setting local data aside, and deleting it once nothing is lost by that.

What no acknowledged head has is kept as a read-only conflict snapshot before
the live subvolume may go (G5). Whether that has happened is read from the
disk, so that a kill in the middle never makes a second one, or none.
"""

import secrets
import time
from collections.abc import Collection
from pathlib import Path

from msgspec.structs import replace

from mosaic.core.errors import MosaicError, NotFound
from mosaic.core.ids import VolumeId
from mosaic.storage import log
from mosaic.storage.places import Places
from mosaic.storage.records import Trial, VolumeRecord
from mosaic.storage.subvolumes import Subvolumes
from mosaic.storage.volume import Volume, is_clean
from mosaic.wire.storage import ConflictSnapshot, Trialled

_NO_EPOCH = "0.0"
_TRIED = "from a version that was tried and not kept"


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
        if record.trial is not None:
            lose_trial(volume)
        else:
            keep_conflict(volume)


def lose_trial(volume: Volume) -> None:
    """End a trial whose data is not the volume's any more: what is here becomes a conflict snapshot, as it is.

    None under way is fine. May be called again after a kill.
    """
    with volume.wakes:
        trial = volume.record.trial
        if trial is None:
            return
        trial = replace(trial, undo=None, aside=trial.aside or new_name(volume))
        volume.update(replace(volume.record, trial=trial))
        keep_conflict(volume, trial.aside)
        kept = kept_of(volume, trial)
        record = with_tried(volume, kept)
        if kept is not None:
            # What lies there goes on from no head: whoever holds the volume again begins with that of the grant.
            record = replace(record, live_uuid=None, data_lease=None)
        volume.update(replace(record, trial=None, trialled=Trialled(trial.id, kept=False, conflict=kept)))


def kept_of(volume: Volume, trial: Trial) -> str | None:
    """Return the conflict snapshot that has what was written in the trial, None while there is none."""
    return trial.aside if trial.aside is not None and _lies_aside(volume, trial.aside) else None


def with_tried(volume: Volume, conflict: str | None) -> VolumeRecord:
    """Return the record that says of this conflict snapshot that it is from a trial. Forgets those that are gone."""
    record = volume.record
    names = (*record.tried, conflict) if conflict is not None else record.tried
    return replace(record, tried=tuple(name for name in dict.fromkeys(names) if _lies_aside(volume, name)))


def new_name(volume: Volume) -> str:
    """Return what a conflict snapshot that is made now is called."""
    epoch = volume.record.data_lease.epoch if volume.record.data_lease else _NO_EPOCH
    return f"{epoch}-{time.time_ns()}"


def keep_conflict(volume: Volume, name: str | None = None) -> str | None:
    """Make a conflict snapshot of the live subvolume if it has anything that no acknowledged head has.

    Returns what the one is called that has it, by that `name` if it is made now; None when heads have it all.
    """
    places, subvolumes = volume.places, volume.subvolumes
    if volume.live is None:
        return None
    subvolumes.sync(places.pool)
    live = places.live(volume.id)
    if _is_saved(volume):
        return None
    if subvolumes.is_set_apart(live, places.conflicts(volume.id)):
        return conflicts(places, volume.id)[-1].name
    target = _place_of(volume, _free_name(volume, name))
    subvolumes.set_apart(live, target)
    subvolumes.sync(places.pool)
    if volume.live is None and not _is_undone(volume.record):
        # It was moved there as it was: nothing local goes on from any head any more.
        volume.update(replace(volume.record, live_uuid=None, data_lease=None, accepted=None, pending=None))
    return target.name


def retire(volume: Volume) -> None:
    """Take the live subvolume away, after keeping what only it has. None there is fine."""
    name = volume.record.trial.aside if volume.record.trial is not None else None
    if volume.live is not None and volume.subvolumes.holds_others(volume.places.live(volume.id)):
        # No head and no snapshot has what lies in those: all of it is kept as it is.
        volume.places.live(volume.id).rename(_place_of(volume, _free_name(volume, name)))
        volume.subvolumes.sync(volume.places.pool)
        return
    keep_conflict(volume, name)
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


def conflicts(places: Places, volume: VolumeId, tried: Collection[str] = ()) -> list[ConflictSnapshot]:
    """Return the volume's conflict snapshots, oldest first; `tried` names those that trials left."""
    folder = places.conflicts(volume)
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name.rpartition("-")[2]):
        epoch, _, instant = path.name.rpartition("-")
        if epoch and instant.isdigit():
            why = _TRIED if path.name in tried else ""
            found.append(ConflictSnapshot(path.name, epoch, int(instant), str(path), why))
    return found


def conflict(places: Places, volume: VolumeId, name: str) -> Path:
    """Return where the conflict snapshot of that name lies. Raises ConflictUnknown."""
    found = next((one for one in conflicts(places, volume) if one.name == name), None)
    if found is None:
        raise ConflictUnknown(volume, name)
    return Path(found.path)


def _free_name(volume: Volume, name: str | None) -> str:
    return new_name(volume) if name is None or _lies_aside(volume, name) else name


def _lies_aside(volume: Volume, name: str) -> bool:
    return volume.subvolumes.uuid(volume.places.conflicts(volume.id) / name) is not None


def _place_of(volume: Volume, name: str) -> Path:
    folder = volume.places.conflicts(volume.id)
    folder.mkdir(mode=0o711, exist_ok=True)
    return folder / name


def _is_undone(record: VolumeRecord) -> bool:
    """Whether what shall take the place of the live subvolume lies here already, and is the accepted head's."""
    return record.trial is not None and record.trial.undo is not None


def _is_saved(volume: Volume) -> bool:
    record, live = volume.record, volume.places.live(volume.id)
    subvolumes = volume.subvolumes
    if volume.live == record.live_uuid and is_clean(record, subvolumes.generation(live)):
        return True
    return record.accepted is None and not any(live.iterdir())
