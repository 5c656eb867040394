"""One pack: the bytes of an object that holds many encrypted blobs.

    header   magic `MOSAPACK`, format version, data-key version, random salt
    blobs    one after another, each sealed at its position
    footer   sealed: id, flags, stored and plain length of every blob
    length   of the sealed footer, 4 bytes

Every byte is under a check: the header is authenticated with the footer, the
blobs and the footer fill the object exactly. Compression is the callers';
`pack` only records whether a blob is compressed.
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum

from mosaic.core.ids import VolumeId
from mosaic.crypto.hashing import blob_id
from mosaic.crypto.pack_cipher import FOOTER, TAG_BYTES, PackCipher
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.compression import expand
from mosaic.storage.engine.damage import BlobDamaged, PackDamaged

MAGIC = b"MOSAPACK"
VERSION = 1
NAME_BYTES = 16
PREFIX = "p-"
HEADER_BYTES = 45
LENGTH_BYTES = 4
ENTRY_BYTES = 41
BLOB_BYTES_MAX = 16 * 1024 * 1024
"""No blob's plain content is longer, so that a reader knows what it may have to hold."""

_HEADER = struct.Struct(">8sBI32s")
_ENTRY = struct.Struct(">32sBII")
_LENGTH = struct.Struct(">I")
_LABEL = struct.Struct(">32sBI")
_COMPRESSED = 1


class Kind(IntEnum):
    """What a blob holds; a hint for whoever looks after packs, not needed to read one."""

    CHUNK = 0
    PAGE = 1
    ROOT = 2


@dataclass(frozen=True, slots=True)
class PackHead:
    """What a pack's header says: enough, with the name and the volume's keys, to derive its key."""

    pack: bytes
    key_version: int
    salt: bytes


@dataclass(frozen=True, slots=True)
class BlobPlace:
    """Where one blob lies. `length` is as stored (sealed), `plain_length` after opening and expanding."""

    blob: bytes
    position: int
    offset: int
    length: int
    plain_length: int
    flags: int


@dataclass(slots=True)
class PackWriter:
    """A pack being written, in memory. `pack` (16 bytes) and `salt` (32) are random and used once."""

    volume: VolumeId
    data_key: bytes
    key_version: int
    pack: bytes
    salt: bytes
    places: list[BlobPlace] = field(default_factory=list)
    size: int = HEADER_BYTES
    """Bytes so far, without the footer."""
    _parts: list[bytes] = field(default_factory=list)
    _cipher: PackCipher = field(init=False)

    def __post_init__(self) -> None:
        self._cipher = PackCipher(self.data_key, self.salt, volume=self.volume, pack=self.pack)
        self._parts.append(_HEADER.pack(MAGIC, VERSION, self.key_version, self.salt))

    def add(self, blob: bytes, kind: Kind, stored: bytes, *, plain_length: int, compressed: bool) -> None:
        """Append one blob; `stored` is its plain or compressed content."""
        flags = kind << 1 | (_COMPRESSED if compressed else 0)
        position = len(self.places)
        sealed = self._cipher.seal(position, _LABEL.pack(blob, flags, plain_length), stored)
        self.places.append(BlobPlace(blob, position, self.size, len(sealed), plain_length, flags))
        self._parts.append(sealed)
        self.size += len(sealed)

    def finish(self) -> bytes:
        """Return the whole pack. The writer is not used again."""
        table = b"".join(_ENTRY.pack(at.blob, at.flags, at.length, at.plain_length) for at in self.places)
        sealed = self._cipher.seal(FOOTER, self._parts[0], table)
        # Put together once: a buffer that grows is copied over and over, each time to memory that is new.
        whole = b"".join((*self._parts, sealed, _LENGTH.pack(len(sealed))))
        self._parts.clear()
        return whole


def object_name(pack: bytes) -> str:
    """Return the name of a pack's object."""
    return PREFIX + pack.hex()


def pack_of(name: str) -> bytes | None:
    """Return the pack's 16-byte name from its object's; None when it is not a pack's."""
    try:
        pack = bytes.fromhex(name.removeprefix(PREFIX))
    except ValueError:
        return None
    return pack if len(pack) == NAME_BYTES and object_name(pack) == name else None


def read_head(pack: bytes, header: bytes) -> PackHead:
    """Read the first 45 bytes of a pack. Raises PackDamaged; the salt is proved only by `read_footer`."""
    if len(header) != HEADER_BYTES:
        raise PackDamaged(pack, "it is too short")
    magic, version, key_version, salt = _HEADER.unpack(header)
    if magic != MAGIC:
        raise PackDamaged(pack, "its magic is wrong")
    if version != VERSION:
        raise PackDamaged(pack, f"it has version {version}, and this program reads {VERSION}")
    return PackHead(pack, key_version, salt)


def footer_length(pack: bytes, tail: bytes, *, size: int) -> int:
    """Return how many bytes before the last four are the sealed footer. `tail` ends with those four."""
    (length,) = _LENGTH.unpack(tail[-LENGTH_BYTES:].rjust(LENGTH_BYTES, b"\0"))
    table = length - TAG_BYTES
    if table < 0 or table % ENTRY_BYTES or HEADER_BYTES + length + LENGTH_BYTES > size:
        raise PackDamaged(pack, "its length makes no sense")
    return int(length)


def cipher_of(head: PackHead, keys: VolumeKeys) -> PackCipher:
    """Return the cipher of a pack."""
    return PackCipher(keys.at(head.key_version).data, head.salt, volume=keys.volume, pack=head.pack)


def read_footer(head: PackHead, header: bytes, sealed: bytes, *, size: int, keys: VolumeKeys) -> list[BlobPlace]:
    """Return where the pack's blobs lie. Raises PackDamaged when any byte of header or footer is not as written."""
    table = cipher_of(head, keys).open(FOOTER, header, sealed)
    if table is None:
        raise PackDamaged(head.pack, "its header or footer fails its check")
    places: list[BlobPlace] = []
    offset = HEADER_BYTES
    for position, (blob, flags, length, plain_length) in enumerate(_ENTRY.iter_unpack(table)):
        if plain_length > BLOB_BYTES_MAX:
            raise PackDamaged(head.pack, "a blob in it is too long")
        places.append(BlobPlace(blob, position, offset, length, plain_length, flags))
        offset += length
    if offset + len(sealed) + LENGTH_BYTES != size:
        raise PackDamaged(head.pack, "its blobs do not fill it")
    return places


def open_blob(cipher: PackCipher, place: BlobPlace, sealed: bytes | memoryview, *, id_key: bytes) -> bytes:
    """Return a blob's content. Raises BlobDamaged unless its seal, its length and its id all hold."""
    stored = cipher.open(place.position, _LABEL.pack(place.blob, place.flags, place.plain_length), sealed)
    if stored is None:
        raise BlobDamaged(place.blob, "fails its check")
    plain = expand(stored, place.plain_length) if place.flags & _COMPRESSED else stored
    # The seal proves who wrote it, the id that it is what the tree means.
    if plain is None or len(plain) != place.plain_length or blob_id(id_key, plain) != place.blob:
        raise BlobDamaged(place.blob, "is not what its id says")
    return plain
