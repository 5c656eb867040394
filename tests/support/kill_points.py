"""Killing at every line that matters: before and after each effect that a simulated outside has."""

from collections.abc import Iterator
from contextlib import contextmanager


class Killed(BaseException):
    """Stands for kill -9. Not an Exception, so that no code under test can catch it as one."""


class KillPoints:
    """Counts the points that are passed, and kills at the one that was chosen (None: at none)."""

    def __init__(self) -> None:
        self.passed = 0
        self.at: int | None = None

    @contextmanager
    def around(self) -> Iterator[None]:
        """A point before and one after an effect."""
        self._pass()
        yield
        self._pass()

    def _pass(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            self.at = None
            raise Killed


def killed_in(error: BaseException) -> bool:
    """Whether an error, or a group of them, is nothing but the kill."""
    if isinstance(error, BaseExceptionGroup):
        return all(killed_in(one) for one in error.exceptions)
    return isinstance(error, Killed)
