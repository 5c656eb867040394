"""Devices as the API shows them."""

from mosaic.adapters.sql import devices, installations
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.core import health
from mosaic.core.ids import AccountId
from mosaic.hive.present.health import on_wire
from mosaic.hive.present.sight import Sight
from mosaic.wire import api
from mosaic.wire.report import Report


def newest_report(device: Device, sight: Sight) -> Report | None:
    """Return what the Device said last: since the Hive started, or before that."""
    heard = sight.heard.get(device.id)
    return heard.report if heard else device.report


def device_health(device: Device, sight: Sight) -> health.Health:
    """Say how the Device is."""
    heard = sight.heard.get(device.id)
    return health.device_health(
        device.name,
        heard.at_ns if heard else device.reported_ns,
        sight.now_ns,
        admitted=device.admission is not None,
        superseded=device.id in sight.superseded,
    )


def device(tx: Tx, known: Device, sight: Sight) -> api.Device:
    """Return one Device."""
    report = newest_report(known, sight)
    heard = sight.heard.get(known.id)
    return api.Device(
        device=known.id,
        name=known.name,
        admitted=known.admission is not None,
        has_root_key=known.has_root_key,
        wrapping_key=known.wrapping_key,
        connected=known.id in sight.connected,
        last_report_ns=heard.at_ns if heard else known.reported_ns,
        health=on_wire(device_health(known, sight)),
        version=known.version,
        engine_version=report.engine_version if report else None,
        machine=report.machine if report else None,
        pool=report.pool if report else None,
        installations=list(installations.at_home(tx, known.id)),
    )


def all_devices(tx: Tx, account: AccountId, sight: Sight) -> list[api.Device]:
    """Return the account's Devices by name."""
    return [device(tx, known, sight) for known in devices.of_account(tx, account)]
