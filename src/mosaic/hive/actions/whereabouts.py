"""Moves, the trash, and the way back from it."""

from mosaic.adapters.sql import devices, events, installations, placements, restores
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.updates import open_one as open_update
from mosaic.core import placement
from mosaic.core.errors import Conflict, Refused
from mosaic.core.failover import TRASH_NS
from mosaic.core.health import duration_words
from mosaic.core.ids import AccountId, InstallationId
from mosaic.core.placement import Phase, Placement
from mosaic.hive import names, succession, updates, wishes
from mosaic.hive.actions.installations import InstallationNameTaken, change_placement, changed
from mosaic.hive.finding import InstallationUnknown, find_device, find_installation
from mosaic.hive.forecast import LOSS_SLACK_SECONDS, LossNotAccepted, require_ready
from mosaic.hive.present import sight
from mosaic.hive.present.installations import last_replicated_ns, lose_seconds, one_installation, trash_entry
from mosaic.hive.present.sight import Sight
from mosaic.hive.runtime import Hive
from mosaic.wire import api


class NothingReplicated(Refused):
    """A forced move would start the app empty (G4)."""

    code = "nothing-replicated"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"nothing of {name} was replicated yet, so another device would start it empty",
            hint=f"start its device again; to begin anew, `mosaic uninstall {name}` and install it on another one",
        )


class HolderSilent(Conflict):
    """A planned move needs the holder, and it is not connected."""

    code = "holder-silent"

    def __init__(self, device: str, name: str) -> None:
        super().__init__(
            f"{device} is not connected, so it cannot hand {name} over",
            hint=f"start it, or accept what would be lost: `mosaic move {name} --to DEVICE --force`",
        )


class NotHandedOver(Conflict):
    """An app in the trash whose last Device has data that nobody else has."""

    code = "not-handed-over"

    def __init__(self, device: str, name: str) -> None:
        super().__init__(
            f"{device} has not handed over the last data of {name}, so that another device would lack it",
            hint=f"start {device} and wait until `mosaic trash list` says that it is saved, or accept what would be"
            f" lost: `mosaic trash restore {name} --device DEVICE --force`",
        )


async def move(hive: Hive, who: AccountId, installation: str, wish: api.Move) -> api.Installation:
    """Begin to move it to another Device; `force` does not wait for the holder."""
    seen = sight.take(hive)

    def change(tx: Tx, found: Installation) -> None:
        target = find_device(tx, who, wish.to)
        if not wish.force:
            wishes.require_none(tx, found)
            updates.require_none(tx, found)
        home = wishes.placement_of(tx, found.id).home
        if not change_placement(tx, found.id, lambda before: _moved(tx, found, before, target, wish, seen)):
            return
        if wishes.placement_of(tx, found.id).home != home:
            updates.left_its_device(tx, found.id, now_ns=seen.now_ns)
        installations.remember_failure(tx, found.id, None)
        _tell_move(tx, who, found, target.name, seen, force=wish.force)

    return await changed(hive, who, installation, change)


def _moved(tx: Tx, found: Installation, before: Placement, target: Device, wish: api.Move, seen: Sight) -> Placement:
    """Return the placement at the beginning of the move. Raises why it cannot begin."""
    if _is_without_device(tx, before):
        # What would be lost with that Device was accepted when it was removed.
        after = placement.force_move(before, target.id, seen.now_ns)
    elif wish.force:
        if target.id != before.home:
            _require_accepted(tx, found, before, wish.lose_seconds, seen)
        after = placement.force_move(before, target.id, seen.now_ns)
    else:
        after = placement.move(before, target.id, seen.now_ns)
    if after != before:
        require_ready(target, seen)
        if not wish.force:
            _require_connected(tx, found, before, seen)
    return after


async def cancel_move(hive: Hive, who: AccountId, installation: str) -> api.Installation:
    """Stop a move that has not arrived: the app stays, or starts again, where it came from."""
    seen = sight.take(hive)

    def change(tx: Tx, found: Installation) -> tuple[str, str]:
        change_placement(tx, found.id, lambda before: placement.cancel_move(before, seen.now_ns))
        return "move-failed", f"The move of {found.name} was stopped."

    return await changed(hive, who, installation, change)


