"""X25519 key pairs: a Device's, to which the owner wraps the root key; of a tunnel see tunnel_key."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from mosaic.crypto.secret import Secret


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """`private` stays on the Device in a 0600 file; `public` (hex) is what it enrols with."""

    private: Secret
    public: str


def generate() -> WrappingKey:
    """Draw a new pair."""
    return of(Secret(X25519PrivateKey.generate().private_bytes_raw()))


def of(private: Secret) -> WrappingKey:
    """Return the pair of 32 private bytes that were kept."""
    key = X25519PrivateKey.from_private_bytes(private.reveal())
    return WrappingKey(private, key.public_key().public_bytes_raw().hex())
