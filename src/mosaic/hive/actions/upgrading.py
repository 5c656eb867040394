"""Upgrades of a Device itself: whether it takes them by itself, what it would be given, and giving it now."""

from msgspec import structs

from mosaic.adapters.sql import device_upgrades, events
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.core.errors import NotFound
from mosaic.core.ids import AccountId
from mosaic.hive import device_upgrading
from mosaic.hive.finding import find_device
from mosaic.hive.present import sight
from mosaic.hive.present.devices import newest_report
from mosaic.hive.runtime import Hive
from mosaic.wire.upgrading import DeviceUpgrades, UpgradeOffer


class NoDeviceVersion(NotFound):
    """No catalog of the account has a version of Mosaic for the Device."""

    code = "no-device-version"

    def __init__(self, device: str) -> None:
        super().__init__(
            f"no catalog has another version of {device_upgrading.PACKAGE} for {device} than the one that it runs",
            hint="`mosaic catalog list` shows what there is; `mosaic catalog add URL` adds one that publishes it",
        )


async def get_upgrades(hive: Hive, who: AccountId, device: str) -> DeviceUpgrades:
    """Return how a Device is upgraded, and what it would be given next. Changes nothing."""
    found = await hive.read(lambda tx: find_device(tx, who, device))
    return await _shown(hive, found)


async def kept_upgrades(hive: Hive, who: AccountId, device: str) -> device_upgrades.DeviceUpgrades:
    """Return what is kept of a Device's upgrades. No catalog is looked into, so that a damaged one is of no matter."""
    return await hive.read(lambda tx: device_upgrades.get(tx, find_device(tx, who, device).id))


async def set_upgrades(hive: Hive, who: AccountId, device: str, *, on: bool) -> DeviceUpgrades:
    """Have a Device take newer versions of Mosaic by itself, or no more. The Device is told, and keeps it."""
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> Device:
        found = find_device(tx, who, device)
        kept = device_upgrades.get(tx, found.id)
        if kept.is_on != on:
            device_upgrades.put(tx, found.id, structs.replace(kept, is_on=on))
            verb = "takes newer versions of Mosaic by itself" if on else "takes newer versions of Mosaic no more"
            kind = "device-follows" if on else "device-stays-as-it-is"
            events.add(tx, Happened(who, kind, found.id, f"{found.name} {verb}."), now_ns=now_ns)
        return found

    found = await hive.write(change)
    hive.connections.wake({found.id})
    return await _shown(hive, found)


async def upgrade_device(hive: Hive, who: AccountId, device: str) -> DeviceUpgrades:
    """Have a Device become the newest version that a catalog has for it, now, whether it opted in or not.

    One that failed there is tried once more. What comes of it is read by `get_upgrades`.

    Raises:
        NoDeviceVersion: there is none.
        DeviceOffline, DeviceSlow, DeviceTooOld, DeviceRefused: as the order says.
    """
    found = await hive.read(lambda tx: find_device(tx, who, device))
    kept = await hive.read(lambda tx: device_upgrades.get(tx, found.id))
    offered = await device_upgrading.offer(hive, found)
    # One that did not opt in does not tell its version, and may run another one than it became: it is asked.
    if offered is None or (kept.is_on and offered.digest == kept.running):
        raise NoDeviceVersion(found.name)
    await device_upgrading.give(hive, found, offered, by="owner", again=offered.digest in kept.failed)
    return await _shown(hive, found)


async def _shown(hive: Hive, found: Device) -> DeviceUpgrades:
    kept = await hive.read(lambda tx: device_upgrades.get(tx, found.id))
    offered = await device_upgrading.offer(hive, found)
    report = newest_report(found, sight.take(hive))
    offer = None
    if offered is not None and offered.digest != kept.running:
        offer = UpgradeOffer(offered.catalog.name, offered.label, offered.digest, offered.digest in kept.failed)
    return DeviceUpgrades(kept.is_on, report.version if report else "", offer, kept.state, kept.wish)
