"""An event loop whose time goes on only when nobody has anything left to do: a day passes in seconds.

What is run in threads runs in the loop instead, so that nothing happens beside it.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar
from unittest import mock

import anyio
import anyio.to_thread

T = TypeVar("T")
_NOON_NS = 1_800_000_000 * 10**9


class VirtualTime:
    """Seconds since the loop began. Never goes back."""

    def __init__(self) -> None:
        self.seconds = 0.0


class VirtualClock:
    """A machine's two clocks by the loop's time. `jump` sets the time of day, as a person or a bad server would."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self._set_ns = 0

    def jump(self, seconds: float) -> None:
        self._set_ns += int(seconds * 1e9)

    def wall_ns(self) -> int:
        return _NOON_NS + self._set_ns + int(self._time.seconds * 1e9)

    def boot_ns(self) -> int:
        return 10**12 + int(self._time.seconds * 1e9)


class _Skipping(selectors.SelectSelector):
    """Skips the time that a selector would wait."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            assert timeout is not None, "everybody waits for somebody else"
            self._time.seconds += max(0.0, timeout)
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, time: VirtualTime) -> None:
        super().__init__(_Skipping(time))
        self._virtual = time

    def time(self) -> float:
        return self._virtual.seconds


async def _inline(call: Callable[[], T], *_: object, **__: object) -> T:
    return call()


def run(main: Callable[[VirtualTime], Awaitable[T]]) -> T:
    """Run `main` to its end in a loop of its own."""
    time = VirtualTime()

    async def begin() -> T:
        return await main(time)

    with mock.patch.object(anyio.to_thread, "run_sync", _inline):
        return anyio.run(begin, backend_options={"loop_factory": lambda: _Loop(time)})
