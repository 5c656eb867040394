"""Deciding what a volume's worker does next.

Level-triggered: the worker reads the record, does one step, and reads again,
so that nothing depends on which request or crash led here.
"""

from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.ids import HeadHash
from mosaic.storage.records import GoingBack, Hiveless, Lost, Origin, Trial, VolumeRecord


@dataclass(frozen=True, slots=True)
class Fetch:
    """Restore this head beside the live subvolume."""

    head: HeadHash


@dataclass(frozen=True, slots=True)
class FindNewest:
    """Find out which head takes the place of what was lost within the epoch that is held."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Restore another volume's state beside: the volume begins with it."""

    origin: Origin


@dataclass(frozen=True, slots=True)
class Promote:
    """The restore that the lease waits for is complete: make it the live subvolume."""


@dataclass(frozen=True, slots=True)
class Replicate:
    """Carry what changed to the stores."""


@dataclass(frozen=True, slots=True)
class Save:
    """Have all of the present acknowledged: something older is about to take its place."""


@dataclass(frozen=True, slots=True)
class CopyConflict:
    """Put a copy of this conflict snapshot beside the live subvolume."""

    name: str


@dataclass(frozen=True, slots=True)
class PutBack:
    """The earlier state is complete: put it in the place of the present."""


@dataclass(frozen=True, slots=True)
class Attest:
    """Have a head accepted that says that the volume went back."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Another version of the app is tried: see what it changes, and have no head follow."""


@dataclass(frozen=True, slots=True)
class CopyBeginning:
    """Put a copy of what a trial began with beside the live subvolume."""

    snapshot: str


@dataclass(frozen=True, slots=True)
class PutBeginning:
    """What the trial began with is complete: put it in the place of what was written since."""


@dataclass(frozen=True, slots=True)
class LoseTrial:
    """The volume was set aside in a trial: keep what was written, and end it."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Find out whether the Hive has what should replace the local data."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do until something is asked."""


@dataclass(frozen=True, slots=True)
class Regain:
    """A volume without a Hive: find out from its store whether it may be held, and hold it."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """A volume without a Hive is held without having asked its store: ask."""


@dataclass(frozen=True, slots=True)
class Purge:
    """A volume without a Hive lies in the trash since `removed_ns`: delete what is here when its time is over."""

    removed_ns: int


Step: TypeAlias = (
    Fetch
    | FindNewest
    | Adopt
    | Promote
    | Replicate
    | Save
    | CopyConflict
    | PutBack
    | Attest
    | Watch
    | CopyBeginning
    | PutBeginning
    | LoseTrial
    | Trace
    | Rest
    | Regain
    | Confirm
    | Purge
)


def next_step(record: VolumeRecord) -> Step:
    """Return the one thing to do now."""
    if record.hiveless is not None and (own := _without_hive(record, record.hiveless)) is not None:
        return own
    complete = record.incoming.head if record.incoming else None
    if record.trial is not None and (step := _in_trial(record, record.trial, complete)) is not None:
        return step
    if record.lease is not None and record.phase == "restoring":
        if (lost := record.lost_under_lease) is not None:
            return _make_good(lost, complete)
        if record.lease.base is None:
            return _begin(record.origin, complete)
        return Promote() if complete == record.lease.base else Fetch(record.lease.base)
    if record.lease is not None and record.phase in ("ready", "releasing", "going-back"):
        # First: what is replicated next goes on from there.
        if is_unattested(record):
            return Attest()
        is_back = record.phase != "going-back" or record.going_back is None
        return Replicate() if is_back or record.going_back is None else _back(record.going_back, complete)
    if record.lease is None and record.descent is not None and not record.descent.answered:
        return Trace()
    if record.prefetch is not None and complete != record.prefetch:
        return Fetch(record.prefetch)
    return Rest()


def _in_trial(record: VolumeRecord, trial: Trial, complete: HeadHash | None) -> Step | None:
    if record.phase == "set-aside":
        return LoseTrial()
    if trial.undo is not None:
        # That needs no lease: after a reboot it goes on before the Device asks for anything.
        if complete == trial.head:
            return PutBeginning()
        return Fetch(trial.head) if trial.snapshot is None else CopyBeginning(trial.snapshot)
    is_in_place = record.phase in ("ready", "releasing", "going-back")
    return Watch() if record.lease is not None and is_in_place else None


def _without_hive(record: VolumeRecord, hiveless: Hiveless) -> Step | None:
    if hiveless.removed_ns is not None:
        return Purge(hiveless.removed_ns) if record.live_uuid is not None else Rest()
    if record.lease is None and record.phase in ("absent", "released"):
        return Regain()
    if record.lease is not None and record.phase == "ready" and not hiveless.confirmed:
        return Confirm()
    return None


def _make_good(lost: Lost, complete: HeadHash | None) -> Step:
    if lost.head is None:
        return FindNewest()
    return Promote() if complete == lost.head else Fetch(lost.head)


def _begin(origin: Origin | None, complete: HeadHash | None) -> Step:
    if origin is None:
        return Rest()
    return Promote() if complete == origin.head else Adopt(origin)


def is_unattested(record: VolumeRecord) -> bool:
    """Whether the live subvolume is an earlier state, and the newest accepted head is still the one before that."""
    went, accepted = record.went_back, record.accepted
    if went is None or went.signed is None or accepted is None:
        return False
    return record.live_uuid == went.uuid and accepted.head == went.saved


def _back(going: GoingBack, complete: HeadHash | None) -> Step:
    if going.saved is None:
        return Save()
    if complete == going.wanted:
        return PutBack()
    return Fetch(going.head) if going.head is not None else CopyConflict(going.conflict or "")
