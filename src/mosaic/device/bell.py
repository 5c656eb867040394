"""Waking a task: rings that come while it is busy count as one, and none is lost."""

import anyio


class Bell:
    """Rung by anyone in the event loop, waited for by one task."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def ring(self) -> None:
        """Wake the waiter now, or at its next wait."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Return True when it was rung since the last wait, or False after `seconds` without."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
        rung = self._event.is_set()
        if rung:
            self._event = anyio.Event()
        return rung
