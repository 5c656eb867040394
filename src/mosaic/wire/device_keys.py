"""What a Device says of its two public keys, so that whoever wraps to them need not believe a Hive.

Everything is over the same text: the Device's id, its Ed25519 key, its X25519
key, and the owner's key that it pinned (hex), joined by line feeds. docs/keys.md
has the bytes. The last is there because a Device that joins without the
passphrase has it from its Hive, and would believe a root key that its owner
never made.
"""

import msgspec

KEYS_CONTEXT = b"mosaic device keys v1\0"
"""The Device signs the text with its own Ed25519 key: that one machine has both keys."""

FINGERPRINT_CONTEXT = b"mosaic device fingerprint v1\0"
"""Begins what the fingerprint is the SHA-256 of."""

BY_TOKEN_LABEL = b"mosaic device keys v1 by-token"
BY_ROOT_LABEL = b"mosaic device keys v1 by-root"
"""HKDF labels of the keys of the two HMACs."""


class KeyProof(msgspec.Struct, frozen=True):
    """All is hex; "" where there is none.

    `signature` is by the Device's own key. `by_token` is an HMAC by the
    binding of the join token whose secret has the SHA-256 `token`; `by_root`
    is one by the account's root key. The Hive can make neither.
    """

    signature: str
    token: str = ""
    by_token: str = ""
    by_root: str = ""


def keys_text(*, device: str, signing_key: str, wrapping_key: str, owner_key: str) -> bytes:
    """Return what is signed, authenticated and fingerprinted."""
    return f"{device}\n{signing_key}\n{wrapping_key}\n{owner_key}".encode()
