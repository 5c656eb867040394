"""Compressing blobs with zstd where it pays, one at a time, from any thread."""

import threading

import zstandard

LEVEL = 3
_PAYS = 0.97


class _Compressors(threading.local):
    """zstd's contexts are not to be shared between threads."""

    def __init__(self) -> None:
        self.shrink = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
        self.grow = zstandard.ZstdDecompressor()


_OF_THREAD = _Compressors()


def shrink(plain: bytes) -> bytes | None:
    """Return `plain` compressed; None when that saves less than 3 %."""
    small = _OF_THREAD.shrink.compress(plain)
    return small if len(small) < len(plain) * _PAYS else None


def expand(stored: bytes, plain_length: int) -> bytes | None:
    """Return what was compressed; None unless it is exactly `plain_length` bytes."""
    try:
        # Asked before anything is allocated: a frame may claim to be terabytes.
        if zstandard.frame_content_size(stored) != plain_length:
            return None
        return _OF_THREAD.grow.decompress(stored)
    except zstandard.ZstdError:
        return None
