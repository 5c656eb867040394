"""Finding a Device by what a person calls it."""

from mosaic.adapters.api_client import HiveClient
from mosaic.core.errors import NotFound
from mosaic.wire.api import Device


class DeviceUnknown(NotFound):
    """No Device has that name or id."""

    code = "device-unknown"

    def __init__(self, name: str, known: list[str]) -> None:
        there = f"these exist: {', '.join(known)}" if known else "there is none yet; `mosaic device add` adds one"
        super().__init__(f"there is no Device called {name!r}", hint=there)


def find(hive: HiveClient, name: str) -> Device:
    """Return the Device of that name, or of that id. Raises DeviceUnknown."""
    devices = hive.get("/api/devices", list[Device])
    for device in devices:
        if name in (device.name, device.device):
            return device
    raise DeviceUnknown(name, [device.name for device in devices])
