"""An event loop in a place: what it runs, and every thread and process of that, is there."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from support.netns.place import Place

Answer = TypeVar("Answer")
Ask = Callable[[Coroutine[Any, Any, Answer]], Answer]

_PATIENCE_SECONDS = 120.0


class LoopInPlace:
    """Runs from when it is made until it is closed."""

    def __init__(self, place: Place) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: place.do(self._loop.run_forever))
        self._thread.start()

    def ask(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Do this there, and return its answer."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_SECONDS)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this there until the loop is closed."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Cancel what runs, and end the loop."""
        self.ask(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def loop_in(place: Place) -> Iterator[LoopInPlace]:
    """Yield one."""
    made = LoopInPlace(place)
    try:
        yield made
    finally:
        made.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
