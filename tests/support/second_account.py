"""Somebody else with an account on the same Hive, and with the same keys: the account alone tells them apart."""

from mosaic.adapters.sql import accounts
from mosaic.adapters.sql.accounts import Account
from mosaic.core.ids import AccountId
from mosaic.crypto.password import hash_password
from mosaic.hive.runtime import Hive
from mosaic.wire.api import LoggedIn, Login
from support.running_hive import PASSWORD, Owner, RunningHive, made_keys


def second_account(hive: RunningHive, name: str = "bob") -> Owner:
    """Make the account, and log in to it."""
    verifier = hash_password(PASSWORD)
    account = Account(AccountId(f"{name}saccount"), name, verifier, made_keys().new.keys, verifier)

    async def add(inside: Hive) -> None:
        await inside.write(lambda tx: accounts.add(tx, account, now_ns=inside.clock.wall_ns() + 1))

    hive.ask(add)
    return Owner(hive, hive.client_of("").send("POST", "/api/login", Login(name, PASSWORD, "a test"), LoggedIn))
