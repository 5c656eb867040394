"""Signing with Ed25519, each signature bound to what it is for.

Every signature is over a context and a message. A context ends with its only
zero byte, so no context is a prefix of another one, and a signature made for
one purpose is never valid for another.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED_BYTES = 32
SIGNATURE_BYTES = 64


def public_key(seed: bytes) -> str:
    """Return the public key (64 lower-case hex characters) of a 32-byte seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()


def sign(seed: bytes, context: bytes, message: bytes) -> bytes:
    """Return the 64-byte signature of `message` for the purpose that `context` names.

    The same arguments give the same signature. Raises ValueError when
    `context` does not end with its only zero byte.
    """
    return Ed25519PrivateKey.from_private_bytes(seed).sign(_checked(context) + message)


def verify(public_key_hex: str, context: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the owner of the public key signed `message` for this purpose.

    A key or signature that is not well-formed signed nothing: False. Raises
    ValueError for a context that `sign` would refuse.
    """
    signed = _checked(context) + message
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key_hex))
        key.verify(signature, signed)
    except (ValueError, InvalidSignature):
        return False
    return True


def _checked(context: bytes) -> bytes:
    if context.find(b"\0") != len(context) - 1 or not context:
        raise ValueError("a signing context ends with its only zero byte")
    return context
