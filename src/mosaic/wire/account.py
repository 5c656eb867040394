"""An account's keys as the Hive keeps them: public keys, parameters and ciphertext only (design 5).

All byte strings are hex. The Argon2id parameters and the salt are public;
every client refuses less than 64 MiB and 4 passes.
"""

import msgspec

MOST_MEMORY_KIB = 1024 * 1024
MOST_PASSES = 32
MOST_LANES = 8
KDF_SALT_BYTES = 16
"""What every client accepts, and so what a Hive keeps: one that asked for more would stall or lock out its clients."""


class KdfParameters(msgspec.Struct, frozen=True):
    """Argon2id: memory in KiB, passes, lanes, and the 16-byte salt."""

    memory_kib: int
    passes: int
    lanes: int
    salt: str


class AccountKeys(msgspec.Struct, frozen=True):
    """`wrapped_root` and `wrapped_owner` are under the KEK, `recovery_root` under the recovery code.

    `version` grows with every change of a wrapping. `root_id` tells one root key
    from another without saying anything of it; "" where none was ever noted.
    """

    version: int
    kdf: KdfParameters
    wrapped_root: str
    wrapped_owner: str
    recovery_root: str
    owner_key: str
    root_id: str = ""


class NewAccountKeys(msgspec.Struct, frozen=True):
    """What a browser or the CLI sends once. The Hive keeps only a salted hash of `auth_key`."""

    keys: AccountKeys
    auth_key: str


class OwnerAdmission(msgspec.Struct, frozen=True):
    """The owner's signature that lets a Device in. `subject` is a Device's id or a join secret's SHA-256 (hex)."""

    subject: str
    signature: str
