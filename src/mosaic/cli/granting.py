"""Signing with the owner key what an installation may do beyond policy."""

from collections.abc import Collection
from pathlib import Path

from mosaic.adapters.api_client import HiveClient
from mosaic.cli import credentials
from mosaic.cli.unlocking import unlock
from mosaic.core.grants import in_order
from mosaic.crypto import grants
from mosaic.wire.grants import PolicyGrant


def sign(hive: HiveClient, name: str, keys: Collection[str], passphrase_file: Path | None) -> PolicyGrant:
    """Ask for the passphrase and sign everything that the installation called `name` is granted.

    Raises:
        GrantUnusable: before anybody is asked.
        PassphraseWrong, NoPassphrase.
    """
    wanted = in_order(keys)
    opened, _ = unlock(hive, passphrase_file)
    return grants.sign(opened.owner_seed, account=credentials.load().account, name=name, keys=wanted)
