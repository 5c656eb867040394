"""How many bytes may wait in memory for one store that follows."""

import contextlib
import threading
from collections.abc import Iterator


class Room:
    """`most` bytes; one object that is larger fits when it is alone. Threads share it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._changed = threading.Condition()

    def try_take(self, length: int) -> bool:
        """Take room if there is some now. Never waits."""
        with self._changed:
            if self._used and self._used + length > self._most:
                return False
            self._used += length
            return True

    def give(self, length: int) -> None:
        """Give back what was taken."""
        with self._changed:
            self._used -= length
            self._changed.notify_all()

    @contextlib.contextmanager
    def taken(self, length: int, *, seconds: float) -> Iterator[bool]:
        """Wait for room, at most `seconds`, and yield whether there is some; it is given back at the end."""
        with self._changed:
            has_room = self._changed.wait_for(lambda: not self._used or self._used + length <= self._most, seconds)
            self._used += length if has_room else 0
        try:
            yield has_room
        finally:
            if has_room:
                self.give(length)
