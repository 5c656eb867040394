"""What becomes of the apps of a Device that is being removed.

`assign` chooses, once, and its choice is shown before anything is done;
`step` then carries one app on, look by look, until `has_left` says that the
Device is not needed for it any more. Moves themselves are `failover`'s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mosaic.core import placement
from mosaic.core.ids import DeviceId, InstallationId
from mosaic.core.lease import revoke
from mosaic.core.placement import Phase, Placement


@dataclass(frozen=True, slots=True)
class Candidate:
    """A Device that can take an app now, and how many it has."""

    device: DeviceId
    name: str
    apps: int


def assign(apps: Iterable[InstallationId], candidates: Iterable[Candidate]) -> Mapping[InstallationId, DeviceId | None]:
    """Choose where each app goes: always to the Device with the fewest. None, for each, when nobody can take one."""
    after = {each.device: each for each in candidates}
    chosen: dict[InstallationId, DeviceId | None] = {}
    for app in apps:
        best = min(after.values(), key=lambda each: (each.apps, each.name), default=None)
        chosen[app] = best.device if best else None
        if best is not None:
            after[best.device] = replace(best, apps=best.apps + 1)
    return chosen


def step(
    where: Placement, device: DeviceId, target: DeviceId | None, now_ns: int, *, has_failed: bool = False
) -> Placement:
    """Take the step that is due so that the app leaves `device`. Taking it again changes nothing.

    Without a `target` the app is stopped, and everything that it wrote handed
    over. What is on its way somewhere is waited for; one whose move has failed
    stays and runs until its owner names another target.
    """
    if where.home == device and placement.is_parked(where) and target is not None:
        return placement.move(where, target, now_ns)
    if where.home == device and where.other is None:
        if where.phase not in (Phase.SETTLED, Phase.ARRIVING, Phase.CONFIRMING) or has_failed:
            return where
        return placement.park(where, now_ns) if target is None else placement.move(where, target, now_ns)
    comes_here = where.other == device and where.phase in (Phase.PREPARING, Phase.DRAINING)
    if comes_here and not where.returning:
        return placement.cancel_move(where, now_ns)
    return where


def step_by_force(where: Placement, device: DeviceId, target: DeviceId | None, now_ns: int) -> Placement:
    """Take the app from `device` without asking it; what it has not replicated stays there as a conflict (G5)."""
    if where.phase is Phase.TRASHED or device not in (where.home, where.other):
        return where
    if where.home != device:
        # It was coming here, or could have been sent back here: it stays where it is.
        return placement.force_move(where, where.home, now_ns) if _comes(where) else replace(where, other=None)
    if target is not None:
        return placement.force_move(where, target, now_ns)
    parked = placement.enter(where, Phase.DRAINING, now_ns)
    return replace(parked, lease=revoke(where.lease), other=None, returning=False, problem=None)


def has_left(where: Placement, device: DeviceId) -> bool:
    """Whether `device` is not needed for the app any more: it is elsewhere, or all that it wrote was handed over."""
    if device not in (where.home, where.other):
        return True
    handed_over = where.phase is Phase.TRASHED or placement.is_parked(where)
    return where.home == device and handed_over and where.lease.released


def _comes(where: Placement) -> bool:
    return where.phase in (Phase.PREPARING, Phase.DRAINING)
