"""Gzip as a bundle has it: one member with an empty header, and nothing behind it.

The ten bytes of the header are written here: no name, no time, an operating system that is unknown. What
lies between header and trailer is zlib's and may differ from one zlib to another; the digest of what
was compressed is kept for that. Source: RFC 1952.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from mosaic.adapters.bundle import BundleUnusable

LEVEL = 6
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_RAW, _GZIP = -15, 31
_PART_BYTES = 64 * 1024


@dataclass(slots=True)
class GzipWriter:
    """Compresses to `write`, and knows digest and size of both sides. Ends with `finish`."""

    write: Callable[[bytes], object]
    packed_bytes: int = 0
    plain_bytes: int = 0
    _packed: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _plain: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _crc: int = 0
    _deflate: "zlib._Compress" = field(default_factory=lambda: zlib.compressobj(LEVEL, zlib.DEFLATED, _RAW))

    def __post_init__(self) -> None:
        self._out(_HEADER)

    def add(self, part: bytes) -> None:
        """Compress some more."""
        self._plain.update(part)
        self._crc = zlib.crc32(part, self._crc)
        self.plain_bytes += len(part)
        self._out(self._deflate.compress(part))

    def finish(self) -> None:
        """Write what is left."""
        self._out(self._deflate.flush())
        self._out(struct.pack("<LL", self._crc, self.plain_bytes & 0xFFFFFFFF))

    @property
    def packed_digest(self) -> str:
        """The digest of what was written."""
        return "sha256:" + self._packed.hexdigest()

    @property
    def plain_digest(self) -> str:
        """The digest of what was compressed."""
        return "sha256:" + self._plain.hexdigest()

    def _out(self, part: bytes) -> None:
        self._packed.update(part)
        self.packed_bytes += len(part)
        self.write(part)


class GzipReader:
    """Reads one member from a file, and refuses what is cut short, damaged or followed by anything."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(_GZIP)

    def read(self, count: int) -> bytes:
        """Return up to so many bytes, none at the end. No more is ever decompressed. Raises BundleUnusable."""
        while not self._inflate.eof:
            source = self._inflate.unconsumed_tail or self._file.read(_PART_BYTES)
            if not source:
                raise BundleUnusable("it is cut short")
            try:
                part = self._inflate.decompress(source, count)
            except zlib.error as error:
                raise BundleUnusable(f"it is no gzip, or damaged: {error}") from None
            if part:
                return part
        if self._inflate.unused_data or self._file.read(1):
            raise BundleUnusable("there is more behind its end")
        return b""
