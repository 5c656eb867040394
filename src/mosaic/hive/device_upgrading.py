"""Devices that become a newer version of Mosaic: what is offered, who is ordered, what came of it.

A version is the package `mosaic-device` in one of the owner's catalogs, for
the Device's own hardware and as its roll-out lets it. The Device checks the
signatures itself; here is only decided when it is told. By itself none is told
that did not opt in, and none twice of a version that failed there.
"""

from typing import Literal

import anyio
from msgspec import structs

from mosaic.adapters import log
from mosaic.adapters.sql import audit, catalogs, device_upgrades, devices, events
from mosaic.adapters.sql.device_upgrades import DeviceUpgrades
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.core.audit import Entry
from mosaic.core.errors import MosaicError
from mosaic.core.ids import AccountId, DeviceId
from mosaic.crypto.tokens import new_id
from mosaic.hive import ordering
from mosaic.hive.catalog_choice import offer_for, taker_of
from mosaic.hive.catalogs import Offered
from mosaic.hive.ordering import DeviceRefused
from mosaic.hive.present import sight
from mosaic.hive.present.devices import newest_report
from mosaic.hive.runtime import Hive
from mosaic.wire.command import Upgrade
from mosaic.wire.report import Report, UpgradeState

PACKAGE = "mosaic-device"
"""The name of the package that a Device is upgraded from."""

UNDER_WAY = "upgrade-under-way"
"""The code by which a Device refuses a second one beside another."""

_NOT_ITS_FAULT = (UNDER_WAY, "ledger-not-written")
"""Refusals that say nothing of the version: another one comes first, or the Device's disk is full."""

_EVERY_SECONDS = 120.0
_AGAIN_NS = 3600 * 10**9
"""What could not be fetched is ordered again after this."""

_ENDED = ("kept", "back", "refused")
_LONGEST = 1000


async def keep(hive: Hive) -> None:
    """Look, for ever."""
    while True:
        try:
            await look(hive)
        except MosaicError as error:
            log.warning("device_upgrades_paused", code=error.code, reason=error.message)
        await anyio.sleep(_EVERY_SECONDS)


async def look(hive: Hive) -> None:
    """Order the newer version of every Device that opted in, is connected, and has none under way."""
    for device in await hive.read(devices.every):
        kept = await hive.read(lambda tx, each=device: device_upgrades.get(tx, each.id))  # type: ignore[misc] # bound now
        if not kept.is_on or device.leaving or device.admission is None or hive.connections.get(device.id) is None:
            continue
        try:
            offered = await offer(hive, device)
            if offered is not None and may_order(kept, offered.digest, now_ns=hive.clock.wall_ns()):
                await give(hive, device, offered, by="scheduler")
        except MosaicError as error:
            log.warning("device_not_upgraded", device=device.id, code=error.code, reason=error.message)
        except Exception as error:  # a mistake of ours about one Device must not end the Hive
            log.mistake("device_upgrade_broke", error, device=device.id)


def may_order(kept: DeviceUpgrades, digest: str, *, now_ns: int) -> bool:
    """Whether a package is ordered without its owner's word."""
    if digest == kept.running or digest in kept.failed:
        return False
    if digest != kept.digest:
        return not kept.is_under_way or now_ns - kept.asked_ns >= _AGAIN_NS
    # The same once more: it could not be fetched, or nothing was heard of it.
    return now_ns - kept.asked_ns >= _AGAIN_NS


async def offer(hive: Hive, device: Device) -> Offered | None:
    """Return the newest version that one of the catalogs of the Device's owner has for it, None without any.

    Nobody is asked: it is what the last refresh of each found. Of several catalogs the first by name counts.
    """
    taker = taker_of(device, newest_report(device, sight.take(hive)))
    for catalog in await hive.read(lambda tx: catalogs.of_account(tx, device.account)):
        targets = await hive.in_thread(lambda: hive.catalogs.listed(catalog))  # noqa: B023 (called at once)
        offered = offer_for(catalog, targets, PACKAGE, taker)
        if offered is not None:
            return offered
    return None


