"""Deciding what a Device must do next.

`plan` compares the installations that a Device was assigned with what it sees
in its engine, its storage daemon and its ledger, and returns the steps that
close the gap in an order that is safe to stop after any one of them. The
Device carries the steps out, looks again, and plans again until nothing is
left. A step that fails ends its own installation's steps, never another's.

Every stop comes first and every departure second: another Device may be
waiting for the last snapshot of an app that is leaving this one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from mosaic.core.epoch import Epoch
from mosaic.core.goal import Goal
from mosaic.core.ids import AppDigest, HeadHash, InstallationId, VolumeId
from mosaic.core.steps import (
    BeginTrial,
    CheckApp,
    CheckUpdate,
    CloseEntrance,
    DiscardData,
    FetchBundle,
    FetchUpdate,
    FinalSnapshot,
    GoBack,
    HoldVolumes,
    KeepTrial,
    MakeKeys,
    OpenEntrance,
    Prefetch,
    PullImages,
    PullUpdate,
    Release,
    ReleaseVolumes,
    SaveAhead,
    SaveForTrial,
    SavePresent,
    SetAside,
    Snapshot,
    StartApp,
    Step,
    StopApp,
    TryUpdate,
    UndoTrial,
    WaitForVolumes,
)
from mosaic.core.updating import Course, SeenUpdate, Update, course


@dataclass(frozen=True, slots=True)
class GoingBack:
    """A wish of the owner: this volume shall be what it was. `changes_app`: another bundle runs on it then."""

    id: str
    volume: VolumeId
    changes_app: bool = False


@dataclass(frozen=True, slots=True)
class Desired:
    """One assignment. `volumes` has each volume's base head (for `prepare` its newest); empty: no keys yet.

    `release` is what counts; `update` is another one that is to be tried.
    """

    goal: Goal
    epoch: Epoch | None
    release: Release
    volumes: Mapping[VolumeId, HeadHash | None]
    going_back: GoingBack | None = None
    update: Update | None = None


class VolumePhase(StrEnum):
    """How a volume is in the storage daemon's eyes. The values are those of the wire."""

    ABSENT = "absent"
    RESTORING = "restoring"
    READY = "ready"
    GOING_BACK = "going-back"
    RELEASING = "releasing"
    RELEASED = "released"
    FAILED = "failed"
    SET_ASIDE = "set-aside"


@dataclass(frozen=True, slots=True)
class SeenVolume:
    """One volume here. `epoch` is the one that it is, or last was, held under.

    `local_head` is the newest accepted head that the local data descends
    from. `clean` says that all local data is in that head. `proved` says that
    a head of `epoch` was accepted. `prefetched` says that a restore ahead was
    done for the coming hold. `went_back` is the newest wish to go back that
    was carried out here, or `failed_back`. `trial` is the one under way: no
    head follows `local_head` until it ends.
    """

    phase: VolumePhase
    epoch: Epoch | None = None
    local_head: HeadHash | None = None
    clean: bool = True
    proved: bool = False
    prefetched: bool = False
    went_back: str | None = None
    failed_back: bool = False
    trial: str | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """One installation as it is here.

    `containers` is the release that containers exist of, None when there are
    none; `running` says that each service that should be up is up (one that
    finished with 0 and was not to be restarted counts). `bundle` is the
    bundle that is here and verified; `checked` the release that passed its
    check here; `images` that all images of `bundle` are here. `ailing` says
    that starting it has just failed.
    """

    containers: Release | None = None
    running: bool = False
    bundle: AppDigest | None = None
    checked: Release | None = None
    images: bool = False
    volumes: Mapping[VolumeId, SeenVolume] = field(default_factory=dict)
    update: SeenUpdate = field(default_factory=SeenUpdate)
    ailing: bool = False


_HELD = (VolumePhase.READY, VolumePhase.RESTORING, VolumePhase.GOING_BACK, VolumePhase.RELEASING)


def plan(desired: Mapping[InstallationId, Desired], observed: Mapping[InstallationId, Observed]) -> list[Step]:
    """Return the steps that turn `observed` into `desired`.

    An installation that is here and was not assigned is stopped and set
    aside, and its data kept: only the goal `drop` lets data go.
    """
    stops: list[Step] = []
    departures: list[Step] = []
    arrivals: list[Step] = []
    for installation in sorted({*desired, *observed}):
        wanted = desired.get(installation)
        seen = observed.get(installation, Observed())
        if _must_stop(wanted, seen):
            stops.append(StopApp(installation))
            seen = _stopped(seen)
        ended = _end_trial(installation, wanted, seen)
        if ended:
            # What follows depends on how it ended: that is looked at before anything else is planned.
            departures += ended
            continue
        departures += _depart(installation, wanted, seen)
        arrivals += _bring_up(installation, wanted, seen)
    return [*stops, *departures, *arrivals]


