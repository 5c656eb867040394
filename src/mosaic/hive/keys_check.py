"""What the Hive can check of an account's keys without being able to open them (G6)."""

import re

from mosaic.core.errors import Refused
from mosaic.wire.account import KDF_SALT_BYTES, MOST_LANES, MOST_MEMORY_KIB, MOST_PASSES, AccountKeys, NewAccountKeys

_HEX = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LONGEST_ENVELOPE = 1024
_LEAST_MEMORY_KIB = 64 * 1024
_LEAST_PASSES = 4
_LAST_VERSION = 2**31


class KeysUnusable(Refused):
    """The keys are malformed, or cheaper to guess than the least that every client asks for."""

    code = "keys-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"these keys cannot be kept: {reason}", hint="update the program that made them")


class PassphraseDiffers(Refused):
    """The passphrase is not the account's."""

    code = "passphrase-differs"

    def __init__(self) -> None:
        super().__init__(
            "this is not the account's passphrase",
            hint="type the passphrase that every device of the account has; `mosaic passphrase rotate` changes it",
        )


class PassphraseMissing(Refused):
    """The account has no keys yet."""

    code = "passphrase-missing"

    def __init__(self) -> None:
        super().__init__(
            "the account has no passphrase yet, and devices encrypt with it",
            hint="set one first: `mosaic passphrase set`, or in the Console",
        )


def check_new_keys(new: NewAccountKeys, *, previous: AccountKeys | None) -> None:
    """Return when the Hive can keep them, as the first ones or as other wrappings. Raises KeysUnusable."""
    _check_form(new)
    if previous is None:
        if new.keys.version != 1:
            raise KeysUnusable("the first version is 1")
        return
    _check_owner(new.keys, previous)
    if previous.root_id not in ("", new.keys.root_id):
        raise KeysUnusable("they are not of the same root key, and volumes are under the present one")


def check_new_root(new: NewAccountKeys, *, previous: AccountKeys) -> None:
    """Return when the Hive can keep them in place of another root key's. Raises KeysUnusable."""
    _check_form(new)
    _check_owner(new.keys, previous)
    if new.keys.root_id in ("", previous.root_id):
        raise KeysUnusable("they do not name another root key")


def _check_form(new: NewAccountKeys) -> None:
    keys = new.keys
    if not _KEY.fullmatch(new.auth_key):
        raise KeysUnusable("the authentication key is not 64 hex characters")
    if not _KEY.fullmatch(keys.owner_key):
        raise KeysUnusable("the owner's public key is not 64 hex characters")
    if keys.root_id and not _KEY.fullmatch(keys.root_id):
        raise KeysUnusable("the root key's name is not 64 hex characters")
    for envelope in (keys.wrapped_root, keys.wrapped_owner, keys.recovery_root, keys.kdf.salt):
        if not _HEX.fullmatch(envelope) or len(envelope) > _LONGEST_ENVELOPE:
            raise KeysUnusable("a wrapped key or the salt is not hex")
    if not 1 <= keys.version <= _LAST_VERSION:
        raise KeysUnusable("their version is not one that follows another")
    kdf = keys.kdf
    if kdf.memory_kib < _LEAST_MEMORY_KIB or kdf.passes < _LEAST_PASSES or len(kdf.salt) != 2 * KDF_SALT_BYTES:
        raise KeysUnusable("its Argon2id parameters are below 64 MiB and 4 passes, or the salt is not 16 bytes")
    if kdf.memory_kib > MOST_MEMORY_KIB or kdf.passes > MOST_PASSES or not 1 <= kdf.lanes <= MOST_LANES:
        raise KeysUnusable("no client could derive keys with these Argon2id parameters")


def _check_owner(keys: AccountKeys, previous: AccountKeys) -> None:
    if keys.owner_key != previous.owner_key:
        raise KeysUnusable("the owner's key differs, and Devices have pinned it")
