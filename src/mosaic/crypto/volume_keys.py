"""The keys of one volume, all derived from its 32-byte seed.

The seed is the volume's Ed25519 key, and the public key is the volume's name.
The keys that hide its content come from the seed by HKDF-SHA256, each under
its own label and a data-key version, so that packs written before and after a
change of key can lie side by side. How the seed is wrapped and where it is
kept is left to `mosaic.crypto.unwrap` and its neighbours.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mosaic.core.ids import VolumeId
from mosaic.crypto import signing

FIRST_VERSION = 1
_DATA_LABEL = b"mosaic volume data v1\0"
_BLOB_ID_LABEL = b"mosaic volume blob id v1\0"


@dataclass(frozen=True, slots=True)
class ContentKeys:
    """The two 32-byte keys of one data-key version. Printing it shows neither."""

    version: int
    data: bytes = field(repr=False)
    blob_id: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class VolumeKeys:
    """What a holder of the seed can do with a volume. Printing it shows the public name only.

    `current` is used for everything that is written; `at` gives the keys of
    any version, for reading.
    """

    volume: VolumeId
    current: ContentKeys = field(repr=False)
    seed: bytes = field(repr=False)

    def at(self, version: int) -> ContentKeys:
        """Return the content keys of a data-key version (0 to 2³²-1)."""
        return _content_keys(self.seed, version)


def volume_id(seed: bytes) -> VolumeId:
    """Return the name of the volume with this seed: its public key."""
    return VolumeId(signing.public_key(seed))


def volume_keys(seed: bytes, *, version: int = FIRST_VERSION) -> VolumeKeys:
    """Derive a volume's keys. Raises ValueError unless the seed is 32 bytes."""
    return VolumeKeys(volume_id(seed), _content_keys(seed, version), seed)


@lru_cache(maxsize=64)
def _content_keys(seed: bytes, version: int) -> ContentKeys:
    return ContentKeys(version, _derive(seed, _DATA_LABEL, version), _derive(seed, _BLOB_ID_LABEL, version))


def _derive(seed: bytes, label: bytes, version: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label + version.to_bytes(4, "big")).derive(seed)
