"""Signing JSON of other people's formats with Ed25519, as they have it: the payload alone, without a context of ours.

The formats are TUF's metadata, and what cosign signs of an image. A payload is
a JSON object and begins with a brace; the contexts of `crypto.signing` begin
with a letter. So no signature made for one is ever valid for the other, even
under one key. Between the two formats their members decide: TUF's has `_type`,
cosign's has `critical`, and readers of each refuse what lacks it.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mosaic.crypto.secret import Secret


def sign_metadata(seed: Secret, payload: bytes) -> bytes:
    """Return the 64-byte signature. Raises ValueError for what is no JSON object."""
    if not payload.startswith(b"{"):
        raise ValueError("the metadata of packages is a JSON object")
    return Ed25519PrivateKey.from_private_bytes(seed.reveal()).sign(payload)


def is_signed_by(public_key_hex: str, payload: bytes, signature: bytes) -> bool:
    """Whether the owner of the public key signed just this payload. What is not well-formed signed nothing."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key_hex)).verify(signature, payload)
    except (ValueError, InvalidSignature):
        return False
    return True