def _stopped(seen: Observed) -> Observed:
    # Until it stopped, the app may have written more than was seen.
    volumes = {name: replace(volume, clean=False) for name, volume in seen.volumes.items()}
    return replace(seen, containers=None, running=False, volumes=volumes)


def _must_stop(wanted: Desired | None, seen: Observed) -> bool:
    if seen.containers is None:
        return False
    if wanted is None or wanted.goal is not Goal.RUN:
        return True
    if wanted.epoch is None:
        return False
    if _must_go_back(wanted, seen) or _waits_for_app(wanted, seen):
        return True
    match _course(wanted, seen):
        case Course.SAVE | Course.UNDO:
            return True
        case Course.TRY if not _all_in_trial(wanted, seen):
            return True
        case _:
            pass
    # A new epoch may come with somebody else's data: what runs must be standing on the very head it was granted.
    return seen.containers != _runs(wanted, seen) or not _stands_on_base(wanted, wanted.epoch, seen)


def _course(wanted: Desired | None, seen: Observed) -> Course:
    trials = {volume.trial for volume in seen.volumes.values() if volume.trial is not None}
    if wanted is None:
        return course(None, seen.update, trials, may_try=False)
    back = _must_go_back(wanted, seen) or _waits_for_app(wanted, seen)
    may_try = wanted.goal is Goal.RUN and bool(wanted.volumes) and not back
    return course(wanted.update, seen.update, trials, may_try=may_try)


def _runs(wanted: Desired, seen: Observed) -> Release:
    """Which release the containers should be of, as far as there should be any."""
    tried = wanted.update if _course(wanted, seen) is Course.TRY else None
    return tried.release if tried is not None else wanted.release


def _all_in_trial(wanted: Desired, seen: Observed) -> bool:
    local = (seen.volumes.get(volume) for volume in wanted.volumes)
    return all(volume is not None and volume.trial is not None for volume in local)


def _end_trial(installation: InstallationId, wanted: Desired | None, seen: Observed) -> list[Step]:
    """First of all that is done with a volume: until then nothing that is written in it is in any head."""
    if wanted is not None and wanted.goal is Goal.RUN and wanted.epoch is None:
        return []
    match _course(wanted, seen):
        case Course.KEEP:
            return [KeepTrial(installation)]
        case Course.UNDO:
            return [UndoTrial(installation)]
        case _:
            return []


def _stands_on_base(wanted: Desired, epoch: Epoch, seen: Observed) -> bool:
    for volume, base in wanted.volumes.items():
        local = seen.volumes.get(volume)
        if local is None or local.phase is not VolumePhase.READY:
            return False
        if local.epoch != epoch and local.local_head != base:
            return False
    return True


def _depart(installation: InstallationId, wanted: Desired | None, seen: Observed) -> list[Step]:
    if wanted is None:
        return _set_aside(installation, seen)
    match wanted.goal:
        case Goal.RUN | Goal.STOP:
            return []
        case Goal.PREPARE:
            return _set_aside(installation, seen)
        case Goal.LEAVE:
            return _leave(installation, wanted, seen) if wanted.epoch else _set_aside(installation, seen)
        case Goal.DROP:
            rest = [DiscardData(installation)] if seen.volumes or seen.bundle or seen.checked else []
            return [*_set_aside(installation, seen), *rest]
        case _ as unreachable:
            assert_never(unreachable)


def _set_aside(installation: InstallationId, seen: Observed) -> list[Step]:
    held = any(_at_risk(volume) for volume in seen.volumes.values())
    return [SetAside(installation)] if held else []


def _at_risk(volume: SeenVolume) -> bool:
    return volume.phase in _HELD or _failed_with_more(volume)


def _failed_with_more(volume: SeenVolume) -> bool:
    """Whether a failed volume is more than a restore that never ended: it is held, or has older data of its own."""
    return volume.phase is VolumePhase.FAILED and (volume.epoch is not None or not volume.clean)


