"""Beginning and ending the trial of another version of an app: the verbs `begin-trial` and `end-trial`.

A trial begins with what an acknowledged head has, and keeps a copy of it here
if it can. Until it ends nothing follows that head: `volume.record.trial` is
what everybody looks at before signing one. Keeping is one write in the ledger;
undoing is done by the volume's worker (`trials`).
"""

import time

from msgspec.structs import replace

from mosaic.core.errors import Conflict
from mosaic.core.ids import VolumeId
from mosaic.storage import aside, log
from mosaic.storage.belonging import is_all_said
from mosaic.storage.cutting import without_cuts
from mosaic.storage.daemon import Daemon, VolumeNotHere
from mosaic.storage.records import Accepted, Trial, Undo, VolumeRecord
from mosaic.storage.replication import look_at
from mosaic.storage.verbs import NotReady, NotReplicated, check_held, check_unmounted, checked_digest
from mosaic.storage.volume import Volume, is_clean
from mosaic.wire.storage import BeginTrial, EndTrial, Trialled


class AnotherTrial(Conflict):
    """A trial is under way already, and only one can be."""

    code = "another-trial"

    def __init__(self, volume: VolumeId, under_way: str, asked: str) -> None:
        super().__init__(
            f"trial {under_way[:40]} of volume {volume[:12]} is under way, so {asked[:40]} cannot begin",
            hint="wait until it is over, `mosaic show NAME` tells; the Device ends it (`end-trial`) before it begins "
            "another one",
        )


def begin_trial(daemon: Daemon, asked: BeginTrial) -> Volume:
    """Have no head follow the accepted one, until the trial ends. The same request again does nothing.

    Raises:
        AnotherTrial, NotHeld, NotReady, StillMounted, NotReplicated: nothing has begun.
        PoolNearlyFull: an app that writes anew what it has would fill the pool, for the beginning is kept.
        CutBusy: a snapshot is being cut; ask again.
    """
    volume = _of_device(daemon, asked.volume)
    if _is_known(volume.record, asked.id):
        return volume
    with without_cuts(volume), volume.wakes:
        # Another request with the same wish may have been faster.
        if _is_known(volume.record, asked.id):
            return volume
        accepted = _checked(daemon, volume, asked)
        daemon.pool.check_room()
        # Under the lock, however much is copied: nothing is mounted, written or cut meanwhile.
        accepted, snapshot = _keep(volume, accepted)
        if not is_clean(replace(volume.record, accepted=accepted), look_at(volume)):
            raise NotReplicated(volume.id)
        volume.update(replace(volume.record, accepted=accepted, trial=Trial(asked.id, accepted.head, snapshot)))
    log.info("trial_began", volume=volume.id[:12], head=accepted.head[:12], is_kept_here=snapshot is not None)
    volume.wake()
    return volume


def end_trial(daemon: Daemon, asked: EndTrial) -> Volume:
    """Keep what was tried, or begin to undo it. A trial that is over, or never began here, is fine.

    Raises StillMounted: what is to be undone is in use.
    """
    volume = _of_device(daemon, asked.volume)
    digest = checked_digest(asked.app_digest)
    with volume.wakes:
        record, trial = volume.record, volume.record.trial
        if trial is None or trial.id != asked.id or record.phase == "set-aside":
            return volume
        if asked.keep:
            if trial.undo is not None and volume.live != record.live_uuid:
                # Too late: the beginning is in place, or about to be.
                return volume
            ended = _ended(record, Trialled(trial.id, kept=True), digest, asked.config_revision)
            volume.update(replace(ended, phase="ready" if record.phase == "going-back" else record.phase))
        elif trial.undo is None:
            check_unmounted(daemon, volume)
            if volume.live == record.live_uuid and is_clean(record, look_at(volume)):
                # Nothing was written: what is here is what it began with.
                volume.update(_ended(record, Trialled(trial.id, kept=False), digest, asked.config_revision))
            else:
                undo = replace(trial, undo=Undo(digest, asked.config_revision), aside=aside.new_name(volume))
                phase = "going-back" if record.lease is not None else record.phase
                volume.update(replace(record, phase=phase, trial=undo))
    log.info("trial_ends", volume=volume.id[:12], keep=asked.keep)
    volume.wake()
    return volume


def _of_device(daemon: Daemon, name: str) -> Volume:
    """Return a volume that a Device holds. Raises VolumeNotHere, also for one without a Hive: no Device has it."""
    volume = daemon.volume(VolumeId(name))
    if volume.record.hiveless is not None:
        raise VolumeNotHere(volume.id)
    return volume


def _is_known(record: VolumeRecord, trial: str) -> bool:
    return (record.trial is not None and record.trial.id == trial) or (
        record.trialled is not None and record.trialled.id == trial
    )


def _checked(daemon: Daemon, volume: Volume, asked: BeginTrial) -> Accepted:
    """Return the accepted head that has all that is here."""
    record, accepted = volume.record, volume.record.accepted
    if record.trial is not None:
        raise AnotherTrial(volume.id, record.trial.id, asked.id)
    check_held(volume, asked.epoch)
    if record.phase != "ready":
        raise NotReady(volume.id, record.phase, "no other version can be tried on it")
    check_unmounted(daemon, volume)
    if accepted is None or not is_all_said(record, look_at(volume)):
        raise NotReplicated(volume.id)
    return accepted


def _keep(volume: Volume, accepted: Accepted) -> tuple[Accepted, str | None]:
    """Have a local copy of what is here now. Returns its name too, None where there can be none."""
    folder, subvolumes = volume.places.snapshots(volume.id), volume.subvolumes
    before = accepted.snapshot if subvolumes.keeps_snapshots else None
    if before is not None and subvolumes.uuid(folder / before) is not None:
        return accepted, before
    folder.mkdir(mode=0o711, exist_ok=True)
    name = str(time.time_ns())
    generation = subvolumes.keep(volume.places.live(volume.id), folder / name)
    # It is on the disk before the ledger names it.
    subvolumes.sync(volume.places.pool)
    if generation is None:
        return accepted, None
    # Being snapshotted counts as a change of the live subvolume. Being copied does not.
    is_snapshot = subvolumes.keeps_snapshots
    return replace(accepted, snapshot=name, generation=generation) if is_snapshot else accepted, name


def _ended(record: VolumeRecord, how: Trialled, app_digest: str | None, config_revision: int) -> VolumeRecord:
    return replace(record, trial=None, trialled=how, app_digest=app_digest, config_revision=config_revision)
