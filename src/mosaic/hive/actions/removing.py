"""Removing Devices: the plan, the owner's word, and taking it back. `mosaic.hive.leaving` carries it on."""

from collections.abc import Mapping, Sequence

from mosaic.adapters.sql import devices, events, installations, leavings, placements
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.leavings import Leaving
from mosaic.core import leaving as fates
from mosaic.core import placement
from mosaic.core.errors import Conflict, NotFound
from mosaic.core.health import duration_words
from mosaic.core.ids import AccountId, DeviceId, InstallationId
from mosaic.core.placement import Phase
from mosaic.hive import leaving, removal_plan, roll_call, updates
from mosaic.hive.finding import find_device
from mosaic.hive.forecast import LOSS_SLACK_SECONDS, LossNotAccepted
from mosaic.hive.leaving import Gone
from mosaic.hive.present import sight
from mosaic.hive.present.devices import newest_report
from mosaic.hive.present.sight import Sight
from mosaic.hive.runtime import Hive
from mosaic.wire.removal import Removal, RemovalPlan


class DeviceInUse(Conflict):
    """Installations belong on the Device, or it has the only copy of something."""

    code = "device-in-use"

    def __init__(self, device: str, why: str, *, hint: str) -> None:
        super().__init__(f"{device} cannot be removed: {why}", hint=hint)


class OnlyCopy(Conflict):
    """The Device has set aside what no other machine has (G5)."""

    code = "only-copy"

    def __init__(self, device: str, kept: Mapping[str, Sequence[str]]) -> None:
        app, names = next(iter(kept.items()))
        what = "; ".join(f"{', '.join(each)} of {name}" for name, each in kept.items())
        super().__init__(
            f"{device} has the only copy of what it set aside when another device took over: {what}",
            hint=f"put it back first: `mosaic move {app} --to {device}`, then `mosaic volume restore {app} --conflict"
            f" {names[0]}`; to give it up: `mosaic device remove {device} --force`",
        )


class DeviceSilent(Conflict):
    """Apps can only be handed over by a Device that is connected."""

    code = "device-silent"

    def __init__(self, device: str, apps: Sequence[str]) -> None:
        super().__init__(
            f"{device} is not connected, so it cannot hand over {', '.join(apps)}",
            hint=f"start it, or see what would be lost without it: `mosaic device remove {device} --force --dry-run`",
        )


class NotLeaving(NotFound):
    """There is no removal to take back."""

    code = "device-not-leaving"

    def __init__(self, device: str) -> None:
        super().__init__(f"{device} is not being removed", hint="`mosaic device list` shows the devices")


async def plan_removal(hive: Hive, who: AccountId, device: str, wish: Removal) -> RemovalPlan:
    """Return what removing a Device would do; of one that leaves already, what is left to do. Changes nothing."""
    seen = sight.take(hive)

    def look(tx: Tx) -> RemovalPlan:
        found = find_device(tx, who, device)
        asked = leavings.get(tx, found.id)
        is_new = asked is None or wish.stop or wish.force or wish.to is not None
        targets = removal_plan.choose(tx, who, found, wish, seen) if is_new or asked is None else asked.targets
        return removal_plan.plan(tx, found, targets, by_force=wish.force, seen=seen)

    return await hive.read(look)


async def begin_removal(hive: Hive, who: AccountId, device: str, wish: Removal) -> RemovalPlan:
    """Begin to remove a Device: its apps leave, then it is gone. With `force` it is gone when this returns.

    Asking again chooses anew for the apps that have not left. A Device that nothing needs is removed at once.
    """
    seen = sight.take(hive)

    def change(tx: Tx) -> tuple[RemovalPlan, Gone]:
        roll_call.require_none(tx)
        found = find_device(tx, who, device)
        targets = removal_plan.choose(tx, who, found, wish, seen)
        shown = removal_plan.plan(tx, found, targets, by_force=wish.force, seen=seen)
        if wish.force:
            _require_accepted(shown, wish)
            gone = _remove_by_force(tx, found, shown, seen)
        else:
            gone = _begin(tx, found, shown, seen)
        after = devices.get(tx, found.id) or found
        left = leavings.get(tx, found.id)
        return removal_plan.plan(tx, after, left.targets if left else {}, by_force=False, seen=seen), gone

    after, gone = await hive.write(change)
    await leaving.forget(hive, gone.removed)
    hive.carry_on(gone.moved)
    return after


async def cancel_removal(hive: Hive, who: AccountId, device: str) -> None:
    """Let a Device stay. What was stopped starts again on it; moves that are under way go on."""
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> set[InstallationId]:
        found = find_device(tx, who, device)
        if not leavings.end(tx, found.id):
            raise NotLeaving(found.name)
        back: set[InstallationId] = set()
        for installation in placements.concerning(tx, found.id):
            before = placements.lock(tx, installation)
            if before is not None and placement.is_parked(before):
                placements.save(tx, installation, before, placement.cancel_move(before, now_ns))
                back.add(installation)
        events.add(tx, Happened(who, "device-stays", found.id, f"{found.name} is not removed."), now_ns=now_ns)
        return back

    hive.carry_on(await hive.write(change))


