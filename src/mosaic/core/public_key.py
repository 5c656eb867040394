"""The public half of a WireGuard key, in the two spellings that it has: base64 for people, hex in the UAPI. Pure."""

import base64
import binascii
from typing import NewType

from mosaic.core.errors import Refused

PublicKey = NewType("PublicKey", str)
"""32 bytes in base64, 44 characters: what `wg` shows, and what links and gateways tell each other."""

KEY_BYTES = 32


class KeyMalformed(Refused):
    """What is given as WireGuard's key is none."""

    code = "tunnel-key-malformed"

    def __init__(self) -> None:
        # Never the text itself: who mixes them up gives the private half here.
        super().__init__(
            "this is not WireGuard's key: 32 bytes in base64, 44 characters",
            hint="give the public key as `wg pubkey` or the link prints it",
        )


def parse(text: str) -> PublicKey:
    """Return the key that somebody gave. Raises KeyMalformed; of several spellings of the same bytes one is right."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyMalformed from error
    key = of_bytes(raw)
    if key != text:
        raise KeyMalformed
    return key


def of_bytes(raw: bytes) -> PublicKey:
    """Return the key of 32 bytes. Raises KeyMalformed for any other number."""
    if len(raw) != KEY_BYTES:
        raise KeyMalformed
    return PublicKey(base64.b64encode(raw).decode())


def of_hex(text: str) -> PublicKey:
    """Return the key that the UAPI spells so. Raises KeyMalformed."""
    try:
        return of_bytes(bytes.fromhex(text))
    except ValueError as error:
        raise KeyMalformed from error


def to_hex(key: PublicKey) -> str:
    """Return how the UAPI spells it."""
    return base64.b64decode(key).hex()
