"""What the owner sees and asks of the Hive itself: its own copy, its recovery kit, its roll call."""

from mosaic.adapters.backup_files import BackupFiles, Destination
from mosaic.adapters.sql import accounts, devices, roll_calls
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import MosaicError, Refused
from mosaic.core.ids import AccountId
from mosaic.crypto import backup_code
from mosaic.crypto.password import check_password
from mosaic.hive import roll_call
from mosaic.hive.keys_check import PassphraseDiffers, PassphraseMissing
from mosaic.hive.runtime import Hive
from mosaic.wire.hive_backup import Awaited, BackupStatus, HiveKit, HiveState


class NotTheHivesOwner(Refused):
    """Something about the whole Hive is asked for by an account that did not set it up."""

    code = "not-the-hives-owner"

    def __init__(self) -> None:
        super().__init__(
            "the Hive's backup code opens what all its accounts have, so only the account that set it up is told it",
            hint="ask the owner of that account to make the Hive's recovery kit: `mosaic recovery-kit`",
        )


async def state(hive: Hive, who: AccountId) -> HiveState:
    """Return how the Hive is. Which Devices it waits for is told of the account's own."""
    destination, status = await hive.in_thread(lambda: _looked(hive))

    def look(tx: Tx) -> tuple[bool, list[Awaited]]:
        roll = roll_calls.current(tx)
        own = devices.of_account(tx, who) if roll is not None else []
        return roll is not None, [Awaited(each.id, each.name) for each in own if roll and each.id in roll.awaited]

    recovering, awaited = await hive.read(look)
    return HiveState(destination is not None, status, hive.unsaved.since_ns, recovering, awaited)


async def kit(hive: Hive, who: AccountId, auth_key: str) -> HiveKit:
    """Return the Hive's backup code, to the account that set it up. It takes the passphrase, not just a login.

    Raises:
        NotTheHivesOwner, PassphraseDiffers, PassphraseMissing.
    """
    account, is_first = await hive.read(lambda tx: (accounts.get(tx, who), accounts.is_first(tx, who)))
    if not is_first:
        raise NotTheHivesOwner
    if account is None or account.auth_verifier is None:
        raise PassphraseMissing
    verifier = account.auth_verifier
    if not await hive.costly(lambda: check_password(auth_key, verifier)):
        raise PassphraseDiffers
    files = BackupFiles(hive.config.state)
    seed = await hive.in_thread(files.seed)
    destination = await hive.in_thread(files.destination)
    return HiveKit(backup_code.write(seed), destination.url if destination else None)


async def waive(hive: Hive, who: AccountId, device: str) -> None:
    """Go on without a Device."""
    await roll_call.waive(hive, who, device)


def _looked(hive: Hive) -> tuple[Destination | None, BackupStatus | None]:
    files = BackupFiles(hive.config.state)
    try:
        return files.destination(), files.status()
    except MosaicError as error:
        return None, BackupStatus("", True, None, 0, code=error.code, message=error.message, hint=error.hint)
