"""Giving memory back to the machine after a transfer.

A replication or restore holds packs of 16 MiB for a moment. The C library
would keep those pages for the next one; this daemon is idle most of the time.
"""

import ctypes
import gc

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE_BYTES = 256 * 1024
_ARENAS = 2


def prefer_small() -> None:
    """Let large buffers be returned at once, and threads share their heaps. Does nothing on other C libraries."""
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return what is free. Does nothing on other C libraries."""
    gc.collect()
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
