"""Joining a Hive: keys are made, the Hive is pinned, and the identity is stored. All or nothing."""

from pathlib import Path

from mosaic.device.identity import Identity
from mosaic.wire.account import OwnerAdmission
from mosaic.wire.enrol import JoinToken


def enrol(
    state: Path,
    token: JoinToken,
    name: str,
    *,
    passphrase: str | None = None,
    admission: OwnerAdmission | None = None,
) -> Identity:
    """Make this machine a Device of the Hive that `token` names, and store who it is in `state` (0600).

    With `passphrase` the Device takes the account's root key by it, and keeps
    neither the passphrase nor what it derives. Without, the owner wraps the
    root key to the Device at its admission. `admission` is the owner's
    signature over the join token's secret, when the caller has it.

    Nothing is stored, and the token stays good, when this raises before the
    Hive accepted it: for a wrong passphrase, a name that is taken, a token
    that was used, or a Hive whose key is not the one in the token.
    """
    raise NotImplementedError(state, token, name, passphrase, admission)
