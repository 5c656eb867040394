"""Signing with the owner key what an installation may do beyond policy."""

from collections.abc import Callable, Collection

from mosaic.cli import credentials
from mosaic.core.grants import in_order
from mosaic.crypto import grants
from mosaic.crypto.account import Opened
from mosaic.wire.grants import PolicyGrant


def sign(opened: Callable[[], Opened], name: str, keys: Collection[str]) -> PolicyGrant:
    """Sign everything that the installation called `name` is granted, with the keys that are asked for only now.

    Raises:
        GrantUnusable: before anybody is asked.
        PassphraseWrong, NoPassphrase.
    """
    wanted = in_order(keys)
    return grants.sign(opened().owner_seed, account=credentials.load().account, name=name, keys=wanted)