async def give(
    hive: Hive, device: Device, offered: Offered, *, by: Literal["owner", "scheduler"], again: bool = False
) -> str:
    """Order a Device to become a version, and return the wish's id. What comes of it is in its reports.

    Raises:
        DeviceOffline, DeviceSlow, DeviceTooOld: it was not ordered, or did not answer.
        DeviceRefused: it does not, and why.
    """
    wish, now_ns = new_id(), hive.clock.wall_ns()

    def note(tx: Tx) -> None:
        kept = device_upgrades.get(tx, device.id)
        changed = structs.replace(
            kept,
            wish=wish,
            catalog=offered.catalog.name,
            label=offered.label,
            digest=offered.digest,
            asked_ns=now_ns,
            state=None,
        )
        device_upgrades.put(tx, device.id, changed)

    if hive.connections.get(device.id) is None:
        raise ordering.DeviceOffline(device.name)
    await hive.write(note)
    body = Upgrade(wish, offered.catalog.name, offered.digest, again)
    result = await ordering.order(hive, device.account, device.id, body, by=by)
    if result.outcome != "done":
        said = result.output[:_LONGEST] or f"{device.name} refused"
        if result.code not in _NOT_ITS_FAULT:
            # What came too late was not refused: it is ordered again.
            may_retry = result.outcome != "refused"
            state = UpgradeState(wish, offered.digest, "", "refused", said, may_retry=may_retry)
            await hive.write(lambda tx: _take(tx, device.account, device.id, state, now_ns=hive.clock.wall_ns()))
        raise DeviceRefused(said, hint=result.hint or f"`mosaic device show {device.name}`")
    return wish


def hear(tx: Tx, account: AccountId, device: DeviceId, report: Report, *, now_ns: int) -> None:
    """Take in what a Device says of its upgrade. Hearing the same again changes nothing."""
    if report.upgrade is not None:
        _take(tx, account, device, report.upgrade, now_ns=now_ns)
    kept = device_upgrades.get(tx, device) if report.version else None
    if kept is not None and kept.version not in ("", report.version):
        # Somebody started another version there by hand.
        device_upgrades.put(tx, device, structs.replace(kept, running="", version=""))


def _take(tx: Tx, account: AccountId, device: DeviceId, said: UpgradeState, *, now_ns: int) -> None:
    kept = device_upgrades.get(tx, device)
    if said.wish == kept.told or said == kept.state:
        return
    changed = structs.replace(kept, state=said, told=said.wish if said.stage in _ENDED else kept.told)
    if said.stage == "kept":
        changed = structs.replace(
            changed,
            running=said.digest,
            version=said.version,
            failed=[one for one in kept.failed if one != said.digest],
        )
    elif said.stage == "back" or (said.stage == "refused" and not said.may_retry):
        changed = structs.replace(changed, failed=[*(one for one in kept.failed if one != said.digest), said.digest])
    device_upgrades.put(tx, device, changed)
    if said.stage in _ENDED:
        _tell(tx, account, device, kept, said, now_ns=now_ns)


def _tell(
    tx: Tx, account: AccountId, device: DeviceId, kept: DeviceUpgrades, said: UpgradeState, *, now_ns: int
) -> None:
    known = devices.get(tx, device)
    name = known.name if known is not None else device
    version = said.version or kept.label
    if said.stage == "kept":
        happened = Happened(account, "device-upgraded", device, f"{name} runs Mosaic {version} now.")
    else:
        left = "runs the version before" if said.stage == "back" else "was left as it was"
        why = said.why.rstrip(".")[:_LONGEST]
        happened = Happened(
            account, "device-upgrade-failed", device, f"{name} did not become Mosaic {version} and {left}: {why}."
        )
    events.add(tx, happened, now_ns=now_ns)
    outcome = {"kept": "done", "back": "failed"}.get(said.stage, "refused")
    row = {"wish": said.wish, "digest": said.digest, "version": version, "why": said.why[:_LONGEST]}
    audit.append(tx, account, Entry(now_ns, "hive", "upgrade", "", device, row, outcome))
