"""Looking at the engine and the storage daemon, for all workers together.

One look is one question to each. Whoever asks while a look is under way
shares the next one, so that ten apps that start at once cost as many looks as
one. Between looks, the engine's events and the storage daemon's long poll ring
the Device awake: nothing is asked on a timer while nothing happens.
"""

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from mosaic.adapters import log
from mosaic.adapters.docker.sights import Container
from mosaic.core.errors import MosaicError
from mosaic.device.outside import Engine, Storage, ask
from mosaic.wire.storage import State, StateRequest

POLL_SECONDS = 25.0
RETRY_SECONDS = 2.0
SETTLE_SECONDS = 0.02
"""Events come in handfuls; they are answered together."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The containers of this Device and the storage daemon's state, at about one instant."""

    containers: tuple[Container, ...]
    state: State


class Lookout:
    """Keeps the newest sight. `on_change` is called after every look that something outside caused."""

    def __init__(self, engine: Engine, storage: Storage, *, label: str) -> None:
        self._engine = engine
        self._storage = storage
        self._label = label
        self._lock = anyio.Lock()
        self._begun = 0
        self._done = 0
        self.latest: Sight | None = None
        self.problem: MosaicError | None = None

    async def look(self) -> Sight:
        """Return a sight that is not older than this call.

        Raises:
            Unavailable: the engine or the storage daemon does not answer.
        """
        asked = self._begun
        async with self._lock:
            if self._done <= asked or self.latest is None:
                self._begun += 1
                mine = self._begun
                self.latest = await self._fresh()
                self._done = mine
            return self.latest

    async def watch(self, on_change: Callable[[], None]) -> None:
        """Look whenever the engine or the storage daemon says that something changed, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch_engine, on_change)
            tasks.start_soon(self._watch_storage, on_change)

    async def _fresh(self) -> Sight:
        try:
            containers = await self._engine.containers(self._label)
            state = await ask(self._storage.state, StateRequest())
        except MosaicError as error:
            self.problem = error
            raise
        self.problem = None
        return Sight(tuple(containers), state)

    async def _watch_engine(self, on_change: Callable[[], None]) -> None:
        while True:
            try:
                await self._engine.watch(self._label, on_change)
                log.info("engine_events_ended")
            except MosaicError as error:
                self.problem = error
                log.warning("engine_not_watched", code=error.code, reason=error.message)
            await anyio.sleep(RETRY_SECONDS)
            # Whatever happened while nobody watched is seen by looking.
            on_change()

    async def _watch_storage(self, on_change: Callable[[], None]) -> None:
        run, version = "", -1
        while True:
            try:
                state = await ask(self._storage.state, StateRequest(after=version, wait_seconds=POLL_SECONDS))
            except MosaicError as error:
                if self.problem is None:
                    log.warning("storage_not_watched", code=error.code, reason=error.message)
                self.problem = error
                run, version = "", -1
                on_change()
                await anyio.sleep(RETRY_SECONDS)
                continue
            if (state.run, state.version) != (run, version):
                run, version = state.run, state.version
                on_change()
                await anyio.sleep(SETTLE_SECONDS)
