"""Deciding where an installation is, and what each Device should do about it.

`advance` is level-triggered: it looks at where the installation is and at the
newest report of each Device, takes every step that is due, and says what each
Device should do now. It is called again on every report and every few
seconds; losing any message never matters. The requests of an owner (move,
force, stop, uninstall, …) are in `placement`.

A move goes settled → preparing → draining → arriving → confirming → settled:

    preparing   the target checks everything while the app runs at home
    draining    home stops, replicates its last snapshot and releases
    arriving    the target was granted the next epoch; restores and starts
    confirming  it is healthy, and must replicate once in its own epoch
    settled     only now other Devices may drop what they kept

A check that fails in preparing leaves home untouched. A target that fails
arriving drains back: home is granted again and finds its subvolume in place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from mosaic.core.epoch import Epoch
from mosaic.core.errors import Conflict, Unavailable
from mosaic.core.goal import Goal
from mosaic.core.ids import DeviceId, HeadHash, SessionId, VolumeId
from mosaic.core.lease import Holder, grant, release, resume, revoke
from mosaic.core.placement import Phase, Placement, Wish, enter, is_parked

SILENCE_NS = 300 * 10**9
"""A target that arrives and has not reported for this long has failed."""

TRASH_NS = 30 * 24 * 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Report:
    """What a Device's newest session last said about the installation; `at_ns` by the Hive's clock.

    `answers` is the revision of the placement that the Device had seen when
    it reported (-1 when unknown): `prepared` and `problem` count for that
    revision only. `epoch` is the one it acts under; `healthy` is its health
    gate's answer; `ready` says that every volume is held and usable under
    `epoch`. `released` says that it has stopped and its volumes are
    released under `epoch`; `heads` are then the newest heads of the volumes
    that it held under `epoch` (see `reconcile.heads_left`); a volume that it
    never held under it is left out.
    """

    session: SessionId
    at_ns: int
    answers: int = -1
    prepared: bool = False
    problem: str | None = None
    epoch: Epoch | None = None
    ready: bool = False
    healthy: bool = False
    released: bool = False
    heads: Mapping[VolumeId, HeadHash | None] | None = None
    keeps_data: bool = False


@dataclass(frozen=True, slots=True)
class Assigned:
    """A goal, and the epoch that the Device holds for it. None: it holds none (see `Goal`)."""

    goal: Goal
    epoch: Epoch | None = None


@dataclass(frozen=True, slots=True)
class Advance:
    """Where the installation is now (its lease included), and what each Device should do.

    A Device that is not named has nothing to do with the installation. One
    that has data of it all the same will say so, and be named then.
    """

    placement: Placement
    goals: Mapping[DeviceId, Assigned]


def advance(
    placement: Placement, reports: Mapping[DeviceId, Report], now_ns: int, *, term: int = 0, frozen: bool = False
) -> Advance:
    """Take every step that is due. Calling it again with the same arguments changes nothing.

    `reports` has only Devices whose newest session has reported since the
    Hive started. With `frozen` (see `rewind`) nothing is granted.
    """
    after = _step(placement, reports, now_ns, term=term, frozen=frozen)
    while after != placement:
        placement = after
        after = _step(placement, reports, now_ns, term=term, frozen=frozen)
    return Advance(placement, goals(placement, reports, now_ns))


def _step(
    placement: Placement, reports: Mapping[DeviceId, Report], now_ns: int, *, term: int, frozen: bool
) -> Placement:
    stray = _stray(placement)
    if stray is not None:
        return stray
    if _needs_holder(placement) and not frozen:
        placement = _hold(placement, reports.get(placement.home), term=term)
    match placement.phase:
        case Phase.SETTLED:
            return placement
        case Phase.PREPARING:
            return _prepare(placement, reports, now_ns)
        case Phase.DRAINING:
            return _drain(placement, reports, now_ns)
        case Phase.ARRIVING:
            return _arrive(placement, reports, now_ns)
        case Phase.CONFIRMING:
            return _confirm(placement, reports.get(placement.home), now_ns)
        case Phase.TRASHED:
            return _release(placement, reports.get(placement.home))
        case _ as unreachable:
            assert_never(unreachable)


def _stray(placement: Placement) -> Placement | None:
    """Revoke a lease that somebody other than home holds: it is theirs no more, and home waits for it."""
    holder = placement.lease.holder
    if holder is None or holder.device == placement.home:
        return None
    return replace(placement, lease=revoke(placement.lease))


def _needs_holder(placement: Placement) -> bool:
    """Whether home should hold the lease. One that has released it in order to leave should not get it back."""
    leaving = placement.phase in (Phase.DRAINING, Phase.TRASHED)
    return not (leaving and placement.lease.released)


def _hold(placement: Placement, report: Report | None, *, term: int) -> Placement:
    if report is None:
        return placement
    asker = Holder(placement.home, report.session)
    lease = placement.lease
    held = resume(lease, asker, term=term) if lease.holder else grant(lease, asker, term=term)
    return replace(placement, lease=held)


def _prepare(placement: Placement, reports: Mapping[DeviceId, Report], now_ns: int) -> Placement:
    answer = reports.get(placement.other) if placement.other else None
    if placement.other is not None and (answer is None or answer.answers != placement.revision):
        return placement
    if answer is not None and answer.problem is None:
        return enter(placement, Phase.DRAINING, now_ns) if answer.prepared else placement
    # Home was not touched. Whether it had been confirmed is looked at again: it settles at once if so.
    phase = Phase.ARRIVING if placement.arrival is None else Phase.CONFIRMING
    reason = answer.problem if answer else None
    return replace(enter(placement, phase, now_ns), other=None, problem=reason)


def _drain(placement: Placement, reports: Mapping[DeviceId, Report], now_ns: int) -> Placement:
    report = reports.get(placement.home)
    if placement.returning and _silent(placement, report, now_ns):
        # It failed and is gone: what it wrote and did not replicate is kept there as a conflict.
        placement = replace(placement, lease=revoke(placement.lease))
        return _turn(placement, now_ns)
    placement = _release(placement, report)
    # One that is parked waits, released, for its owner to say where it goes.
    return _turn(placement, now_ns) if placement.lease.released and not is_parked(placement) else placement


def _turn(placement: Placement, now_ns: int) -> Placement:
    """Make the target home. It may send the installation back, unless it is the one that it came back to."""
    home = placement.other or placement.home
    origin = None if placement.returning else placement.home
    after = enter(placement, Phase.ARRIVING, now_ns)
    return replace(after, home=home, other=origin, returning=False, arrival=None)


def _release(placement: Placement, report: Report | None) -> Placement:
    lease = placement.lease
    if report is None or not report.released or report.epoch is None or lease.holder is None:
        return placement
    # A volume that was never held under this epoch is as safe as it was at the grant.
    heads = {volume: (report.heads or {}).get(volume, lease.base.get(volume)) for volume in lease.newest}
    try:
        released = release(lease, heads, by=Holder(placement.home, report.session), epoch=report.epoch)
    except (Conflict, Unavailable):
        # The report is older than the lease, or its last snapshot is still on its way: a later one will do.
        return placement
    return replace(placement, lease=released)


def _arrive(placement: Placement, reports: Mapping[DeviceId, Report], now_ns: int) -> Placement:
    report = reports.get(placement.home)
    lease = placement.lease
    if placement.arrival is None and lease.holder is not None:
        placement = replace(placement, arrival=lease.epoch)
    if report is not None and _is_up(placement, report):
        return replace(enter(placement, Phase.CONFIRMING, now_ns), other=None, problem=None)
    if report is not None and report.answers == placement.revision and report.problem is not None:
        placement = replace(placement, problem=report.problem)
        return _send_back(placement, now_ns)
    if _silent(placement, report, now_ns) and not _wrote(placement):
        return _send_back(placement, now_ns)
    return placement


def _send_back(placement: Placement, now_ns: int) -> Placement:
    if placement.other is None:
        return placement
    return replace(enter(placement, Phase.DRAINING, now_ns), returning=True)


def _confirm(placement: Placement, report: Report | None, now_ns: int) -> Placement:
    if report is not None and _is_up(placement, report) and _replicated(placement):
        return replace(enter(placement, Phase.SETTLED, now_ns), problem=None)
    return placement


def _is_up(placement: Placement, report: Report) -> bool:
    """Whether home runs the app well under the very lease that it holds (or holds it stopped, if so wished)."""
    holder = placement.lease.holder
    holds = holder == Holder(placement.home, report.session) and report.epoch == placement.lease.epoch
    return holds and report.ready and (report.healthy or placement.wish is Wish.STOP)


def _replicated(placement: Placement) -> bool:
    arrival = placement.arrival
    heads = placement.lease.newest.values()
    return arrival is not None and all(head is not None and head.epoch >= arrival for head in heads)


def _wrote(placement: Placement) -> bool:
    arrival = placement.arrival
    heads = placement.lease.newest.values()
    return arrival is not None and any(head is not None and head.epoch >= arrival for head in heads)


def _silent(placement: Placement, report: Report | None, now_ns: int) -> bool:
    heard = max(placement.since_ns, report.at_ns if report else 0)
    return now_ns - heard > SILENCE_NS


def expired(placement: Placement, now_ns: int) -> bool:
    """Whether the installation's time in the trash is over, and its data may be deleted for good.

    Never while its last holder has not released it: that one may have data that nobody else has (G5).
    """
    over = placement.phase is Phase.TRASHED and now_ns - placement.since_ns >= TRASH_NS
    return over and placement.lease.released


def goals(placement: Placement, reports: Mapping[DeviceId, Report], now_ns: int) -> Mapping[DeviceId, Assigned]:
    """Return what each Device should do about the installation as it is."""
    drop = placement.phase is Phase.SETTLED or expired(placement, now_ns)
    keepers = {device for device, report in reports.items() if report.keeps_data}
    assigned = {device: Assigned(Goal.DROP if drop else Goal.LEAVE) for device in keepers - {placement.home}}
    holder = placement.lease.holder
    report = reports.get(placement.home)
    current = holder is not None and (report is None or report.session == holder.session)
    epoch = placement.lease.epoch if current else None
    match placement.phase:
        case Phase.SETTLED | Phase.ARRIVING | Phase.CONFIRMING:
            assigned[placement.home] = Assigned(_wished(placement), epoch)
        case Phase.PREPARING:
            assigned[placement.home] = Assigned(_wished(placement), epoch)
            assigned |= _preparing(placement)
        case Phase.DRAINING:
            assigned[placement.home] = _leaving(placement, epoch)
            assigned |= _preparing(placement)
        case Phase.TRASHED:
            assigned[placement.home] = Assigned(Goal.DROP) if drop else _leaving(placement, epoch)
        case _ as unreachable:
            assert_never(unreachable)
    return assigned


def _wished(placement: Placement) -> Goal:
    return Goal.RUN if placement.wish is Wish.RUN else Goal.STOP


def _leaving(placement: Placement, epoch: Epoch | None) -> Assigned:
    # While it waits for an epoch to leave under, nothing is fenced: it should stop and keep what it holds.
    waits = epoch is None and not placement.lease.released
    return Assigned(Goal.STOP if waits else Goal.LEAVE, epoch)


def _preparing(placement: Placement) -> Mapping[DeviceId, Assigned]:
    # On its way back there is nothing to prepare: home's own subvolume is still there, and it should do nothing to it.
    if placement.other is None or placement.returning:
        return {}
    return {placement.other: Assigned(Goal.PREPARE)}
