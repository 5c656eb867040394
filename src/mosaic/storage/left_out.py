"""What lies in a volume and in none of its snapshots, and what its owner has to know of it."""

from collections.abc import Sequence

from msgspec.structs import replace

from mosaic.core.errors import Refused
from mosaic.storage.engine.roots import Skipped
from mosaic.storage.records import Lease, LeftOut, VolumeRecord
from mosaic.storage.volume import Volume
from mosaic.wire.storage import Failure
from mosaic.wire.storage import LeftOut as Shown


class NotAllSaved(Refused):
    """Files of the app lie where no snapshot reaches."""

    code = "not-all-saved"

    def __init__(self, path: str, *, others: int) -> None:
        more = f" (and in {others} more like it)" if others else ""
        super().__init__(
            f"what lies in {path}{more} is not saved: it is a btrfs subvolume of its own, or a mount",
            hint="have the app keep it in a plain folder: copy it to one, delete the subvolume (`btrfs subvolume "
            "delete`) or unmount it, and give the folder its name",
        )


def note(volume: Volume, lease: Lease, skipped: Sequence[Skipped]) -> None:
    """Remember what the newest snapshot does not have."""
    left_out = tuple(LeftOut(one.where, one.path, one.reason) for one in skipped)
    with volume.still_leased(lease) as record:
        if record.left_out != left_out:
            volume.update(replace(record, left_out=left_out))


def known(record: VolumeRecord) -> list[Skipped]:
    """Return what was remembered."""
    return [Skipped(one.path, one.reason, one.where) for one in record.left_out]


def is_unlisted(volume: Volume) -> bool:
    """Return whether an app made subvolumes, and nothing is known of any."""
    if any(one.is_foreign for one in known(volume.record)):
        return False
    return volume.subvolumes.holds_others(volume.places.live(volume.id))


def shown(record: VolumeRecord) -> list[Shown]:
    """Return what is told of a volume that is used here."""
    return [Shown(one.path, one.reason) for one in record.left_out] if record.lease is not None else []


def problem(record: VolumeRecord) -> Failure | None:
    """Return what is wrong when files may be lost with the machine."""
    foreign = [one.path for one in known(record) if one.is_foreign] if record.lease is not None else []
    if not foreign:
        return None
    error = NotAllSaved(foreign[0], others=len(foreign) - 1)
    return Failure(error.code, error.message, error.hint)
