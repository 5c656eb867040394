"""A gateway without a network, whose requests are calls, and which can be killed at a transaction or an effect."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from mosaic.adapters.sql.engine import Database, Tx, open_sqlite
from mosaic.adapters.sql.gateway import hives, migrations
from mosaic.core import link_token
from mosaic.core.ids import LinkId
from mosaic.core.tunnel_addresses import DEFAULT_NETWORK, parse
from mosaic.gateway import pushing, registering, serve
from mosaic.gateway.agent import Agent
from mosaic.gateway.registering import Accepted
from mosaic.wire.links import DesiredLink, Register
from support.gateway_world import DOMAIN, config_of
from support.kill_points import KillPoints
from support.manual_clock import ManualClock
from support.memory_parts import MemoryParts, MemoryRouter

T = TypeVar("T")
HIVE = "aa" * 32
NETWORK = parse(DEFAULT_NETWORK)


class KilledDatabase(Database):
    """Passes a kill point before each transaction that writes, and one after its commit."""

    kills: KillPoints

    @contextlib.contextmanager
    def write(self) -> Iterator[Tx]:
        with self.kills.around(), super().write() as tx:
            yield tx


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.db"
        with contextlib.closing(open_sqlite(path)) as database:
            migrations.upgrade(database)
        return path.read_bytes()


def open_group(path: Path, kills: KillPoints) -> Database:
    """Open a group's database with its tables."""
    if not path.exists():
        path.write_bytes(_template())
    database = KilledDatabase(open_sqlite(path).engine)
    # Kills are of processes here; what a power cut leaves is SQLite's own promise, and costs a disk's time.
    event.listen(database.engine, "connect", _hurry)
    database.kills = kills
    return database


def _hurry(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = OFF")
    cursor.close()


class LocalGateway:
    """One gateway of a group. What `kills` ends is started again by `restart`, with the same router and tunnels."""

    def __init__(self, name: str, database: Database, clock: ManualClock, kills: KillPoints) -> None:
        self.name = name
        self.database = database
        self.clock = clock
        self.parts = MemoryParts(router=MemoryRouter(kills))
        self.agent = self._start()

    def _start(self) -> Agent:
        serve.join(self.database, config_of(Path("/nowhere"), self.name))
        agent = Agent(self.name, self.database, self.parts.parts, NETWORK, self.clock)
        agent.beat()
        agent.heal()
        return agent

    def restart(self) -> None:
        """Start it again, with nothing in memory."""
        self.agent = self._start()

    def allow(self) -> None:
        """Have the operator allow the Hive."""
        with self.database.write() as tx:
            hives.allow(tx, HIVE, [DOMAIN], vouches=True, now_ns=self.clock.wall_ns())

    def push(self, link: LinkId, wanted: DesiredLink) -> None:
        now_ns = self.clock.wall_ns()
        self._write(lambda tx: pushing.put(tx, HIVE, link, wanted, port_range=range(20000, 20010), now_ns=now_ns))

    def remove(self, link: LinkId) -> None:
        self._write(lambda tx: pushing.remove(tx, HIVE, link, now_ns=self.clock.wall_ns()))

    def register(self, token: str, asked: Register) -> Accepted:
        read = link_token.parse(token)
        assert read is not None
        return self._write(
            lambda tx: registering.register(
                tx, read, asked, own=self.name, network=NETWORK, now_ns=self.clock.wall_ns()
            )
        )

    def leave(self, token: str, registration: str) -> None:
        read = link_token.parse(token)
        assert read is not None
        self._write(lambda tx: registering.leave(tx, read, registration, now_ns=self.clock.wall_ns()))

    def _write(self, change: Callable[[Tx], T]) -> T:
        with self.database.write() as tx:
            made = change(tx)
        self.agent.catch_up()
        return made
