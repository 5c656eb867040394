"""Keeping a long-running process small: the C library's heaps."""

import ctypes
import gc

_M_ARENA_MAX = -8
_M_TRIM_THRESHOLD = -1
_TRIM_BYTES = 128 * 1024


def prefer_small() -> None:
    """Let all threads share one heap, and give freed memory back early. Does nothing on other C libraries."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)


def give_back() -> None:
    """Return what is free to the machine. Does nothing on other C libraries."""
    # The youngest two generations are what an install leaves behind; the oldest costs ten times as much to look at.
    gc.collect(1)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