def _leave(installation: InstallationId, wanted: Desired, seen: Observed) -> list[Step]:
    epoch = wanted.epoch
    local = [volume for name, volume in seen.volumes.items() if name in wanted.volumes]
    held = [volume for volume in local if volume.phase in _HELD]
    steps = _hand_over(installation, epoch, held) if epoch and held else []
    if any(_failed_with_more(volume) for volume in local):
        # Last, for it takes whatever is held still. What was never restored under this epoch is in no new head.
        steps.append(SetAside(installation))
    return steps


def _hand_over(installation: InstallationId, epoch: Epoch, held: list[SeenVolume]) -> list[Step]:
    steps: list[Step] = []
    regain = any(volume.epoch != epoch for volume in held)
    if regain:
        steps += [HoldVolumes(installation, epoch), WaitForVolumes(installation, epoch)]
    if regain or any(volume.phase is not VolumePhase.RESTORING and not volume.clean for volume in held):
        # Only then: a head that says nothing new would make the copy that another Device kept look stale.
        steps.append(FinalSnapshot(installation, epoch))
    return [*steps, ReleaseVolumes(installation, epoch)]


def _bring_up(installation: InstallationId, wanted: Desired | None, seen: Observed) -> list[Step]:
    if wanted is None:
        return []
    match wanted.goal:
        case Goal.RUN:
            return _run(installation, wanted, seen, wanted.epoch) if wanted.epoch else []
        case Goal.STOP:
            return _hold_stopped(installation, wanted, seen, wanted.epoch) if wanted.epoch else []
        case Goal.PREPARE:
            return _prepare(installation, wanted, seen)
        case Goal.LEAVE | Goal.DROP:
            return []
        case _ as unreachable:
            assert_never(unreachable)


def _prepare(installation: InstallationId, wanted: Desired, seen: Observed) -> list[Step]:
    steps = _provide(installation, wanted.release, seen)
    local = (seen.volumes.get(volume) for volume, newest in wanted.volumes.items() if newest is not None)
    if any(volume is None or not volume.prefetched for volume in local):
        steps.append(Prefetch(installation))
    return steps


def _provide(installation: InstallationId, release: Release, seen: Observed) -> list[Step]:
    """Bundle, check and images: all that can be wrong with an app before its data is touched."""
    steps: list[Step] = []
    fresh = seen.bundle != release.app_digest
    if fresh:
        steps.append(FetchBundle(installation, release.app_digest))
    if seen.checked != release:
        steps.append(CheckApp(installation, release))
    if fresh or not seen.images:
        steps.append(PullImages(installation, release.app_digest))
    return steps


def _run(installation: InstallationId, wanted: Desired, seen: Observed, epoch: Epoch) -> list[Step]:
    steps = _provide(installation, wanted.release, seen)
    if not wanted.volumes:
        return [*steps, MakeKeys(installation, epoch)]
    now = _course(wanted, seen)
    if wanted.update is not None and now in (Course.SAVE, Course.TRY):
        return _try(installation, wanted, seen, epoch, wanted.update)
    steps += _hold(installation, wanted, seen, epoch)
    steps += _go_back(installation, wanted, seen, epoch)
    down = not seen.running or seen.containers != wanted.release
    if seen.ailing:
        # Whatever of it is up was reached before the update, too.
        steps += _open(installation, seen)
    # What cannot be started may be what the new version mends.
    if down and not _waits_for_app(wanted, seen) and not (seen.ailing and now is Course.PROVIDE):
        steps.append(StartApp(installation, wanted.release, epoch))
    if not seen.ailing:
        steps += _open(installation, seen)
    steps += _prove(installation, wanted, seen, epoch)
    if wanted.update is not None and now is Course.PROVIDE:
        steps += _provide_update(installation, wanted.update, seen)
        if not _waits_for_app(wanted, seen):
            steps += [SaveAhead(installation, epoch), CloseEntrance(installation)]
    return steps


def _try(installation: InstallationId, wanted: Desired, seen: Observed, epoch: Epoch, update: Update) -> list[Step]:
    steps: list[Step] = [] if seen.update.closed else [CloseEntrance(installation)]
    hold = _hold(installation, wanted, seen, epoch)
    if hold:
        # It may bring somebody else's data, which ends a trial: that is looked at before anything starts.
        return [*steps, *hold]
    if not _all_in_trial(wanted, seen):
        steps += [SaveForTrial(installation, epoch), BeginTrial(installation, epoch)]
    return [*steps, TryUpdate(installation, update.release, epoch)]


