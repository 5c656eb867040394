"""Signing TUF metadata with Ed25519, as its specification has it: the payload alone, without a context of ours.

The payload is canonical JSON and begins with a brace; the contexts of
`crypto.signing` begin with a letter. So no signature made for one is ever valid for
the other, even under one key.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mosaic.crypto.secret import Secret


def sign_metadata(seed: Secret, payload: bytes) -> bytes:
    """Return the 64-byte signature. Raises ValueError for what is no JSON object."""
    if not payload.startswith(b"{"):
        raise ValueError("the metadata of packages is a JSON object")
    return Ed25519PrivateKey.from_private_bytes(seed.reveal()).sign(payload)
