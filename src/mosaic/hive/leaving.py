"""Carrying the removal of Devices on, look by look, until nothing needs them; then they are removed.

Level-triggered, within the scheduler's look: what is due is worked out of the
database alone, so that a Hive that is killed between any two transactions
goes on where it was. Removing is one transaction: from its commit on the
Device's token opens nothing, and its key no channel.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mosaic.adapters.sql import (
    device_upgrades,
    devices,
    events,
    installations,
    join_tokens,
    leavings,
    placements,
    sessions,
)
from mosaic.adapters.sql import updates as update_rows
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.leavings import Leaving
from mosaic.core import leaving
from mosaic.core.failover import TRASH_NS
from mosaic.core.ids import DeviceId, InstallationId
from mosaic.core.placement import Phase, Placement, is_parked
from mosaic.hive import succession, wishes
from mosaic.hive.channel.sights import Heard
from mosaic.hive.runtime import Hive
from mosaic.wire.report import Report


@dataclass(frozen=True, slots=True)
class Gone:
    """What came of it: which installations to look at, and which Devices were removed."""

    moved: frozenset[InstallationId] = frozenset()
    removed: frozenset[DeviceId] = frozenset()


def carry_on(tx: Tx, heard: Mapping[DeviceId, Heard], *, now_ns: int) -> Gone:
    """Take every step that is due for every Device that leaves."""
    moved: set[InstallationId] = set()
    removed: set[DeviceId] = set()
    for wish in leavings.every(tx):
        device = devices.get(tx, wish.device)
        if device is None or device.removed:
            leavings.end(tx, wish.device)
            continue
        moved |= _carry_on_apps(tx, wish, now_ns)
        said = heard.get(device.id)
        report = said.report if said is not None else device.report
        if is_free(tx, device, now_ns=now_ns) and not set_aside(tx, device, report):
            remove(tx, device, now_ns=now_ns)
            removed.add(device.id)
    return Gone(frozenset(moved), frozenset(removed))


def is_free(tx: Tx, device: Device, *, now_ns: int) -> bool:
    """Whether no installation needs the Device, neither running nor to hand over its last data."""
    return all(
        leaving.has_left(where, device.id) or has_left_the_trash(where, now_ns)
        for where in placements.concerning(tx, device.id).values()
    )


def has_left_the_trash(where: Placement, now_ns: int) -> bool:
    """Whether it was uninstalled, and its 30 days are over."""
    return where.phase is Phase.TRASHED and now_ns >= where.since_ns + TRASH_NS


def set_aside(tx: Tx, device: Device, report: Report | None) -> dict[str, list[str]]:
    """Return the names of the conflict snapshots that the Device alone has, by app (G5)."""
    kept: dict[str, list[str]] = {}
    for volume in report.volumes if report else []:
        known = None if "\0" in volume.installation else installations.get(tx, InstallationId(volume.installation))
        if volume.conflicts and known is not None and known.account == device.account:
            kept.setdefault(known.name, []).extend(one.name for one in volume.conflicts)
    return kept


def remove(tx: Tx, device: Device, *, now_ns: int) -> None:
    """Remove it: its key and its token are useless from this transaction's commit on."""
    # The row that a new session locks as well: it begins before this, and dies, or finds the Device removed.
    sessions.lock(tx, device.id)
    leavings.end(tx, device.id)
    device_upgrades.forget(tx, device.id)
    devices.remove(tx, device.id, now_ns=now_ns)
    sessions.end_all(tx, device.id)
    join_tokens.withdraw(tx, device.account, device.name)
    events.add(tx, Happened(device.account, "device-removed", device.id, f"{device.name} was removed."), now_ns=now_ns)


async def forget(hive: Hive, removed: frozenset[DeviceId]) -> None:
    """End the channels of Devices that were removed."""
    if not removed:
        return
    # Behind whoever is being welcomed just now: it would be attached after this otherwise, and stay.
    async with hive.joining:
        for device in removed:
            hive.connections.forget(device)


def _carry_on_apps(tx: Tx, wish: Leaving, now_ns: int) -> set[InstallationId]:
    moved: set[InstallationId] = set()
    for installation in placements.concerning(tx, wish.device):
        before = placements.lock(tx, installation)
        known = installations.get(tx, installation)
        if before is None or known is None or before.phase is Phase.TRASHED or is_busy(tx, known):
            continue
        target = wish.target(installation)
        after = leaving.step(before, wish.device, target, now_ns, has_failed=known.failure is not None)
        if after != before:
            placements.save(tx, installation, before, after)
            _tell(tx, known, after, target, now_ns)
            moved.add(installation)
    return moved


def is_busy(tx: Tx, known: installations.Installation) -> bool:
    """Whether an update, a way back or new keys keep it where it is until they are over."""
    return (
        update_rows.open_one(tx, known.id) is not None
        or wishes.is_open(tx, known.id)
        or succession.is_open(tx, known.id)
    )


def _tell(tx: Tx, known: installations.Installation, after: Placement, target: DeviceId | None, now_ns: int) -> None:
    found = devices.get(tx, target) if target is not None else None
    if found is not None and after.other == target:
        kind, text = "move-preparing", f"{known.name} moves to {found.name}, because its device is being removed."
    elif is_parked(after):
        kind, text = "stopped", f"{known.name} is stopped and hands over its data, because its device is being removed."
    else:
        kind, text = "move-failed", f"The move of {known.name} was stopped, because that device is being removed."
    events.add(tx, Happened(known.account, kind, known.id, text), now_ns=now_ns)
