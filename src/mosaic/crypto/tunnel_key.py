"""The X25519 pair of one end of a WireGuard tunnel (whitepaper, section 5): made where it is used, and only there."""

from dataclasses import dataclass

from mosaic.core.public_key import PublicKey, of_hex
from mosaic.crypto import x25519
from mosaic.crypto.secret import Secret


@dataclass(frozen=True, slots=True)
class TunnelKey:
    """`private` never leaves the machine; `public` is what the other end is told."""

    private: Secret
    public: PublicKey


def generate() -> TunnelKey:
    """Draw a new pair."""
    return of(x25519.generate().private)


def of(private: Secret) -> TunnelKey:
    """Return the pair of 32 private bytes that were kept."""
    return TunnelKey(private, of_hex(x25519.of(private).public))
