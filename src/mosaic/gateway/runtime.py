"""A running gateway: what its handlers and its tasks share. The database is only touched in worker threads."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from mosaic.adapters.clock import Clock
from mosaic.adapters.sql.engine import Database, Tx
from mosaic.adapters.sql.gateway import gateways
from mosaic.adapters.sql.gateway.changes import Change
from mosaic.core.errors import Unavailable
from mosaic.core.ids import LinkId
from mosaic.core.link_routes import Route
from mosaic.gateway.agent import Agent
from mosaic.gateway.config import GatewayConfig
from mosaic.gateway.limits import Limits
from mosaic.gateway.parts import Parts

T = TypeVar("T")

TOLD_SECONDS = 5.0
"""Within this every living gateway routes by what was taken away, or whoever asked for it is told that one does not."""

_LOOK_SECONDS = 0.05
_THREADS = 8


class GatewaysNotTold(Unavailable):
    """It is written down; a gateway of the group has not said yet that it goes by it."""

    code = "gateways-not-told"

    def __init__(self, names: list[str]) -> None:
        super().__init__(
            f"it is written down, and {', '.join(names)} did not confirm it yet",
            hint="ask again; a gateway that is down ceases to count after some seconds",
        )


class Gateway:
    """Held by the app as `app.state.gateway`; handlers get it as the dependency `gateway`."""

    def __init__(self, config: GatewayConfig, database: Database, clock: Clock, parts: Parts) -> None:
        self.config = config
        self.clock = clock
        self.parts = parts
        self.limits = Limits()
        self.agent = Agent(config.name, database, parts, config.network, clock, own_routes(config))
        self.probe_port = config.probe_port
        self.metrics_port: int | None = None
        self.database = database
        if parts.tunnels is not None:
            parts.tunnels.answer_by(self.agent.probe)
        self._threads = anyio.CapacityLimiter(_THREADS)

    @property
    def port_range(self) -> range | None:
        """The public ports that it opens for links; None: none."""
        return self.config.port_range if self.parts.ports is not None else None

    async def read(self, look: Callable[[Tx], T]) -> T:
        """Run a look at the database in a worker thread: one transaction, one instant."""

        return await self.in_thread(lambda: self.look(look))

    def look(self, look: Callable[[Tx], T]) -> T:
        """Run a look at the database in this thread, which is no event loop's."""
        with self.database.read() as tx:
            return look(tx)

    async def write(self, change: Callable[[Tx], T]) -> T:
        """Run a change in a worker thread, and have this gateway route by it when this returns."""

        def changed() -> T:
            with self.database.write() as tx:
                made = change(tx)
            self.agent.catch_up()
            return made

        return await self.in_thread(changed)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run something that waits for the database, or for router and tunnels."""
        return await anyio.to_thread.run_sync(call, limiter=self._threads)

    async def told(self) -> None:
        """Return when every living gateway of the group routes by what this one does. Raises GatewaysNotTold."""
        change = self.agent.seen
        behind: list[str] = []
        with anyio.move_on_after(TOLD_SECONDS):
            while behind := await self.read(lambda tx: self._behind(tx, change)):
                await anyio.sleep(_LOOK_SECONDS)
        if behind:
            raise GatewaysNotTold(behind)

    def _behind(self, tx: Tx, change: Change) -> list[str]:
        rows = gateways.live(gateways.every(tx), now_ns=self.clock.wall_ns())
        return [row.name for row in rows if row.name != self.config.name and row.applied < change]


def own_routes(config: GatewayConfig) -> dict[str, Route]:
    """Return the route of the gateway's own name, which is no link's."""
    return {config.host.lower(): Route(LinkId(""), config.own_address)} if config.own_address else {}