async def remove_device(hive: Hive, who: AccountId, device: str, *, force: bool = False) -> None:
    """Remove a Device that nothing belongs on, now or not at all. `force` gives up what it set aside."""
    seen = sight.take(hive)

    def change(tx: Tx) -> DeviceId:
        roll_call.require_none(tx)
        found = find_device(tx, who, device)
        _require_unused(tx, found, now_ns=seen.now_ns)
        if not force:
            _require_nothing_set_aside(found.name, leaving.set_aside(tx, found, newest_report(found, seen)))
        leaving.remove(tx, found, now_ns=seen.now_ns)
        return found.id

    await leaving.forget(hive, frozenset({await hive.write(change)}))


def _begin(tx: Tx, found: Device, shown: RemovalPlan, seen: Sight) -> Gone:
    _require_nothing_set_aside(found.name, shown.set_aside)
    waits = [each.name for each in [*shown.apps, *shown.in_trash]]
    if waits and not shown.reachable:
        raise DeviceSilent(found.name, waits)
    if not found.leaving:
        text = f"{found.name} is being removed."
        events.add(tx, Happened(found.account, "device-leaving", found.id, text), now_ns=seen.now_ns)
    targets = {InstallationId(each.installation): DeviceId(each.to) for each in shown.apps if each.to is not None}
    for each in shown.apps:
        # What failed before is no reason not to try what was asked now.
        installations.remember_failure(tx, InstallationId(each.installation), None)
    leavings.put(tx, Leaving(found.id, seen.now_ns, targets))
    gone = leaving.carry_on(tx, seen.heard, now_ns=seen.now_ns)
    return Gone(gone.moved | set(placements.concerning(tx, found.id)), gone.removed)


def _require_accepted(shown: RemovalPlan, wish: Removal) -> None:
    for app in shown.apps:
        if app.lose_seconds is None or app.lose_seconds == 0:
            # That everything of it is lost, or nothing, was in the plan, and does not change while it is read.
            continue
        if app.lose_seconds > wish.lose_seconds.get(app.installation, -LOSS_SLACK_SECONDS) + LOSS_SLACK_SECONDS:
            raise LossNotAccepted(f"up to {duration_words(int(app.lose_seconds))} of writing to {app.name}")


def _remove_by_force(tx: Tx, found: Device, shown: RemovalPlan, seen: Sight) -> Gone:
    """Take everything from the Device and remove it, in this one transaction."""
    targets = {InstallationId(each.installation): each for each in shown.apps}
    concerned = placements.concerning(tx, found.id)
    for installation in concerned:
        before = placements.lock(tx, installation)
        known = installations.get(tx, installation)
        if before is None or known is None or before.phase is Phase.TRASHED:
            continue
        app = targets.get(installation)
        if app is not None and app.does == "lost":
            after = placement.uninstall(before, seen.now_ns)
            kind, text = "uninstalled", f"{known.name} is lost with {found.name}: nothing of it was ever replicated."
        else:
            target = DeviceId(app.to) if app is not None and app.to is not None else None
            after = fates.step_by_force(before, found.id, target, seen.now_ns)
            how = f"is taken over by {app.to_name}" if app is not None and app.to is not None else "is on no device now"
            kind, text = "move-arriving", f"{known.name} {how}, because {found.name} was removed."
        placements.save(tx, installation, before, after)
        if before.home == found.id:
            updates.left_its_device(tx, installation, now_ns=seen.now_ns)
            events.add(tx, Happened(found.account, kind, installation, text), now_ns=seen.now_ns)
    leaving.remove(tx, found, now_ns=seen.now_ns)
    return Gone(frozenset(concerned), frozenset({found.id}))


def _require_unused(tx: Tx, device: Device, *, now_ns: int) -> None:
    name = device.name
    for installation, where in placements.concerning(tx, device.id).items():
        known = installations.get(tx, installation)
        what = known.name if known else installation
        if fates.has_left(where, device.id) or leaving.has_left_the_trash(where, now_ns):
            continue
        if where.phase is not Phase.TRASHED:
            raise DeviceInUse(
                name,
                f"{what} belongs on it",
                hint=f"`mosaic device remove {name}` shows where its apps would go, and moves them first",
            )
        raise DeviceInUse(
            name,
            f"it has not handed over the last data of {what}, which is in the trash",
            hint="start the device and wait until `mosaic trash list` says that it is saved; if it will not come"
            f" back, `mosaic trash restore {what} --device DEVICE --force` first",
        )


def _require_nothing_set_aside(name: str, kept: Mapping[str, Sequence[str]]) -> None:
    if kept:
        raise OnlyCopy(name, kept)
