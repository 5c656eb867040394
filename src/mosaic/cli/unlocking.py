"""Opening the account's keys in this command, for what only the owner may do."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from mosaic.adapters.api_client import HiveClient
from mosaic.cli import asking
from mosaic.core.errors import Refused
from mosaic.crypto import unwrap
from mosaic.crypto.account import Opened
from mosaic.wire.api import Account


class NoPassphrase(Refused):
    """The account has no keys yet."""

    code = "passphrase-not-set"

    def __init__(self) -> None:
        super().__init__(
            "this account has no passphrase yet, so nothing can be encrypted for it",
            hint="run `mosaic passphrase set`, or set it in the Console",
        )


def unlock(hive: HiveClient, passphrase_file: Path | None) -> tuple[Opened, str]:
    """Ask for the passphrase; return the account's keys and the passphrase. Raises PassphraseWrong, NoPassphrase."""
    account = hive.get("/api/account", Account)
    if account.keys is None:
        raise NoPassphrase
    passphrase = asking.secret("passphrase", file=passphrase_file, option="--passphrase-file")
    return unwrap.unlock(account.keys, passphrase), passphrase


def at_first_need(hive: HiveClient, passphrase_file: Path | None) -> Callable[[], Opened]:
    """Return what opens the keys when it is called first, and asks for the passphrase only then. Raises as `unlock`."""
    return cache(lambda: unlock(hive, passphrase_file)[0])
