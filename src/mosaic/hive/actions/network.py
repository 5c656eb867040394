"""How apps are found on a Device's own network: what its owner wishes, which the Device itself keeps."""

import msgspec

from mosaic.core.ids import AccountId
from mosaic.hive import ordering
from mosaic.hive.finding import find_device
from mosaic.hive.ordering import DeviceRefused
from mosaic.hive.runtime import Hive
from mosaic.wire.command import SetNetwork
from mosaic.wire.lan import LanState, SetLan


async def set_network(hive: Hive, who: AccountId, device: str, wish: SetLan) -> LanState:
    """Have a Device add HTTPS or names on its network, or no more. What comes of it is in its next report.

    Raises DeviceUnknown, DeviceOffline, DeviceSlow, DeviceTooOld, DeviceRefused.
    """
    found = await hive.read(lambda tx: find_device(tx, who, device))
    result = await ordering.order(hive, who, found.id, SetNetwork(wish.https, wish.names))
    if result.outcome != "done":
        raise DeviceRefused(result.output[:500] or f"{found.name} refused", hint=result.hint or "`mosaic doctor` on it")
    try:
        return msgspec.json.decode(result.output, type=LanState)
    except msgspec.MsgspecError:
        raise DeviceRefused(f"{found.name} said nothing that can be read", hint="update Mosaic on it") from None
