"""Sealing and opening what lies in one pack.

Each pack has a key of its own, derived from the volume's data key, the pack's
random salt, the volume and the pack's name. A blob's nonce is its position in
the pack: no nonce is ever used twice under one key, because a pack is written
once. What a blob is (`label`: its id and kind) is authenticated with it, so a
blob can't be passed off as another, nor a pack as a pack of another name.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mosaic.core.ids import VolumeId

SALT_BYTES = 32
TAG_BYTES = 16
FOOTER = 2**96 - 1
"""The position that the footer is sealed at: the last nonce, which no blob reaches."""

_KEY_LABEL = b"mosaic pack v1\0"
_NONCE_BYTES = 12


class PackCipher:
    """The AES-256-GCM key of one pack. One pack, one writer: never seal two things at one position."""

    def __init__(self, data_key: bytes, salt: bytes, *, volume: VolumeId, pack: bytes) -> None:
        info = _KEY_LABEL + bytes.fromhex(volume) + pack
        self._aead = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(data_key))

    def seal(self, position: int, label: bytes, plain: bytes) -> bytes:
        """Return `plain` encrypted; 16 bytes longer."""
        return self._aead.encrypt(position.to_bytes(_NONCE_BYTES, "big"), plain, label)

    def open(self, position: int, label: bytes, sealed: bytes | memoryview) -> bytes | None:
        """Return what was sealed at this position under this label; None when these are not those bytes."""
        try:
            return self._aead.decrypt(position.to_bytes(_NONCE_BYTES, "big"), sealed, label)
        except InvalidTag:
            return None
