"""Ed25519 keys as other programs write them: PEM with PKCS #8 for a private one, SubjectPublicKeyInfo for a public one.

Sources: RFC 8410 (the keys), RFC 7468 (their text).
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from mosaic.crypto.secret import Secret


def seed_of(text: bytes) -> Secret | None:
    """Return the 32-byte seed of a private key; None for what is none, or is under a passphrase."""
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return Secret(key.private_bytes_raw()) if isinstance(key, Ed25519PrivateKey) else None


def public_of(text: bytes) -> str | None:
    """Return a public key as 64 lower-case hex characters; None for what is no Ed25519 public key."""
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.public_bytes_raw().hex() if isinstance(key, Ed25519PublicKey) else None


def written(public: str) -> str:
    """Return the text of a public key that is given as 64 hex characters."""
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
