"""Pipes of the kernel, used again, and enlarged as far as is fair to the rest of the machine."""

import contextlib
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

_SOFT_LIMIT = Path("/proc/sys/fs/pipe-user-pages-soft")
_DEFAULT_SOFT_PAGES = 16384
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_PIPE_BYTES = 256 * 1024
_KEPT_PIPES = 64


@dataclass(frozen=True, slots=True)
class Pipe:
    """The two ends of a pipe, non-blocking, and how many bytes it is asked to take at once."""

    read: int
    write: int
    capacity: int


class Pipes:
    """Empty pipes. For one event loop, whose joined pairs share them.

    Pipes are enlarged while all of them together have less than half of what one
    user may have (`pipe-user-pages-soft`, which the kernel does not hold root to);
    the others keep the size that the kernel gave them.
    """

    def __init__(self, *, kept: int = _KEPT_PIPES, enlarged_pages: int | None = None) -> None:
        self._empty: list[Pipe] = []
        self._kept = kept
        self._open = 0
        self._pages = 0
        self._most_pages = _soft_pages() // 2 if enlarged_pages is None else enlarged_pages

    @property
    def open(self) -> int:
        """How many pipes there are now, those in use included."""
        return self._open

    @property
    def pages(self) -> int:
        """How many pages all of them together may hold."""
        return self._pages

    def take(self) -> Pipe | None:
        """Return an empty pipe, or None where this process may open no more."""
        if self._empty:
            return self._empty.pop()
        try:
            read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        capacity = fcntl.fcntl(write, fcntl.F_GETPIPE_SZ)
        if capacity < _PIPE_BYTES and self._pages + _PIPE_BYTES // _PAGE_BYTES <= self._most_pages:
            # Refused to a user whose pipes are too many already: then it stays small.
            with contextlib.suppress(OSError):
                capacity = fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._open += 1
        self._pages += capacity // _PAGE_BYTES
        return Pipe(read, write, capacity)

    def give_back(self, pipe: Pipe) -> None:
        """Take back a pipe that is empty."""
        if len(self._empty) < self._kept:
            self._empty.append(pipe)
        else:
            self.discard(pipe)

    def discard(self, pipe: Pipe) -> None:
        """Close a pipe, with what is in it."""
        self._open -= 1
        self._pages -= pipe.capacity // _PAGE_BYTES
        os.close(pipe.read)
        os.close(pipe.write)

    def close(self) -> None:
        """Close all that is kept, and keep nothing more: those still in use are closed when they come back."""
        self._kept = 0
        while self._empty:
            self.discard(self._empty.pop())


def _soft_pages() -> int:
    """Return how many pages the pipes of one user may have; 0 there means that the kernel sets no limit."""
    try:
        return int(_SOFT_LIMIT.read_text()) or _DEFAULT_SOFT_PAGES
    except (OSError, ValueError):
        return _DEFAULT_SOFT_PAGES
