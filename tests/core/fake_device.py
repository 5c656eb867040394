"""Carrying out a plan on paper: what each step does to what a Device sees.

Every step first asserts what must hold before it, so that a plan in a wrong
order fails here rather than on somebody's data.
"""

from dataclasses import replace

from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.core.reconcile import Desired, Observed, SeenVolume, VolumePhase
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
from mosaic.core.updating import SeenUpdate, trial_id, update_of

NEW_VOLUME = VolumeId("new")
Wishes = dict[InstallationId, Desired]
Sights = dict[InstallationId, Observed]


def carry_out(steps: list[Step], desired: Wishes, observed: Sights, *, is_well: bool = True) -> tuple[Wishes, Sights]:
    """Return what is wanted and seen afterwards. Registering keys changes what is wanted, as the Hive would.

    `is_well` says how new versions do; after one that is not, nothing else of the plan is carried out.
    """
    wishes, sights = dict(desired), dict(observed)
    for step in steps:
        here = sights.get(step.installation, Observed())
        if isinstance(step, MakeKeys):
            wanted = wishes[step.installation]
            wishes[step.installation] = replace(wanted, volumes={NEW_VOLUME: None})
            continue
        if isinstance(step, DiscardData):
            assert here.containers is None
            assert not any(_held(volume) or _failed_in_hold(volume) for volume in here.volumes.values())
            sights.pop(step.installation, None)
            continue
        if isinstance(step, TryUpdate):
            wishes[step.installation], sights[step.installation] = _tried(
                step, wishes[step.installation], here, is_well=is_well
            )
            if not is_well:
                return wishes, sights
            continue
        sights[step.installation] = _do(step, wishes.get(step.installation), here)
    return wishes, sights


def _tried(step: TryUpdate, wanted: Desired, here: Observed, *, is_well: bool) -> tuple[Desired, Observed]:
    update = wanted.update
    assert update is not None and step.release == update.release
    assert here.update.provides(update) and here.update.closed and not here.update.over
    assert here.containers in (None, step.release)
    for volume in wanted.volumes:
        seen = here.volumes[volume]
        assert _ready(seen, step) and seen.trial is not None and update_of(seen.trial) == update.id
    over = replace(here.update, over=True, taken=update.id if is_well else here.update.taken)
    here = replace(here, containers=step.release, running=is_well, update=over)
    if not is_well:
        return wanted, here
    here = replace(here, bundle=over.bundle, checked=over.checked, images=True)
    return replace(wanted, release=step.release, update=None), here


def _do(step: Step, wanted: Desired | None, here: Observed) -> Observed:
    match step:
        case FetchBundle() | CheckApp() | PullImages():
            return _provided(step, here)
        case StopApp():
            return replace(here, containers=None, running=False)
        case StartApp():
            assert wanted is not None and here.checked == step.release and here.images
            assert all(_ready(here.volumes[volume], step) for volume in wanted.volumes)
            assert here.containers in (None, step.release)
            assert not any(volume.trial is not None for volume in here.volumes.values())
            return replace(here, containers=step.release, running=True)
        case SetAside():
            assert here.containers is None
            return replace(here, volumes={name: _set_aside(volume) for name, volume in here.volumes.items()})
        case Prefetch() | HoldVolumes() | WaitForVolumes() | Snapshot() | FinalSnapshot() | ReleaseVolumes():
            assert wanted is not None
            return _with_volumes(step, wanted, here)
        case SavePresent() | GoBack():
            assert wanted is not None and wanted.going_back is not None and here.containers is None
            back = wanted.going_back
            return replace(
                here, volumes={**here.volumes, back.volume: _go_back(step, back.id, here.volumes[back.volume])}
            )
        case _:
            return _update(step, wanted, here)


def _provided(step: FetchBundle | CheckApp | PullImages, here: Observed) -> Observed:
    match step:
        case FetchBundle():
            return replace(here, bundle=step.app_digest, images=False)
        case CheckApp():
            assert here.bundle == step.release.app_digest
            return replace(here, checked=step.release)
        case PullImages():
            assert here.bundle == step.app_digest
            return replace(here, images=True)


def _update(step: Step, wanted: Desired | None, here: Observed) -> Observed:
    match step:
        case FetchUpdate() | CheckUpdate() | PullUpdate() | SaveAhead() | CloseEntrance() | OpenEntrance():
            return replace(here, update=_brought(step, wanted, here.update))
        case SaveForTrial() | BeginTrial() | KeepTrial() | UndoTrial():
            assert isinstance(step, KeepTrial) or here.containers is None
            return replace(here, volumes=_on_trial(step, wanted, here))
        case _:
            raise AssertionError(step)


def _brought(
    step: FetchUpdate | CheckUpdate | PullUpdate | SaveAhead | CloseEntrance | OpenEntrance,
    wanted: Desired | None,
    seen: SeenUpdate,
) -> SeenUpdate:
    match step:
        case FetchUpdate():
            assert wanted is not None and wanted.update is not None
            begun = seen if seen.id == wanted.update.id else SeenUpdate(closed=seen.closed, taken=seen.taken)
            return replace(begun, id=wanted.update.id, bundle=step.app_digest, images=False)
        case CheckUpdate():
            assert seen.bundle == step.release.app_digest
            return replace(seen, checked=step.release)
        case PullUpdate():
            assert seen.bundle == step.app_digest
            return replace(seen, images=True)
        case SaveAhead():
            return seen
        case CloseEntrance():
            return replace(seen, closed=True)
        case OpenEntrance():
            return replace(seen, closed=False)


