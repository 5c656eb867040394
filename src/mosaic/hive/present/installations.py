"""Installations as the API shows them."""

from collections.abc import Iterable

from msgspec.structs import replace

from mosaic.adapters.sql import devices, drills, heads, installations, placements, restores, updates, volumes
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.updates import Update
from mosaic.adapters.sql.volumes import Volume
from mosaic.core.failover import TRASH_NS
from mosaic.core.ids import AccountId, DeviceId, HeadHash, InstallationId
from mosaic.core.placement import Phase, Placement, Wish, is_parked
from mosaic.hive.present.devices import device_health, newest_report
from mosaic.hive.present.health import app_health, data_health, on_wire, without_device
from mosaic.hive.present.sight import Sight
from mosaic.hive.present.updates import updating_of
from mosaic.wire import api
from mosaic.wire.report import InstallationReport, VolumeReport

_PARKED = "parked"


def all_installations(tx: Tx, account: AccountId, sight: Sight) -> list[api.Installation]:
    """Return what is installed, by name."""
    known = {device.id: device for device in devices.of_account(tx, account)}
    where = placements.of_account(tx, account)
    back, wishes = _going_back(tx, account), updates.of_account(tx, account)
    return [
        _with_wishes(installation(each, where[each.id], known, sight), back.get(each.id), wishes.get(each.id))
        for each in installations.of_account(tx, account)
        if where[each.id].phase is not Phase.TRASHED
    ]


def one_installation(tx: Tx, known: Installation, sight: Sight) -> api.Installation:
    """Return one installation."""
    placement = placements.of_account(tx, known.account)[known.id]
    shown = installation(known, placement, {each.id: each for each in devices.of_account(tx, known.account)}, sight)
    return _with_wishes(shown, _going_back(tx, known.account).get(known.id), updates.newest(tx, known.id))


def _with_wishes(shown: api.Installation, back: api.GoingBack | None, wish: Update | None) -> api.Installation:
    report = shown.reports.get(shown.device)
    return replace(shown, going_back=back, updating=updating_of(wish, report) if wish else None)


def _going_back(tx: Tx, account: AccountId) -> dict[InstallationId, api.GoingBack]:
    wishes = restores.of_account(tx, account)
    named = [head for each in wishes.values() for head in (each.head, each.saved) if head is not None]
    instants = heads.instants(tx, named)
    return {
        each.installation: api.GoingBack(
            id=each.id,
            volume=each.volume,
            head=each.head,
            conflict=each.conflict,
            instant_ns=instants.get(each.head) if each.head else None,
            app_digest=each.app_digest,
            asked_ns=each.asked_ns,
            ended_ns=each.ended_ns,
            saved=each.saved,
            saved_instant_ns=instants.get(each.saved) if each.saved else None,
            failure=each.failure,
        )
        for each in wishes.values()
    }


def installation(
    known: Installation, placement: Placement, of_account: dict[DeviceId, Device], sight: Sight
) -> api.Installation:
    """Return it, with what each Device last said about it."""
    said = {each.id: newest_report(each, sight) for each in of_account.values()}
    reports: dict[str, InstallationReport] = {}
    kept: list[VolumeReport] = []
    for device, report in said.items():
        for told in report.installations if report else []:
            if told.installation == known.id:
                reports[device] = told
        if report is not None and device == placement.home:
            kept = [each for each in report.volumes if each.installation == known.id]
    set_aside = [
        api.SetAside(device, volume.volume, volume.kind, conflict)
        for device, report in said.items()
        for volume in (report.volumes if report else [])
        if volume.installation == known.id and of_account[device].admission is not None
        for conflict in volume.conflicts
    ]
    home = of_account.get(placement.home)
    found = (
        without_device(known.name)
        if home is None
        else app_health(
            known.name,
            reports.get(placement.home),
            device_health(home, sight),
            wanted=placement.wish is Wish.RUN,
            problem=placement.problem,
        )
    )
    return api.Installation(
        installation=known.id,
        name=known.name,
        app=known.app,
        app_digest=known.app_digest,
        wanted="run" if placement.wish is Wish.RUN else "stop",
        phase=_PARKED if is_parked(placement) and home is None else placement.phase.value,
        device=placement.home,
        target=placement.other,
        epoch=str(placement.lease.epoch),
        failover=placement.lease.policy.value,
        open=known.open,
        health=on_wire(found),
        created_ns=known.created_ns,
        reports=reports,
        volumes=kept,
        problem=placement.problem or known.failure,
        data_health=on_wire(data_health(kept, sight.now_ns)),
        since_ns=placement.since_ns,
        set_aside=set_aside,
        label=known.label,
        catalog=known.catalog,
        follows=known.follows,
    )


