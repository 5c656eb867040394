"""Deciding what a record means when the daemon starts again.

The daemon may have been killed between any two lines, the machine may have
lost power, and somebody may have removed a subvolume by hand. `after_restart`
compares what the ledger says with the subvolumes that are there, and returns
the record to go on with and what to do on the disk first. Doing it twice is
the same as doing it once.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from mosaic.storage.records import VolumeRecord
from mosaic.wire.storage import Trialled


@dataclass(frozen=True, slots=True)
class OnDisk:
    """The uuids of the live and the incoming subvolume, None where there is none, and this boot's id."""

    live: str | None
    incoming: str | None
    boot: str


@dataclass(frozen=True, slots=True)
class Resume:
    """The record to go on with. `finish_rename`: incoming is live already by the ledger's word."""

    record: VolumeRecord
    finish_rename: bool = False
    clear_incoming: bool = False


def after_restart(record: VolumeRecord, disk: OnDisk) -> Resume:
    """Return how to go on with a volume."""
    finish = record.live_uuid is not None and disk.live is None and disk.incoming == record.live_uuid
    live = disk.incoming if finish else disk.live
    if record.boot != disk.boot:
        record = _unheld(record)
    if record.live_uuid is not None and live != record.live_uuid and not _goes_back(record, disk):
        record = _without_data(record)
    promotable = record.incoming is not None and record.incoming.uuid in (disk.incoming, disk.live)
    if record.incoming is not None and not promotable:
        record = replace(record, incoming=None)
    known = record.incoming is not None and record.incoming.uuid == disk.incoming
    return Resume(record, finish, clear_incoming=disk.incoming is not None and not finish and not known)


def _unheld(record: VolumeRecord) -> VolumeRecord:
    """After a reboot nothing is held until the Device holds it again."""
    if record.lease is None:
        return record
    phase = record.phase if record.phase in ("failed", "set-aside") else "released"
    # What was cut and not yet replicated may not have reached the disk.
    record = replace(record, lease=None, boot=None, cut=None, going_back=None)
    return replace(record, phase=phase if record.live_uuid else "absent")


def _goes_back(record: VolumeRecord, disk: OnDisk) -> bool:
    """Whether the present is gone because the complete earlier state is about to take its place, or has.

    Nothing is lost by that: an accepted head has all of the present, or a conflict snapshot does.
    """
    going, incoming, trial = record.going_back, record.incoming, record.trial
    if trial is not None and trial.undo is not None and incoming is not None:
        return incoming.head == trial.head and incoming.uuid == (disk.live or disk.incoming)
    if record.phase != "going-back" or going is None or going.saved is None or incoming is None:
        return False
    return incoming.head == going.wanted and incoming.uuid == (disk.live or disk.incoming)


def _without_data(record: VolumeRecord) -> VolumeRecord:
    """The subvolume that the ledger speaks of is gone: never call this ready (G4)."""
    trial = record.trial
    return replace(
        record,
        phase=record.phase if record.phase in ("restoring", "set-aside") else "failed",
        live_uuid=None,
        data_lease=None,
        accepted=None,
        pending=None,
        cut=None,
        going_back=None,
        trial=None,
        trialled=Trialled(trial.id, kept=False, conflict=trial.aside) if trial else record.trialled,
        lost=record.loss,
        adopted=None,
    )
