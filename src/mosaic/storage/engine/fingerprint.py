"""One number for all that `lstat` says of a folder's files, so that a change of any of them can be seen.

It costs one look at each file, and reads none.
"""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from mosaic.storage.engine.beneath import Components, open_beneath, open_root
from mosaic.storage.engine.nodes import CLOCK_STEP_NS

STORED_TYPES = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO)
_MASK = (1 << 63) - 1


class Fingerprint:
    """Gathers the files of one look, in any order, that began at `now_ns`."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._sum = 0
        self._newest_ns = 0

    def add(self, status: os.stat_result) -> None:
        """Take in one name of a file."""
        self._sum += hash((status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        self._newest_ns = max(self._newest_ns, status.st_ctime_ns)

    def number(self) -> int:
        """Return the number. While a file may still change without its time moving, it is no other look's."""
        unsettled = self._newest_ns >= self._now_ns - CLOCK_STEP_NS
        return (self._sum + (hash((self._now_ns, 1)) if unsettled else 0)) & _MASK


def fingerprint(folder: Path) -> int:
    """Look at every file of a folder that may be changed meanwhile."""
    made = Fingerprint(time.time_ns())
    top_fd = open_root(folder)
    try:
        top = os.fstat(top_fd)
        made.add(top)
        left: list[Components] = [()]
        while left:
            path = left.pop()
            try:
                fd = open_beneath(top_fd, path)
            except OSError:
                continue  # it has gone, which its parent's time tells
            try:
                for name, status in entries(fd, device=top.st_dev):
                    made.add(status)
                    if stat.S_ISDIR(status.st_mode):
                        left.append((*path, name))
            finally:
                os.close(fd)
    finally:
        os.close(top_fd)
    return made.number()


def entries(fd: int, *, device: int) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield those names of an open directory that are stored, in no order. What vanishes meanwhile is left out."""
    with os.scandir(fd) as found:
        for entry in found:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_IFMT(status.st_mode) in STORED_TYPES and status.st_dev == device:
                yield os.fsencode(entry.name), status
