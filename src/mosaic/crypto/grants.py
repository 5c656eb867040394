"""The owner's word on what an installation may do beyond policy.

Signed by the owner key, which only a browser or the CLI ever opens: a Hive
that was taken over cannot widen what an app may do. The Device checks it.
"""

from collections.abc import Iterable, Sequence

from mosaic.core.errors import Refused
from mosaic.core.grants import GrantUnusable, in_order
from mosaic.crypto import signing
from mosaic.crypto.secret import Secret
from mosaic.wire.grants import GRANT_CONTEXT, PolicyGrant, signed_text


class GrantWrong(Refused):
    """Grants that the account's owner did not sign for this installation."""

    code = "grant-wrong"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"these grants are not signed by the account's owner for {name}",
            hint=f"grant them again: `mosaic policy {name} --grant KEY`",
        )


def sign(owner_seed: Secret, *, account: str, name: str, keys: Iterable[str]) -> PolicyGrant:
    """Sign all that the installation called `name` is granted. Raises GrantUnusable."""
    wanted = in_order(keys)
    text = signed_text(account=account, name=name, keys=wanted)
    return PolicyGrant(wanted, signing.sign(owner_seed.reveal(), GRANT_CONTEXT, text).hex())


def is_signed(keys: Sequence[str], signature: str, *, owner_key: str, account: str, name: str) -> bool:
    """Say whether the owner granted the installation called `name` exactly these keys."""
    try:
        text = signed_text(account=account, name=name, keys=in_order(keys))
        return signing.verify(owner_key, GRANT_CONTEXT, text, bytes.fromhex(signature))
    except (GrantUnusable, ValueError):
        return False
