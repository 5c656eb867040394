"""What can be done: the API and the Console change things through these functions only.

Each checks, changes the database in one transaction, wakes the scheduler and
returns what is true afterwards. A refusal raises an error with a code, one
sentence and a hint, and changes nothing. Things are named by id or by name.
"""

from mosaic.core.ids import AccountId
from mosaic.hive.runtime import Hive
from mosaic.wire.api import (
    Account, Admit, Device, Install, Installation, LoggedIn, Login, Logs, Move, NewJoinToken, RestoreFromTrash,
    SetKeys, Setup, TrashEntry,
)  # fmt: skip


async def set_up(hive: Hive, setup: Setup, *, address: str, browser: bool) -> LoggedIn:
    """Make the first account. `browser` makes the token a Console session, else it is an API token."""
    raise NotImplementedError


async def log_in(hive: Hive, login: Login, *, address: str, browser: bool) -> LoggedIn:
    """Check name and password. Raises LoginWrong, LoginTooOften (by name and by address)."""
    raise NotImplementedError


async def log_out(hive: Hive, token: str) -> None:
    """Forget the token. Doing it twice is fine."""
    raise NotImplementedError


async def set_keys(hive: Hive, who: AccountId, change: SetKeys) -> Account:
    """Set the account's keys, or replace their wrappings after the old passphrase was proved."""
    raise NotImplementedError


async def new_join_token(hive: Hive, who: AccountId, token: NewJoinToken) -> None:
    """Let one Device in within 15 minutes, by a secret of which only the hash is known here."""
    raise NotImplementedError


async def admit(hive: Hive, who: AccountId, device: str, admit: Admit) -> Device:
    """Admit a Device by the owner's signature; from now on it gets work."""
    raise NotImplementedError


async def remove_device(hive: Hive, who: AccountId, device: str) -> None:
    """Remove a Device that nothing belongs on."""
    raise NotImplementedError


async def install(hive: Hive, who: AccountId, wish: Install) -> Installation:
    """Install an app from the catalog. With `dry_run` only check, and return what would be."""
    raise NotImplementedError


async def start(hive: Hive, who: AccountId, installation: str) -> Installation:
    """Want it running."""
    raise NotImplementedError


async def stop(hive: Hive, who: AccountId, installation: str) -> Installation:
    """Want it stopped, with its volumes replicated."""
    raise NotImplementedError


async def restart(hive: Hive, who: AccountId, installation: str) -> Installation:
    """Stop and start it once."""
    raise NotImplementedError


async def set_open(hive: Hive, who: AccountId, installation: str, *, open_ports: bool) -> Installation:
    """Bind its ports beyond loopback, or on loopback only."""
    raise NotImplementedError


async def move(hive: Hive, who: AccountId, installation: str, wish: Move) -> Installation:
    """Begin to move it to another Device; `force` does not wait for the holder."""
    raise NotImplementedError


async def uninstall(hive: Hive, who: AccountId, installation: str) -> TrashEntry:
    """Stop it, replicate the last snapshot, and keep its data in the trash for 30 days."""
    raise NotImplementedError


async def restore_from_trash(hive: Hive, who: AccountId, installation: str, wish: RestoreFromTrash) -> Installation:
    """Bring an uninstalled app back with its data."""
    raise NotImplementedError


async def read_logs(hive: Hive, who: AccountId, installation: str, *, service: str | None, lines: int) -> Logs:
    """Ask the Device for the last lines. Raises DeviceOffline, DeviceSlow."""
    raise NotImplementedError
