"""What can be seen: the API's answers and the Console's pages read through these functions only.

Each returns structs of `mosaic.wire.api`, looked up in one transaction, and
changes nothing. `who` is the account that asks; what belongs to another
account does not exist for it. Things are named by id or by name.
"""

from mosaic.core.ids import AccountId
from mosaic.hive.runtime import Hive
from mosaic.wire.api import Account, CatalogApp, Device, Installation, MoveForecast, SetupState, TrashEntry, Volume


async def setup_state(hive: Hive) -> SetupState:
    """Say whether the Hive still waits for its first account."""
    raise NotImplementedError


async def account(hive: Hive, who: AccountId) -> Account:
    """Return the account and its keys (ciphertext and public parts)."""
    raise NotImplementedError


async def list_devices(hive: Hive, who: AccountId) -> list[Device]:
    """Return the account's Devices by name."""
    raise NotImplementedError


async def get_device(hive: Hive, who: AccountId, device: str) -> Device:
    """Return one Device. Raises DeviceUnknown."""
    raise NotImplementedError


async def list_catalog(hive: Hive) -> list[CatalogApp]:
    """Return the apps that the catalog folders hold now, those with a problem too."""
    raise NotImplementedError


async def list_installations(hive: Hive, who: AccountId) -> list[Installation]:
    """Return what is installed, by name. What is in the trash is not."""
    raise NotImplementedError


async def get_installation(hive: Hive, who: AccountId, installation: str) -> Installation:
    """Return one installation. Raises InstallationUnknown."""
    raise NotImplementedError


async def move_forecast(hive: Hive, who: AccountId, installation: str, to: str | None) -> MoveForecast:
    """Say what a forced move would lose, and what speaks against moving to `to`."""
    raise NotImplementedError


async def list_trash(hive: Hive, who: AccountId) -> list[TrashEntry]:
    """Return what was uninstalled and can be restored, the newest first."""
    raise NotImplementedError


async def list_volumes(hive: Hive, who: AccountId) -> list[Volume]:
    """Return the volumes of all installations, those in the trash too."""
    raise NotImplementedError