def _open(installation: InstallationId, seen: Observed) -> list[Step]:
    return [OpenEntrance(installation)] if seen.update.closed else []


def _provide_update(installation: InstallationId, update: Update, seen: Observed) -> list[Step]:
    here = seen.update if seen.update.id == update.id else SeenUpdate()
    steps: list[Step] = []
    fresh = here.bundle != update.release.app_digest
    if fresh:
        steps.append(FetchUpdate(installation, update.release.app_digest))
    if here.checked != update.release:
        steps.append(CheckUpdate(installation, update.release))
    if fresh or not here.images:
        steps.append(PullUpdate(installation, update.release.app_digest))
    return steps


def _hold_stopped(installation: InstallationId, wanted: Desired, seen: Observed, epoch: Epoch) -> list[Step]:
    if not wanted.volumes:
        return []
    steps = [*_hold(installation, wanted, seen, epoch), *_go_back(installation, wanted, seen, epoch)]
    steps += [*_open(installation, seen), *_prove(installation, wanted, seen, epoch)]
    if wanted.update is not None and _course(wanted, seen) is Course.PROVIDE:
        steps += _provide_update(installation, wanted.update, seen)
    return steps


def _go_back(installation: InstallationId, wanted: Desired, seen: Observed, epoch: Epoch) -> list[Step]:
    return [SavePresent(installation, epoch), GoBack(installation, epoch)] if _must_go_back(wanted, seen) else []


def _must_go_back(wanted: Desired, seen: Observed) -> bool:
    back = wanted.going_back
    if back is None or back.volume not in wanted.volumes:
        return False
    local = seen.volumes.get(back.volume)
    return local is None or local.went_back != back.id


def _waits_for_app(wanted: Desired, seen: Observed) -> bool:
    """Whether the present stayed where it is, and what was wanted to run on the earlier state must not touch it."""
    back = wanted.going_back
    local = seen.volumes.get(back.volume) if back else None
    if back is None or local is None or not back.changes_app:
        return False
    return local.went_back == back.id and local.failed_back


def _hold(installation: InstallationId, wanted: Desired, seen: Observed, epoch: Epoch) -> list[Step]:
    # Only the one that is to go back may be amid that: another was left so by a wish before this one.
    amid = wanted.going_back.volume if wanted.going_back is not None and _must_go_back(wanted, seen) else None
    if all(_is_held(seen, volume, epoch, amid=amid) for volume in wanted.volumes):
        return []
    held = all(_is_held(seen, volume, epoch, amid=amid, also=VolumePhase.RESTORING) for volume in wanted.volumes)
    wait = WaitForVolumes(installation, epoch)
    return [wait] if held else [HoldVolumes(installation, epoch), wait]


def _is_held(
    seen: Observed, volume: VolumeId, epoch: Epoch, *, amid: VolumeId | None, also: VolumePhase = VolumePhase.READY
) -> bool:
    """Whether a volume is ready under this epoch, `also` is as good, or it is `amid` going back."""
    local = seen.volumes.get(volume)
    if local is None or local.epoch != epoch:
        return False
    return local.phase in (VolumePhase.READY, also) or (volume == amid and local.phase is VolumePhase.GOING_BACK)


def _prove(installation: InstallationId, wanted: Desired, seen: Observed, epoch: Epoch) -> list[Step]:
    local = (seen.volumes.get(volume) for volume in wanted.volumes)
    proved = all(volume is not None and volume.epoch == epoch and volume.proved for volume in local)
    return [] if proved else [Snapshot(installation, epoch)]


def has_left(wanted: Desired, seen: Observed) -> bool:
    """Whether a Device that should leave has: nothing runs, and nothing here is unreplicated or held."""
    local = (seen.volumes.get(volume) for volume in wanted.volumes)
    return seen.containers is None and not any(volume is not None and _at_risk(volume) for volume in local)


def heads_left(wanted: Desired, seen: Observed) -> Mapping[VolumeId, HeadHash | None]:
    """Return the heads to report when it has left: those of the volumes that were held under the goal's epoch.

    Data of an older epoch is not in question; the Hive has newer heads of it.
    """
    return {
        volume: seen.volumes[volume].local_head
        for volume in wanted.volumes
        if volume in seen.volumes and seen.volumes[volume].epoch == wanted.epoch
    }