def trash(tx: Tx, account: AccountId, sight: Sight) -> list[api.TrashEntry]:
    """Return what was uninstalled and can be restored, the newest first."""
    where = placements.of_account(tx, account)
    known = {device.id: device for device in devices.of_account(tx, account)}
    entries = [
        trash_entry(
            tx,
            each,
            where[each.id],
            sight.now_ns,
            report=_report_on(each.id, known.get(where[each.id].home), sight),
        )
        for each in installations.of_account(tx, account)
        if where[each.id].phase is Phase.TRASHED and sight.now_ns < where[each.id].since_ns + TRASH_NS
    ]
    return sorted(entries, key=lambda entry: -entry.uninstalled_ns)


def home_report(tx: Tx, known: Installation, sight: Sight) -> InstallationReport | None:
    """Return what the Device that it belongs on last said about it."""
    where = placements.get(tx, known.id)
    return _report_on(known.id, devices.get(tx, where.home) if where else None, sight)


def _report_on(installation: InstallationId, device: Device | None, sight: Sight) -> InstallationReport | None:
    report = newest_report(device, sight) if device else None
    said = report.installations if report else []
    return next((each for each in said if each.installation == installation), None)


def trash_entry(
    tx: Tx, known: Installation, placement: Placement, now_ns: int, *, report: InstallationReport | None = None
) -> api.TrashEntry:
    """Return one entry of the trash. `report` is what the Device says that it was on."""
    newest_ns = last_replicated_ns(tx, known.id)
    return api.TrashEntry(
        installation=known.id,
        name=known.name,
        app=known.app,
        uninstalled_ns=placement.since_ns,
        until_ns=placement.since_ns + TRASH_NS,
        last_replicated_ns=newest_ns,
        saved=placement.lease.released,
        report=None if placement.lease.released else report,
        lose_seconds=0.0 if placement.lease.released else lose_seconds(newest_ns, now_ns),
        device=placement.home,
    )


def lose_seconds(newest_replicated_ns: int | None, now_ns: int) -> float | None:
    """Return how many seconds of data exist nowhere but at the silent holder; None when nothing was replicated."""
    return None if newest_replicated_ns is None else max(0.0, (now_ns - newest_replicated_ns) / 1e9)


def last_replicated_ns(tx: Tx, installation_id: InstallationId) -> int | None:
    """Return the instant up to which all of the installation's data is safe; None when some volume has no head."""
    return _oldest(tx, [volume for volume in volumes.of_installation(tx, installation_id) if volume.kind == "data"])


def _oldest(tx: Tx, kept: Iterable[Volume]) -> int | None:
    newest = [volume.newest for volume in kept]
    hashes = [head for head in newest if head is not None]
    if not hashes or len(hashes) != len(newest):
        return None
    return min(heads.instants(tx, hashes).values())


def all_volumes(tx: Tx, account: AccountId, sight: Sight) -> list[api.Volume]:
    """Return the volumes of all installations, those in the trash too."""
    names = {each.id: each.name for each in installations.of_account(tx, account)}
    reports: dict[str, list[VolumeReport]] = {}
    for device in devices.of_account(tx, account):
        report = newest_report(device, sight)
        for told in report.volumes if report else []:
            reports.setdefault(told.volume, []).append(told)
    known = volumes.of_account(tx, account)
    instants = heads.instants(tx, [HeadHash(each.newest) for each in known if each.newest])
    drilled = drills.of_volumes(tx, [each.id for each in known])
    return [
        api.Volume(
            volume=each.id,
            installation=each.installation,
            name=names[each.installation],
            kind=each.kind,
            newest_head=each.newest,
            newest_instant_ns=instants.get(each.newest) if each.newest else None,
            reports=reports.get(each.id, []),
            proved=next((one for one in drilled.get(each.id, []) if not one.drill.differing), None),
            last_drill=next(iter(drilled.get(each.id, [])), None),
        )
        for each in known
    ]
