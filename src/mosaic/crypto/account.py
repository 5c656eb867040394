"""An account's keys, made and re-wrapped by its owner's browser or CLI.

`make` draws the root key and the owner key, wraps them and returns what the
Hive is sent. `rewrap` does the same for a new passphrase: 32 bytes change, no
volume does. `renew_root` draws another root key for the same owner. Opening
them again is `mosaic.crypto.unwrap`'s.
"""

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mosaic.crypto import envelope, passphrase, recovery
from mosaic.crypto.passphrase import Derived
from mosaic.crypto.secret import Secret
from mosaic.wire.account import AccountKeys, KdfParameters, NewAccountKeys

ROOT_ID_LABEL = b"mosaic root id v1"


@dataclass(frozen=True, slots=True)
class Opened:
    """The account's keys in memory. `owner_key` is public (hex)."""

    root: Secret
    owner_seed: Secret
    owner_key: str


@dataclass(frozen=True, slots=True)
class Made:
    """What the Hive is sent, the recovery code to print once, and the keys themselves."""

    new: NewAccountKeys
    recovery_code: str
    opened: Opened

    def __repr__(self) -> str:
        return "Made(…)"  # the recovery code is text, and must not reach a traceback


def make(words: str) -> Made:
    """Make a whole account's keys under a passphrase."""
    opened = _new_keys()
    code = recovery.generate()
    new = _wrap(opened, words, version=1, recovery_root=_for_recovery(opened, code))
    return Made(new, recovery.write(code), opened)


def rewrap(keys: AccountKeys, opened: Opened, words: str) -> NewAccountKeys:
    """Wrap the same keys under a new passphrase and salt. The recovery code stays good."""
    return _wrap(opened, words, version=keys.version + 1, recovery_root=keys.recovery_root)


def renew_recovery(keys: AccountKeys, opened: Opened, words: str) -> Made:
    """Make a new recovery code, which ends the older one, and wrap again under the same passphrase."""
    code = recovery.generate()
    new = _wrap(opened, words, version=keys.version + 1, recovery_root=_for_recovery(opened, code))
    return Made(new, recovery.write(code), opened)


def renew_root(keys: AccountKeys, opened: Opened, words: str) -> Made:
    """Draw another root key and a new recovery code for it, under the same passphrase and the same owner key.

    What the older root key wrapped is the caller's to wrap again.
    """
    code = recovery.generate()
    renewed = Opened(Secret(secrets.token_bytes(envelope.KEY_BYTES)), opened.owner_seed, opened.owner_key)
    new = _wrap(renewed, words, version=keys.version + 1, recovery_root=_for_recovery(renewed, code))
    return Made(new, recovery.write(code), renewed)


def root_id_of(root: Secret) -> str:
    """Return the name (hex) by which a root key is told from another. It says nothing of the key."""
    return passphrase.expand(root.reveal(), ROOT_ID_LABEL).hex()


def owner_key_of(seed: Secret) -> str:
    """Return the Ed25519 public key (hex) of a seed, an owner's or a volume's."""
    return Ed25519PrivateKey.from_private_bytes(seed.reveal()).public_key().public_bytes_raw().hex()


def _new_keys() -> Opened:
    owner_seed = Secret(secrets.token_bytes(envelope.KEY_BYTES))
    return Opened(Secret(secrets.token_bytes(envelope.KEY_BYTES)), owner_seed, owner_key_of(owner_seed))


def _for_recovery(opened: Opened, code: Secret) -> str:
    return envelope.wrap_root_for_recovery(opened.root, code, owner_key=opened.owner_key)


def _wrap(opened: Opened, words: str, *, version: int, recovery_root: str) -> NewAccountKeys:
    parameters = passphrase.new_parameters()
    derived = passphrase.derive(words, parameters)
    return NewAccountKeys(
        keys=_account_keys(opened, derived, parameters, version=version, recovery_root=recovery_root),
        auth_key=derived.auth_key.reveal().hex(),
    )


def _account_keys(
    opened: Opened, derived: Derived, parameters: KdfParameters, *, version: int, recovery_root: str
) -> AccountKeys:
    return AccountKeys(
        version=version,
        kdf=parameters,
        wrapped_root=envelope.wrap_root(opened.root, derived.kek, owner_key=opened.owner_key),
        wrapped_owner=envelope.wrap_owner_seed(opened.owner_seed, derived.kek, owner_key=opened.owner_key),
        recovery_root=recovery_root,
        owner_key=opened.owner_key,
        root_id=root_id_of(opened.root),
    )
