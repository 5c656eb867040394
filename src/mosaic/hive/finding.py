"""Finding what people name: by id or by name, within their own account only."""

from collections.abc import Sequence

from mosaic.adapters.sql import devices, installations, volumes
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.volumes import Volume
from mosaic.core.errors import NotFound, Refused
from mosaic.core.ids import AccountId, VolumeId


class DeviceUnknown(NotFound):
    """The account has no Device of this id or name."""

    code = "device-unknown"

    def __init__(self, device: str, known: Sequence[str]) -> None:
        has = f"there is {', '.join(known[:8])}" if known else "add one with `mosaic device add`"
        super().__init__(f"there is no device {device[:80]!r}", hint=f"`mosaic device list` shows them; {has}")


class DeviceUnclear(Refused):
    """Several Devices could be meant, or there is none."""

    code = "device-unclear"

    def __init__(self, known: Sequence[str]) -> None:
        if known:
            super().__init__(
                f"there are {len(known)} devices, and none was named", hint=f"name one of {', '.join(known[:8])}"
            )
        else:
            super().__init__("there is no device yet", hint="add one with `mosaic device add`")


class InstallationUnknown(NotFound):
    """The account has no installation of this id or name."""

    code = "installation-unknown"

    def __init__(self, installation: str, *, trashed: bool = False) -> None:
        where = "in the trash" if trashed else "installed"
        command = "mosaic trash list" if trashed else "mosaic apps"
        super().__init__(f"{installation[:80]!r} is not {where}", hint=f"`{command}` shows what is")


class VolumeUnknown(NotFound):
    """The account has no such volume."""

    code = "volume-unknown"

    def __init__(self) -> None:
        super().__init__("there is no such volume", hint="`mosaic volume list` shows them")


def find_device(tx: Tx, account: AccountId, wanted: str | None) -> Device:
    """Return the account's Device of that id or name; the only one when none is named."""
    known = devices.of_account(tx, account)
    if wanted is None:
        if len(known) == 1:
            return known[0]
        raise DeviceUnclear([device.name for device in known])
    for device in known:
        if wanted in (device.id, device.name):
            return device
    raise DeviceUnknown(wanted, [device.name for device in known])


def find_installation(tx: Tx, account: AccountId, wanted: str, *, trashed: bool = False) -> Installation:
    """Return the account's installation of that id or name, in the trash or outside it."""
    found = installations.find(tx, account, wanted.replace("\0", ""), trashed=trashed)
    if found is None:
        raise InstallationUnknown(wanted, trashed=trashed)
    return found


def find_volume(tx: Tx, account: AccountId, wanted: str) -> Volume:
    """Return the account's volume of that public key, also when its app is in the trash. Raises VolumeUnknown."""
    volume = VolumeId(wanted)
    found = volumes.get(tx, volume) if "\0" not in wanted else None
    if found is None or volumes.account_of(tx, volume) != account:
        raise VolumeUnknown
    return found
