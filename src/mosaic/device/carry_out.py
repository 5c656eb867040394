"""Carrying out one step of a plan."""

from collections.abc import Callable
from typing import TypeAlias, assert_never

import msgspec

from mosaic.core import steps as core
from mosaic.device.bell import Bell
from mosaic.device.doing import (
    bundles,
    checking,
    going_back,
    images,
    keys,
    preparing,
    starting,
    stopping,
    trials,
    updating,
    volumes,
)
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.device.package import read_app
from mosaic.device.progress import NAMES, Progress
from mosaic.wire.assignment import Assignment, VolumeAssignment

_AppStep: TypeAlias = core.FetchBundle | core.CheckApp | core.PullImages | core.MakeKeys | core.StartApp
_DataStep: TypeAlias = (
    core.Prefetch
    | core.HoldVolumes
    | core.WaitForVolumes
    | core.SavePresent
    | core.GoBack
    | core.Snapshot
    | core.FinalSnapshot
    | core.ReleaseVolumes
    | core.DiscardData
)
_UnassignedStep: TypeAlias = (
    core.StopApp | core.SetAside | core.KeepTrial | core.UndoTrial | core.CloseEntrance | core.OpenEntrance
)
"""What may also be left to do for an installation that is not assigned here."""

Learnt = Callable[[list[VolumeAssignment]], None]
"""Told which volumes count, as soon as the Hive has said so; the next Assignments say the same."""


async def carry_out(
    step: core.Step, means: Means, item: Assignment | None, progress: Progress, bell: Bell, learnt: Learnt
) -> None:
    """Carry out a step, and show it. `item` is None for an installation that was not assigned.

    Raises:
        MosaicError: it failed; what it left behind is safe to plan from.
        PlanOver: what the plan was for is over.
    """
    name = NAMES[type(step)]

    def show(moved: int | None, total: int | None) -> None:
        progress.moved(name, moved, total)

    with progress.doing(name):
        if isinstance(step, _AppStep):
            await _bring_app(step, means, _assigned(item), bell, learnt)
        elif isinstance(step, core.UpdateStep):
            await _update(step, means, _assigned(item), bell, show)
        elif isinstance(step, _DataStep):
            await _bring_data(step, means, _assigned(item), show)
        else:
            await _do_unassigned(step, means, item, show)


async def _bring_app(step: _AppStep, means: Means, item: Assignment, bell: Bell, learnt: Learnt) -> None:
    match step:
        case core.FetchBundle():
            await bundles.fetch(means, item)
        case core.CheckApp():
            await checking.check(means, item)
        case core.PullImages():
            await images.provide(means, item, await ask(read_app, means, item))
        case core.MakeKeys():
            learnt(await keys.make(means, item.installation, await preparing.kinds(means, item)))
        case core.StartApp():
            await starting.start(means, item, bell)
        case _ as unreachable:
            assert_never(unreachable)


async def _update(step: core.UpdateStep, means: Means, item: Assignment, bell: Bell, show: volumes.Show) -> None:
    match step:
        case core.FetchUpdate():
            await updating.fetch(means, item)
        case core.CheckUpdate():
            await updating.check(means, item)
        case core.PullUpdate():
            await updating.pull(means, item)
        case core.SaveAhead():
            await trials.save_ahead(means, item, str(step.epoch), show)
        case core.SaveForTrial():
            await updating.save(means, item, str(step.epoch), show)
        case core.BeginTrial():
            await updating.begin(means, item, str(step.epoch), show)
        case core.TryUpdate():
            await updating.try_out(means, item, bell)
        case _ as unreachable:
            assert_never(unreachable)


async def _bring_data(step: _DataStep, means: Means, item: Assignment, show: volumes.Show) -> None:
    match step:
        case core.Prefetch():
            await volumes.prefetch(means, item, show)
        case core.HoldVolumes():
            await updating.require_ours(means, item, str(step.epoch))
            await volumes.hold(means, item, str(step.epoch))
        case core.WaitForVolumes():
            await volumes.wait_ready(means, item, str(step.epoch), show)
        case core.SavePresent():
            await going_back.save_present(means, item, str(step.epoch), show)
        case core.GoBack():
            await going_back.go_back(means, item, str(step.epoch), show)
        case core.Snapshot():
            await volumes.snapshot(means, item, str(step.epoch), show)
        case core.FinalSnapshot():
            await volumes.final_snapshot(means, item, str(step.epoch), show)
        case core.ReleaseVolumes():
            await volumes.release(means, item, str(step.epoch))
        case core.DiscardData():
            await stopping.discard(means, item)
        case _ as unreachable:
            assert_never(unreachable)


async def _do_unassigned(step: _UnassignedStep, means: Means, item: Assignment | None, show: volumes.Show) -> None:
    match step:
        case core.StopApp():
            await stopping.stop(means, step.installation)
        case core.SetAside():
            means.records.disown_update(step.installation)
            await volumes.set_aside(means, step.installation, _why(item))
        case core.KeepTrial():
            await trials.keep(means, step.installation, show)
        case core.UndoTrial():
            await trials.undo(means, step.installation, item, show)
        case core.CloseEntrance() | core.OpenEntrance():
            means.records.note_update(step.installation, closed=isinstance(step, core.CloseEntrance))
        case _ as unreachable:
            assert_never(unreachable)


def _assigned(item: Assignment | None) -> Assignment:
    # The plan asks for nothing but stopping, setting aside and ending a trial where nothing is assigned.
    assert item is not None
    return item


def with_volumes(item: Assignment, found: list[VolumeAssignment]) -> Assignment:
    """Return the assignment with the volumes that were registered since it was sent."""
    kinds = {volume.kind for volume in item.volumes}
    return msgspec.structs.replace(item, volumes=[*item.volumes, *(one for one in found if one.kind not in kinds)])


def _why(item: Assignment | None) -> str:
    return "the Hive has assigned it to another Device" if item is None else f"the Hive's goal here is {item.goal}"
