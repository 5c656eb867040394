"""Opening directories beneath another one, so that no symbolic link leads out of it.

Paths are tuples of names. Each name is opened relative to the directory
before it and never followed, so neither a hostile tree nor an app that
changes its volume can point the engine at files elsewhere. Paths may be
longer than the system's limit.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

Components: TypeAlias = tuple[bytes, ...]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_root(path: Path) -> int:
    """Return a descriptor of the directory that everything else is beneath. Its own path may be a link."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def open_beneath(root_fd: int, path: Components) -> int:
    """Return a descriptor of the directory at `path`. Raises OSError (ELOOP, ENOTDIR) where a link is in the way."""
    fd = os.dup(root_fd)
    for name in path:
        try:
            below = os.open(name, _DIRECTORY, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


@contextmanager
def directory(root_fd: int, path: Components) -> Iterator[int]:
    """Have the directory at `path` open for a while."""
    fd = open_beneath(root_fd, path)
    try:
        yield fd
    finally:
        os.close(fd)


def sync_file_system(fd: int) -> None:
    """Write everything of the file system that `fd` is on to its disk. Raises OSError when that fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
