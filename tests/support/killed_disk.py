"""Killing between any two changes of the disk: the real one, whose system calls are counted.

Who was killed changes nothing any more: every call after the chosen one is refused, those in `finally` too.
A write that is killed has written half of what it should.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TypeVar
from unittest.mock import patch

from support.kill_points import Killed

World = TypeVar("World")

_CHANGES = ("mkdir", "rename", "replace", "unlink", "rmdir", "symlink", "link", "chmod", "fchmod", "ftruncate", "fsync")
_LONGEST = 5000
_open, _write = os.open, os.write


def killed_anywhere(begin: Callable[[], World], act: Callable[[World], object]) -> Iterator[World]:
    """Yield a world that a kill left, for every place where `act` can be killed, and at last one that was not."""
    for at in range(1, _LONGEST):
        world = begin()
        process = _Process(at)
        with ExitStack() as patched, suppress(Killed):
            for name, call in process.calls().items():
                patched.enter_context(patch.object(os, name, call))
            act(world)
        yield world
        if not process.is_dead:
            return
    raise AssertionError("it comes to no end")


@dataclass
class _Process:
    """One that dies at its n-th change."""

    at: int
    passed: int = 0

    @property
    def is_dead(self) -> bool:
        return self.passed >= self.at

    def calls(self) -> dict[str, Callable[..., object]]:
        changes = {name: self._counted(getattr(os, name)) for name in _CHANGES}
        return {**changes, "open": self._open, "write": self._write}

    def _live(self) -> None:
        self.passed += 1
        if self.is_dead:
            raise Killed

    def _counted(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*words: object, **named: object) -> object:
            self._live()
            return real(*words, **named)

        return call

    def _open(self, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            self._live()
        return _open(path, flags, mode, dir_fd=dir_fd)

    def _write(self, descriptor: int, part: bytes) -> int:
        if self.passed + 1 == self.at:
            _write(descriptor, part[: len(part) // 2])
        self._live()
        return _write(descriptor, part)
