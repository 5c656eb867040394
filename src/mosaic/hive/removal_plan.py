"""What removing a Device would do, or still has to do: looked up, and nothing changed."""

from collections.abc import Mapping

from mosaic.adapters.sql import devices, installations, leavings, placements
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId, DeviceId, InstallationId
from mosaic.core.leaving import Candidate, assign, has_left
from mosaic.core.placement import Phase, Placement
from mosaic.hive.finding import find_device
from mosaic.hive.forecast import is_ready, require_ready
from mosaic.hive.leaving import has_left_the_trash, set_aside
from mosaic.hive.present.devices import newest_report
from mosaic.hive.present.installations import last_replicated_ns, lose_seconds
from mosaic.hive.present.sight import Sight
from mosaic.wire.removal import LeavingApp, Removal, RemovalPlan


class RemovalUnclear(Refused):
    """The wish says two things at once, or moves apps to the very Device that goes."""

    code = "removal-unclear"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, hint="name one other device with `--move-to`, or stop the apps with `--stop`")


def choose(
    tx: Tx, who: AccountId, device: Device, wish: Removal, seen: Sight
) -> Mapping[InstallationId, DeviceId | None]:
    """Return where each app of the Device goes, None for those that are stopped. Raises DeviceNotReady."""
    here = installations.at_home(tx, device.id)
    if wish.to is not None and wish.stop:
        raise RemovalUnclear("apps cannot both be moved and stopped")
    if wish.stop:
        return dict.fromkeys(here)
    if wish.to is not None:
        target = find_device(tx, who, wish.to)
        if target.id == device.id:
            raise RemovalUnclear(f"{device.name} is the device that is being removed")
        require_ready(target, seen)
        return dict.fromkeys(here, target.id)
    others = [each for each in devices.of_account(tx, who) if each.id != device.id and is_ready(each, seen)]
    return assign(here, [Candidate(each.id, each.name, len(installations.at_home(tx, each.id))) for each in others])


def plan(
    tx: Tx, device: Device, targets: Mapping[InstallationId, DeviceId | None], *, by_force: bool, seen: Sight
) -> RemovalPlan:
    """Return what becomes of everything that is on the Device."""
    asked = leavings.get(tx, device.id)
    apps: list[LeavingApp] = []
    trash: list[LeavingApp] = []
    for installation, where in placements.concerning(tx, device.id).items():
        known = installations.get(tx, installation)
        if known is None or has_left(where, device.id) or has_left_the_trash(where, seen.now_ns):
            continue
        if where.phase is Phase.TRASHED:
            lose = lose_seconds(last_replicated_ns(tx, installation), seen.now_ns)
            trash.append(LeavingApp(installation, known.name, "lost", lose_seconds=lose))
        elif where.home == device.id:
            apps.append(_app(tx, known, where, _target(installation, where, targets), by_force=by_force, seen=seen))
    return RemovalPlan(
        device=device.id,
        name=device.name,
        reachable=device.id in seen.connected,
        asked_ns=asked.asked_ns if asked else None,
        removed=device.removed,
        apps=sorted(apps, key=lambda each: each.name),
        set_aside=set_aside(tx, device, newest_report(device, seen)),
        in_trash=trash,
    )


def _target(
    installation: InstallationId, where: Placement, targets: Mapping[InstallationId, DeviceId | None]
) -> DeviceId | None:
    """Return where it is on its way to; else where it was chosen to go."""
    is_going = where.phase in (Phase.PREPARING, Phase.DRAINING) and where.other is not None
    return where.other if is_going else targets.get(installation)


def _app(
    tx: Tx, known: Installation, where: Placement, target: DeviceId | None, *, by_force: bool, seen: Sight
) -> LeavingApp:
    found = devices.get(tx, target) if target is not None else None
    lose: float | None = 0.0
    if by_force and not where.lease.released:
        # Without a volume there is nothing to lose.
        has_data = bool(where.lease.newest)
        lose = lose_seconds(last_replicated_ns(tx, known.id), seen.now_ns) if has_data else 0.0
    return LeavingApp(
        installation=known.id,
        name=known.name,
        does="lost" if by_force and is_nowhere(where) else "move" if found else "stop",
        to=found.id if found else None,
        to_name=found.name if found else "",
        lose_seconds=lose,
        problem=known.failure or "",
    )


def is_nowhere(where: Placement) -> bool:
    """Whether no store has anything of it, so that no other Device could start it (G4)."""
    return not where.lease.released and None in where.lease.newest.values()
