"""Telling waiting tasks that something changed.

A waiter takes `seen` before it looks and passes it to `wait`: a change between
the look and the wait is never missed, and many changes wake it once.
"""

import anyio


class Waking:
    """A counter of changes that can be waited for. For one event loop."""

    def __init__(self) -> None:
        self.seen = 0
        self._event = anyio.Event()

    def wake(self) -> None:
        """Count a change and wake all waiters."""
        self.seen += 1
        self._event.set()
        self._event = anyio.Event()

    async def wait(self, seen: int, *, seconds: float) -> bool:
        """Return True as soon as there were changes after `seen`, False after that many seconds without."""
        with anyio.move_on_after(seconds):
            while self.seen == seen:
                await self._event.wait()
        return self.seen != seen
