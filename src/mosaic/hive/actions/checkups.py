"""Asking a Device how its machine is."""

from mosaic.core.ids import AccountId
from mosaic.hive import ordering
from mosaic.hive.finding import find_device
from mosaic.hive.ordering import DeviceRefused
from mosaic.hive.runtime import Hive
from mosaic.wire.api import Logs
from mosaic.wire.command import Doctor

_CHECKS_SECONDS = 25.0
"""Less than who asks waits; an engine that hangs is said after 10 s, and the checks are made beside one another."""


async def doctor(hive: Hive, who: AccountId, device: str) -> Logs:
    """Have the Device make its checks. Raises DeviceUnknown, DeviceOffline, DeviceSlow, DeviceTooOld, DeviceRefused."""
    found = await hive.read(lambda tx: find_device(tx, who, device))
    result = await ordering.order(hive, who, found.id, Doctor(), seconds=_CHECKS_SECONDS)
    if result.outcome != "done":
        raise DeviceRefused(result.output[:500] or f"{found.name} refused", hint=result.hint or "`mosaic doctor` on it")
    return Logs(result.output)
