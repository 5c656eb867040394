"""Keeping a long-running process small: the C library's heaps, and what it has mapped of its program.

A page of a program or a library that was touched once stays in a process's
memory, and most of them only a start or a transfer needs. They are the same as
in their files and in the machine's page cache, so that letting go of one costs
a microsecond when it is needed again.
"""

import ctypes
import gc
import os
import struct
from collections.abc import Iterator
from pathlib import Path

LOOK_SECONDS = 60.0
"""So often a service looks whether it has grown."""

_M_ARENA_MAX = -8
_M_TRIM_THRESHOLD = -1
_TRIM_BYTES = 128 * 1024
_GROWN_BYTES = 1024 * 1024

# elf(5): the header's sizes and offsets, then a segment's kind, flags, place, and length in the file.
_HEADER = struct.Struct("<4sBB10xHHIQQQIHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_MAGIC, _IS_64_BIT, _IS_LITTLE_ENDIAN = b"\x7fELF", 2, 1
_LOADED, _WRITABLE = 1, 2
_DONT_NEED = 4

Range = tuple[int, int]


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


class Thrift:
    """Keeps what this process has mapped of its program as small as an idle process needs it."""

    def __init__(self) -> None:
        self._least_bytes = 0

    def look(self) -> None:
        """Let go of the program's pages when there are many more than after the last time. Call it now and then."""
        if mapped_bytes() > self._least_bytes + _GROWN_BYTES:
            let_go_of_program()
            self._least_bytes = mapped_bytes()


def mapped_bytes() -> int:
    """Return how much of files is in this process's memory."""
    return int(Path("/proc/self/statm").read_text().split()[2]) * _page_bytes()


def let_go_of_program() -> None:
    """Unmap the pages of program and libraries that are the same as in their files; what runs next maps them again.

    Only segments that are never writable are let go of, and of these none with
    a page that somebody, a debugger for instance, changed: it would be lost.
    """
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    changed, objects = _mappings()
    for start in objects:
        for begin, end in _constant_segments(start):
            if not any(begin < there_end and there < end for there, there_end in changed):
                madvise(begin, end - begin, _DONT_NEED)


def _mappings() -> tuple[list[Range], list[int]]:
    """Return where pages were changed, and where programs and libraries begin."""
    changed, objects = [], []
    begin = end = 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if words[0] == "Anonymous:" and words[1] != "0":
            changed.append((begin, end))
        elif not words[0].endswith(":"):
            begin, end = (int(word, 16) for word in words[0].split("-"))
            path = words[5] if len(words) > 5 else ""
            is_program = ".so" in path or "/bin/" in path
            if path.startswith("/") and is_program and words[1] in ("r--p", "r-xp") and int(words[2], 16) == 0:
                objects.append(begin)
    return changed, objects


def _constant_segments(start: int) -> Iterator[Range]:
    """Yield the pages that a loaded object never writes to. Its own header tells: a look at the mappings cannot.

    While the loader is at work, a library's first mapping covers where its data will be.
    """
    header = ctypes.string_at(start, _HEADER.size)
    magic, bits, order, *_, table, _, _, _, size, count = _HEADER.unpack(header)
    if (magic, bits, order, size) != (_MAGIC, _IS_64_BIT, _IS_LITTLE_ENDIAN, _SEGMENT.size):
        return
    segments = list(_SEGMENT.iter_unpack(ctypes.string_at(start + table, size * count)))
    page = _page_bytes()
    first = next((place for kind, _, offset, place, *_ in segments if kind == _LOADED and offset == 0), None)
    if first is None:
        return
    for kind, flags, _, place, _, length, *_ in segments:
        if kind == _LOADED and not flags & _WRITABLE:
            begin = start - first + place
            yield begin // page * page, -(-(begin + length) // page) * page


def _page_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE")
