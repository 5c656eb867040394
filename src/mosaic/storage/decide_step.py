"""Deciding what a volume's worker does next.

Level-triggered: the worker reads the record, does one step, and reads again,
so that nothing depends on which request or crash led here.
"""

from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.ids import HeadHash
from mosaic.storage.records import Hiveless, VolumeRecord


@dataclass(frozen=True, slots=True)
class Fetch:
    """Restore this head beside the live subvolume."""

    head: HeadHash


@dataclass(frozen=True, slots=True)
class Promote:
    """The restore that the lease waits for is complete: make it the live subvolume."""


@dataclass(frozen=True, slots=True)
class Replicate:
    """Carry what changed to the stores."""


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


Step: TypeAlias = Fetch | Promote | Replicate | Trace | Rest | Regain | Confirm | Purge


def next_step(record: VolumeRecord) -> Step:
    """Return the one thing to do now."""
    if record.hiveless is not None and (own := _without_hive(record, record.hiveless)) is not None:
        return own
    complete = record.incoming.head if record.incoming else None
    if record.lease is not None and record.phase == "restoring":
        if record.lease.base is None:
            return Rest()
        return Promote() if complete == record.lease.base else Fetch(record.lease.base)
    if record.lease is not None and record.phase in ("ready", "releasing"):
        return Replicate()
    if record.lease is None and record.descent is not None and not record.descent.answered:
        return Trace()
    if record.prefetch is not None and complete != record.prefetch:
        return Fetch(record.prefetch)
    return Rest()


def _without_hive(record: VolumeRecord, hiveless: Hiveless) -> Step | None:
    if hiveless.removed_ns is not None:
        return Purge(hiveless.removed_ns) if record.live_uuid is not None else Rest()
    if record.lease is None and record.phase in ("absent", "released"):
        return Regain()
    if record.lease is not None and record.phase == "ready" and not hiveless.confirmed:
        return Confirm()
    return None
