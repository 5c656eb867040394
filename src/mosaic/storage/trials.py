"""Undoing a trial: what it began with takes the place of what was written since.

In this order: nothing is mounted, and the phase says so; the state that the
trial began with lies beside the live subvolume, complete; what was written
becomes a conflict snapshot, by a name that the ledger knew before; one rename
puts the beginning in place. A kill anywhere leaves one of the two in place,
whole, and the other beside it; `decide_step` says what comes next.

No Hive and no store is asked, unless the beginning could not be kept here
(`Subvolumes.keep`): then it is restored.
"""

from msgspec.structs import replace

from mosaic.storage import aside, restoring
from mosaic.storage.caches import Caches
from mosaic.storage.decide_step import CopyBeginning, next_step
from mosaic.storage.records import Incoming
from mosaic.storage.volume import LeaseGone, Volume
from mosaic.wire.storage import Trialled


def copy_beginning(volume: Volume, snapshot: str) -> None:
    """Lay the local snapshot beside the live subvolume, writable; where it is gone, the stores have it."""
    restoring.drop_incoming(volume)
    with volume.wakes:
        record, trial = volume.record, volume.record.trial
        if trial is None or record.accepted is None or next_step(record) != CopyBeginning(snapshot):
            raise LeaseGone(volume.id)
        source = volume.places.snapshots(volume.id) / snapshot
        kept = volume.subvolumes.uuid(source)
        if kept is None:
            volume.update(replace(record, trial=replace(trial, snapshot=None)))
            return
        if not volume.subvolumes.keeps_snapshots:
            # A second copy is of no use, and what was tried may have filled the disk. In the ledger first: what lies
            # there unknown is thrown away after a kill, and what is not there yet is looked for again.
            volume.update(replace(record, incoming=Incoming(trial.head, record.accepted.signed, kept)))
            source.rename(volume.places.incoming(volume.id))
            volume.subvolumes.sync(volume.places.pool)
            return
        made = volume.subvolumes.clone(source, volume.places.incoming(volume.id))
        volume.subvolumes.sync(volume.places.pool)
        volume.update(replace(record, incoming=Incoming(trial.head, record.accepted.signed, made)))


def put_beginning(volume: Volume, caches: Caches) -> None:
    """Make the complete beginning the live subvolume, after keeping what was written; the trial is over then.

    Safe to call again after a kill at any line, and when there is nothing to undo.
    """
    with volume.wakes:
        record, trial, incoming = volume.record, volume.record.trial, volume.record.incoming
        if trial is None or trial.undo is None or incoming is None or record.accepted is None:
            return
        if incoming.head != trial.head:
            return
        generation = restoring.put_in_place(volume, incoming.uuid)
        if generation is None:
            return
        snapshot = trial.snapshot if volume.subvolumes.keeps_snapshots else None
        if snapshot is not None and record.live_uuid is not None:
            # A clone has the inodes of what it was made from: nothing has to be read again.
            caches.hand_on(record.live_uuid, incoming.uuid)
        kept = aside.kept_of(volume, trial)
        volume.update(
            replace(
                aside.with_tried(volume, kept),
                phase="ready" if record.lease is not None else "released",
                live_uuid=incoming.uuid,
                data_lease=record.lease or record.data_lease,
                accepted=replace(record.accepted, snapshot=snapshot, generation=generation),
                app_digest=trial.undo.app_digest,
                config_revision=trial.undo.config_revision,
                incoming=None,
                cut=None,
                trial=None,
                trialled=Trialled(trial.id, kept=False, conflict=kept),
            )
        )
