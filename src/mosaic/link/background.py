"""What a tunnel does by itself while it is there. All of it ends before the tunnel does."""

import asyncio
from collections.abc import Coroutine

from mosaic.adapters import log


class Background:
    """Tasks of one event loop, which must be ended by whoever has this."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """Begin it. If it fails that is logged; whoever needs it looks whether it is done."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def end(self) -> None:
        """Cancel all, and return when the last has ended."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            log.mistake("link_tunnel_task_failed", error)
