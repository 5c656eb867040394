"""A new password for an account, for whoever can read the Hive's machine."""

from pathlib import Path

from mosaic.adapters.sql import accounts, tokens
from mosaic.adapters.sql.accounts import Account
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import NotFound
from mosaic.crypto.password import hash_password
from mosaic.hive.config import HiveConfig
from mosaic.hive.password import check_strength
from mosaic.hive.serve import open_database


class AccountUnknown(NotFound):
    """The Hive has no such account."""

    code = "account-unknown"

    def __init__(self, name: str | None) -> None:
        super().__init__(
            f"this Hive has no account {name!r}" if name else "this Hive does not have exactly one account",
            hint="check the name, and that the folder is the Hive's state",
        )


def reset_password(state: Path, password: str, *, name: str | None = None, database_url: str | None = None) -> str:
    """Set a new password and return the account's name; the only account's when none is named.

    Every token of the account ends. Works while the Hive runs.

    Raises:
        AccountUnknown, PasswordTooWeak: nothing was changed.
    """
    check_strength(password)
    if database_url is None and not (state / "hive.db").exists():
        raise AccountUnknown(name)
    verifier = hash_password(password)
    database = open_database(HiveConfig(state=state, machine="", database_url=database_url))
    try:
        with database.write() as tx:
            account = _find(tx, name)
            accounts.set_password(tx, account.id, verifier)
            tokens.forget_all(tx, account.id)
            return account.name
    finally:
        database.close()


def _find(tx: Tx, name: str | None) -> Account:
    found = accounts.by_name(tx, name) if name is not None else accounts.only(tx)
    if found is None:
        raise AccountUnknown(name)
    return found
