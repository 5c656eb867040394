"""A new password for an account, for whoever can read the Hive's machine."""

from mosaic.adapters.sql import accounts, tokens
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import NotFound
from mosaic.crypto.password import generate_password, hash_password
from mosaic.hive.config import HiveConfig
from mosaic.hive.serve import open_database


class AccountUnknown(NotFound):
    """The Hive has no account of this name."""

    code = "account-unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"this Hive has no account {name!r}", hint="check the name, and that this is the Hive's state")


def reset_password(config: HiveConfig, name: str) -> str:
    """Set and return a new password; every token of the account ends. Works while the Hive runs.

    Raises:
        AccountUnknown: nothing was changed.
    """
    database = open_database(config)
    try:
        new = generate_password()
        verifier = hash_password(new)

        def change(tx: Tx) -> None:
            account = accounts.by_name(tx, name)
            if account is None:
                raise AccountUnknown(name)
            accounts.set_password(tx, account.id, verifier)
            tokens.forget_all(tx, account.id)

        with database.write() as tx:
            change(tx)
    finally:
        database.close()
    return new
