"""What every store receives beside a volume's packs, so that it can be restored without any Hive.

It is the object `e-…` of the volume: JSON with ciphertext and public keys
only. The recovery code opens `recovery_root`, the root key opens
`wrapped_seed`, and the seed opens the packs (docs/keys.md, docs/format.md).
The passphrase's wrappings are not in it: whoever copies a store must not get
to guess passphrases.
"""

import msgspec

from mosaic.wire.account import AccountKeys

FORMAT = "mosaic-store-envelope-1"


class StoreEnvelope(msgspec.Struct, frozen=True):
    """Byte strings are hex. `owner_key` is what both wrappings are bound to by docs/keys.md."""

    format: str
    volume: str
    kind: str
    app: str
    app_digest: str
    owner_key: str
    recovery_root: str
    wrapped_seed: str


def write(*, volume: str, kind: str, wrapped_seed: str, app: str, app_digest: str, keys: AccountKeys) -> str:
    """Return the object's bytes as hex. The same arguments give the same bytes."""
    envelope = StoreEnvelope(FORMAT, volume, kind, app, app_digest, keys.owner_key, keys.recovery_root, wrapped_seed)
    return msgspec.json.encode(envelope).hex()
