"""Waiting for another machine in a thread of its own: none of the pool's is held up, and a Hive that stops waits for
none of them. Whatever runs here may end at any line.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_own_thread(call: Callable[[], T]) -> T:
    """Return what `call` does, or raise what it raises. It goes on when nobody waits for it any more."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(done: Future[T]) -> None:
        if answer.cancelled():
            return
        error = done.exception()
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(done.result())

    def run() -> None:
        done: Future[T] = Future()
        try:
            done.set_result(call())
        except BaseException as error:  # raised again where it is waited for
            done.set_exception(error)
        # The loop is closed when the Hive stopped meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, done)

    threading.Thread(target=run, daemon=True).start()
    return await answer
