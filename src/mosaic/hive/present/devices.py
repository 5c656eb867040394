"""Devices as the API shows them."""

from mosaic.adapters.sql import devices, installations
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.core import health
from mosaic.core.errors import NotFound
from mosaic.core.ids import AccountId
from mosaic.hive.present.health import on_wire
from mosaic.hive.present.sight import Sight
from mosaic.wire import api
from mosaic.wire.report import Report


class NothingReported(NotFound):
    """The Device has not told anything yet."""

    code = "nothing-reported"

    def __init__(self, device: str) -> None:
        super().__init__(f"{device} has not reported anything yet", hint="start it; `mosaic device list` shows it")


def newest_report(device: Device, sight: Sight) -> Report | None:
    """Return what the Device said last: since the Hive started, or before that."""
    heard = sight.heard.get(device.id)
    return heard.report if heard else device.report


def last_heard_ns(device: Device, sight: Sight) -> int | None:
    """Return when the Device was heard last: since the Hive started, or before that."""
    heard_ns = sight.heard_ns(device.id)
    return device.reported_ns if heard_ns is None else heard_ns


def device_health(device: Device, sight: Sight) -> health.Health:
    """Say how the Device is."""
    return health.device_health(
        device.name,
        last_heard_ns(device, sight),
        sight.now_ns,
        admitted=device.admission is not None,
        superseded=device.id in sight.superseded,
    )


def device(tx: Tx, known: Device, sight: Sight) -> api.Device:
    """Return one Device."""
    report = newest_report(known, sight)
    return api.Device(
        device=known.id,
        name=known.name,
        admitted=known.admission is not None,
        has_root_key=known.has_root_key,
        wrapping_key=known.wrapping_key,
        connected=known.id in sight.connected,
        last_report_ns=last_heard_ns(known, sight),
        health=on_wire(device_health(known, sight)),
        version=known.version,
        engine_version=report.engine_version if report else None,
        machine=report.machine if report else None,
        pool=report.pool if report else None,
        installations=list(installations.at_home(tx, known.id)),
        joined_ns=known.created_ns,
        problem=report.problem if report else None,
        leaving=known.leaving,
        signing_key=known.signing_key,
        proof=known.key_proof,
    )


def all_devices(tx: Tx, account: AccountId, sight: Sight) -> list[api.Device]:
    """Return the account's Devices by name."""
    return [device(tx, known, sight) for known in devices.of_account(tx, account)]
