"""An event loop in a thread of its own, for what serves connections beside an API and has to answer at once."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from types import TracebackType
from typing import TypeVar

from mosaic.adapters import log

T = TypeVar("T")
_AGAIN_SECONDS = 1.0
_ANSWER_SECONDS = 30.0


async def _nothing() -> None:
    """There is nothing to end first."""


class LoopThread:
    """Runs from when it is made until it is closed. Threads may share it; used in a `with` block."""

    def __init__(self, name: str, *, at_the_end: Callable[[], Awaitable[None]] = _nothing) -> None:
        """`at_the_end` is done in the loop before everything that is left there is cancelled and waited for."""
        self._at_the_end = at_the_end
        self._closing = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._works: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __enter__(self) -> "LoopThread":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it and all that it serves, and return when that is over. May be called twice."""
        with self._closing:
            if not self._closed:
                self._loop.call_soon_threadsafe(self._stop.set)
            self._closed = True
        self._thread.join()

    def keep(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do this until the loop is closed, and again when it ends; `what` names it in the log."""
        self.ask(lambda: self._start(what, work))

    def ask(self, call: Callable[[], T]) -> T:
        """Return what the call returns, made in the loop's thread. Raises what it raises, and TimeoutError."""

        async def asked() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(_ANSWER_SECONDS)

    def do(self, what: Callable[[], Awaitable[T]], *, when_closed: T, seconds: float = _ANSWER_SECONDS) -> T:
        """Do it in the loop's thread and return its result, `when_closed` if the loop is, or is meanwhile.

        Raises what it raises, and TimeoutError.
        """

        async def done() -> T:
            return await what()

        with self._closing:
            if self._closed:
                return when_closed
            doing = asyncio.run_coroutine_threadsafe(done(), self._loop)
        try:
            return doing.result(seconds)
        except CancelledError:
            return when_closed

    def _start(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        self._works.add(asyncio.create_task(_again(what, work)))

    def _run(self) -> None:
        # Its end cancels every task that is left, and waits for them.
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        await self._stop.wait()
        await self._at_the_end()
        for work in self._works:
            work.cancel()
        await asyncio.gather(*self._works, return_exceptions=True)


async def _again(what: str, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception as error:  # a mistake in one of them is not to end what the others carry
            log.mistake("gateway_part_failed", error, part=what)
        await asyncio.sleep(_AGAIN_SECONDS)
