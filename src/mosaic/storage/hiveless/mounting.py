"""Whether a volume without a Hive may be mounted, in words for the person who started the container."""

from mosaic.core.errors import Conflict
from mosaic.storage import log
from mosaic.storage.daemon import Daemon
from mosaic.storage.hiveless.regaining import go_on_unconfirmed, is_undecided, wait_until_decided
from mosaic.storage.hiveless.words import megabytes
from mosaic.storage.records import Hiveless, VolumeRecord
from mosaic.storage.volume import Volume

_PATIENCE_SECONDS = 40.0
"""The engine waits two minutes for a mount."""


class VolumeNotReady(Conflict):
    """The volume is not ready to be used (G4)."""

    code = "volume-not-ready"


def check_ready(daemon: Daemon, volume: Volume) -> None:
    """Wait until it is known whether the volume is this machine's, and refuse with the reason if it is not ready.

    A store that cannot be asked stops nobody who has the data here (G10).

    Raises:
        VolumeNotReady: it is being restored, was taken over, or could not be restored.
    """
    wait_until_decided(volume, _PATIENCE_SECONDS)
    record = volume.record
    if is_undecided(record) and record.live_uuid is not None and record.hiveless and not record.hiveless.take_over:
        log.warning("hold_unconfirmed", volume=volume.id[:12], reason="the store has not answered in time")
        go_on_unconfirmed(daemon, volume)
    record = volume.record
    if record.hiveless is not None and (record.phase != "ready" or record.lease is None):
        raise _refusal(volume, record, record.hiveless)


def _refusal(volume: Volume, record: VolumeRecord, hiveless: Hiveless) -> VolumeNotReady:
    name = hiveless.name
    match record.phase:
        case "restoring":
            return VolumeNotReady(
                f"the volume {name} is being restored{_progress(volume)}",
                hint="start the container again when it is complete: `mosaic storage volumes` shows how far it is",
            )
        case "set-aside":
            return VolumeNotReady(
                f"the volume {name} is not this machine's any more: {record.aside_reason or 'it was taken over'}",
                hint=f"use it there; to take it back: docker volume rm {name}, and create it again with "
                f"-o key-file={hiveless.key_file} -o take-over=yes",
            )
        case "failed":
            return VolumeNotReady(
                f"the volume {name} could not be restored{_problem(volume)}",
                hint=f"when that is mended: docker volume rm {name}, and create it again with "
                f"-o key-file={hiveless.key_file}",
            )
        case _:
            return VolumeNotReady(
                f"the volume {name} is not ready{_problem(volume)}",
                hint="`mosaic storage volumes` shows its state; it is tried again by itself",
            )


def _progress(volume: Volume) -> str:
    moved = volume.moved
    if moved is None:
        return _problem(volume)
    total = f" of {megabytes(moved.total_bytes)}" if moved.total_bytes else ""
    return f" ({megabytes(moved.moved_bytes)}{total})"


def _problem(volume: Volume) -> str:
    return f": {volume.problem.message}" if volume.problem is not None else ""