def _on_trial(
    step: SaveForTrial | BeginTrial | KeepTrial | UndoTrial, wanted: Desired | None, here: Observed
) -> dict[VolumeId, SeenVolume]:
    volumes = dict(here.volumes)
    for volume, seen in here.volumes.items():
        match step:
            case SaveForTrial() if wanted is not None and volume in wanted.volumes and seen.trial is None:
                assert _ready(seen, step)
                volumes[volume] = replace(seen, local_head=HeadHash("saved"), clean=True, proved=True)
            case BeginTrial() if wanted is not None and volume in wanted.volumes and seen.trial is None:
                assert wanted.update is not None and seen.clean and _ready(seen, step)
                volumes[volume] = replace(seen, trial=trial_id(wanted.update.id, 1))
            case UndoTrial() if seen.trial is not None:
                assert update_of(seen.trial) != here.update.taken
                phase = VolumePhase.READY if seen.phase is VolumePhase.GOING_BACK else seen.phase
                volumes[volume] = replace(seen, trial=None, phase=phase, clean=True)
            case KeepTrial() if seen.trial is not None and update_of(seen.trial) == here.update.taken:
                volumes[volume] = replace(seen, trial=None, clean=False)
            case _:
                pass
    return volumes


def _with_volumes(
    step: Prefetch | HoldVolumes | WaitForVolumes | Snapshot | FinalSnapshot | ReleaseVolumes,
    wanted: Desired,
    here: Observed,
) -> Observed:
    volumes = dict(here.volumes)
    for volume, base in wanted.volumes.items():
        seen = volumes.get(volume, SeenVolume(VolumePhase.ABSENT))
        match step:
            case Prefetch():
                volumes[volume] = replace(seen, prefetched=True)
            case HoldVolumes():
                if here.containers is not None:
                    assert seen.local_head == base or seen.epoch == step.epoch
                volumes[volume] = _hold(step, base, seen)
            case WaitForVolumes() if seen.phase is VolumePhase.RESTORING:
                volumes[volume] = replace(seen, phase=VolumePhase.READY)
            case Snapshot():
                assert _ready(seen, step) and seen.trial is None
                volumes[volume] = replace(seen, local_head=HeadHash("cut"), clean=True, proved=True)
            case FinalSnapshot() if seen.phase in (VolumePhase.READY, VolumePhase.GOING_BACK, VolumePhase.RELEASING):
                assert here.containers is None and seen.epoch == step.epoch and seen.trial is None
                phase = VolumePhase.RELEASING
                volumes[volume] = replace(seen, phase=phase, local_head=HeadHash("last"), clean=True, proved=True)
            case ReleaseVolumes() if seen.phase is VolumePhase.RESTORING:
                # It has nothing of its own yet that could be lost.
                volumes[volume] = replace(seen, phase=VolumePhase.ABSENT)
            case ReleaseVolumes() if _held(seen):
                assert here.containers is None and seen.clean
                volumes[volume] = replace(seen, phase=VolumePhase.RELEASED)
            case _:
                pass
    return replace(here, volumes=volumes)


def _go_back(step: SavePresent | GoBack, wish: str, seen: SeenVolume) -> SeenVolume:
    assert seen.epoch == step.epoch
    if isinstance(step, SavePresent):
        assert seen.phase in (VolumePhase.READY, VolumePhase.GOING_BACK)
        return replace(seen, phase=VolumePhase.GOING_BACK, local_head=HeadHash("saved"), clean=True)
    assert seen.phase is VolumePhase.GOING_BACK and seen.clean
    return replace(seen, phase=VolumePhase.READY, went_back=wish, failed_back=False, local_head=HeadHash("back"))


def _hold(step: HoldVolumes, base: HeadHash | None, seen: SeenVolume) -> SeenVolume:
    if seen.epoch == step.epoch and seen.phase in (VolumePhase.READY, VolumePhase.RESTORING):
        return seen
    kept = seen.local_head == base and seen.phase not in (VolumePhase.ABSENT, VolumePhase.RESTORING)
    if kept:
        return replace(seen, phase=VolumePhase.READY, epoch=step.epoch, proved=False)
    phase = VolumePhase.READY if base is None else VolumePhase.RESTORING
    return SeenVolume(phase, step.epoch, base)


def _held(seen: SeenVolume) -> bool:
    return seen.phase in (
        VolumePhase.READY, VolumePhase.RESTORING, VolumePhase.GOING_BACK, VolumePhase.RELEASING,
    )  # fmt: skip


def _failed_in_hold(seen: SeenVolume) -> bool:
    return seen.phase is VolumePhase.FAILED and seen.epoch is not None


def _ready(seen: SeenVolume, step: StartApp | Snapshot | SaveForTrial | BeginTrial | TryUpdate) -> bool:
    return seen.phase is VolumePhase.READY and seen.epoch == step.epoch


def _set_aside(seen: SeenVolume) -> SeenVolume:
    if _held(seen) or seen.phase is VolumePhase.FAILED or not seen.clean:
        return replace(seen, phase=VolumePhase.SET_ASIDE, clean=True, trial=None)
    return seen