async def uninstall(hive: Hive, who: AccountId, installation: str) -> api.TrashEntry:
    """Stop it, replicate the last snapshot, and keep its data in the trash for 30 days."""
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> api.TrashEntry:
        found = find_installation(tx, who, installation)
        change_placement(tx, found.id, lambda before: placement.uninstall(before, now_ns))
        open_one = restores.open_one(tx, found.id)
        if open_one is not None:
            wishes.end_failed(tx, found, open_one, "it was uninstalled", now_ns=now_ns)
        update = open_update(tx, found.id)
        if update is not None:
            updates.end_cut_short(tx, found, update, "it was uninstalled", now_ns=now_ns)
        text = f"{found.name} is in the trash for 30 days."
        events.add(tx, Happened(who, "uninstalled", found.id, text), now_ns=now_ns)
        after = placements.get(tx, found.id)
        assert after is not None
        return trash_entry(tx, found, after, now_ns)

    entry = await hive.write(change)
    hive.carry_on([InstallationId(entry.installation)])
    return entry


async def restore_from_trash(
    hive: Hive, who: AccountId, installation: str, wish: api.RestoreFromTrash
) -> api.Installation:
    """Bring an uninstalled app back with its data; `force` does not wait for the Device that it was on."""
    seen = sight.take(hive)
    name = names.check(wish.name) if wish.name is not None else None

    def change(tx: Tx) -> api.Installation:
        found = find_installation(tx, who, installation, trashed=True)
        succession.require_none(tx, found)
        before = placements.get(tx, found.id)
        if before is None or seen.now_ns >= before.since_ns + TRASH_NS:
            raise InstallationUnknown(installation, trashed=True)
        device = find_device(tx, who, wish.device if wish.device is not None else _default(tx, before, seen))
        require_ready(device, seen)
        if installations.name_taken(tx, who, name or found.name):
            taken = {each.name for each in installations.of_account(tx, who)}
            raise InstallationNameTaken(name or found.name, names.free(name or found.name, taken))
        if name is not None:
            installations.set_name(tx, found.id, name)
        elsewhere = device.id != before.home and not before.lease.released
        if elsewhere and not wish.force:
            home = devices.get(tx, before.home)
            raise NotHandedOver(home.name if home else "a removed device", found.name)
        if elsewhere:
            _require_accepted(tx, found, before, wish.lose_seconds, seen)
            change_placement(tx, found.id, lambda now: placement.force_from_trash(now, device.id, seen.now_ns))
            updates.left_its_device(tx, found.id, now_ns=seen.now_ns)
        else:
            change_placement(tx, found.id, lambda now: placement.restore_from_trash(now, device.id, seen.now_ns))
        text = f"{name or found.name} comes back on {device.name}."
        events.add(tx, Happened(who, "restored", found.id, text), now_ns=seen.now_ns)
        return one_installation(tx, installations.get(tx, found.id) or found, seen)

    after = await hive.write(change)
    hive.carry_on([InstallationId(after.installation)])
    return after


def _default(tx: Tx, before: Placement, seen: Sight) -> str | None:
    """Where it was, when that Device is there: its data is on it still."""
    home = devices.get(tx, before.home)
    return home.id if home is not None and not home.removed and home.id in seen.connected else None


def _require_accepted(tx: Tx, found: Installation, before: Placement, accepted: float | None, seen: Sight) -> None:
    lease = before.lease
    if lease.released:
        return
    newest_ns = last_replicated_ns(tx, found.id)
    if lease.newest and any(head is None for head in lease.newest.values()):
        raise NothingReplicated(found.name)
    lose = lose_seconds(newest_ns, seen.now_ns)
    if lose is not None and (accepted is None or lose > accepted + LOSS_SLACK_SECONDS):
        raise LossNotAccepted(f"up to {duration_words(int(lose))} of writing")


def _is_without_device(tx: Tx, before: Placement) -> bool:
    """Whether it is installed, and the Device that it belonged on was removed."""
    home = devices.get(tx, before.home)
    return before.phase is not Phase.TRASHED and (home is None or home.removed)


def _require_connected(tx: Tx, found: Installation, before: Placement, seen: Sight) -> None:
    home = devices.get(tx, before.home)
    if before.lease.holder is not None and home is not None and home.id not in seen.connected:
        raise HolderSilent(home.name, found.name)


def _tell_move(tx: Tx, who: AccountId, found: Installation, target: str, seen: Sight, *, force: bool) -> None:
    how = "is taken over by" if force else "moves to"
    kind = "move-arriving" if force else "move-preparing"
    events.add(tx, Happened(who, kind, found.id, f"{found.name} {how} {target}."), now_ns=seen.now_ns)
