"""Renewing an account's root key as its owner does: for tests that look at what comes of it."""

from mosaic.adapters.api_client import HiveClient
from mosaic.cli.commands.keys import renewed
from mosaic.crypto import unwrap
from mosaic.crypto.account import Made
from mosaic.wire.api import Account
from mosaic.wire.root_key import RenewRoot, RootReach
from support.running_hive import PASSPHRASE, made_keys


def prepared(client: HiveClient) -> tuple[RenewRoot, Made]:
    """Draw another root key and wrap by it what hangs on the present one; nothing is sent."""
    reach = client.get("/api/account/root", RootReach)
    assert reach.keys is not None
    # The passphrase's key is derived once for all tests, where the Hive has the first keys still.
    first = reach.keys == made_keys().new.keys
    opened = made_keys().opened if first else unwrap.unlock(reach.keys, PASSPHRASE)
    return renewed(reach, reach.keys, opened, PASSPHRASE)


def renew(client: HiveClient) -> Made:
    """Renew it, and return the new keys."""
    change, made = prepared(client)
    client.send("PUT", "/api/account/root", change, Account)
    return made
