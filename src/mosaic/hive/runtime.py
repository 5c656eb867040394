"""A running Hive: what its handlers, its channels and its scheduler share.

The database is only touched in worker threads; what was heard from Devices
and who is connected is only touched in the event loop.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.to_thread

from mosaic.adapters.blobs import FolderBlobs
from mosaic.adapters.clock import Clock
from mosaic.adapters.oci.credentials import DockerCredentials, NoCredentials
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.sql.engine import Database, Tx
from mosaic.core.ids import InstallationId
from mosaic.hive.bundles import Bundles
from mosaic.hive.catalog import Catalog
from mosaic.hive.catalog_apps import CatalogApps
from mosaic.hive.catalogs import Catalogs
from mosaic.hive.channel.connections import Connections
from mosaic.hive.config import HiveConfig
from mosaic.hive.identity import HiveKey
from mosaic.hive.importing import Imports
from mosaic.hive.links.work import LinkWork
from mosaic.hive.login_limits import LoginLimits
from mosaic.hive.own_apps import OwnApps
from mosaic.hive.packages import Packages
from mosaic.hive.unsaved import Unsaved, Worth
from mosaic.hive.uploading import Uploads
from mosaic.hive.waking import Waking

T = TypeVar("T")

_THREADS = 8
_COSTLY_THREADS = 2


@dataclass(frozen=True, slots=True)
class Address:
    """How the Hive is reached. `ca_pem` is what a client must trust; None on plain HTTP or a public CA."""

    url: str
    ca_pem: str | None


class Hive:
    """Held by the app as `app.state.hive`; handlers and pages get it as the dependency `hive`."""

    def __init__(
        self, config: HiveConfig, database: Database, clock: Clock, key: HiveKey, *, term: int, address: Address
    ) -> None:
        self.config = config
        self.clock = clock
        self.key = key
        self.term = term
        self.address = address
        self.blobs = FolderBlobs(config.state / "volumes")
        self.bundles = Bundles(config.state / "bundles")
        self.catalog = Catalog(config.catalogs)
        self.registries = Registries(DockerCredentials(config.logins) if config.logins else NoCredentials())
        self.packages = Packages(self.bundles, self.registries)
        self.catalogs = Catalogs(config.state / "catalogs")
        self.catalog_apps = CatalogApps(self.catalogs, self.bundles, self.packages, self.registries)
        self.own_apps = OwnApps(self.bundles)
        self.imports = Imports(config.state / "importing")
        self.connections = Connections()
        self.limits = LoginLimits()
        self.links = LinkWork()
        self.work = Waking()
        self.news = Waking()
        """Woken after every change, for those who wait for events."""
        self.unsaved = Unsaved(clock.wall_ns())
        self.uploads = Uploads()
        self.closing = anyio.Event()
        self.joining = anyio.Lock()
        self._due: set[InstallationId] = set()
        self._database = database
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._costly = anyio.CapacityLimiter(_COSTLY_THREADS)

    async def read(self, look: Callable[[Tx], T]) -> T:
        """Run a look at the database in a worker thread: one transaction, one instant."""

        def looked() -> T:
            with self._database.read() as tx:
                return look(tx)

        return await self.in_thread(looked)

    async def write(self, change: Callable[[Tx], T], *, worth: Worth = "soon") -> T:
        """Run a change in a worker thread: durable when this returns, nothing of it when it raises.

        `worth` says how soon it should also be in the copy of the database that a store has.
        """

        def changed() -> T:
            with self._database.write() as tx:
                return change(tx)

        try:
            return await self.in_thread(changed)
        finally:
            self.unsaved.note(self.clock.wall_ns(), worth)
            self.news.wake()

    def carry_on(self, installations: Iterable[InstallationId]) -> None:
        """Let the scheduler look at these installations."""
        self._due.update(installations)
        self.work.wake()

    def take_work(self) -> set[InstallationId]:
        """For the scheduler: return the installations to look at, and forget them."""
        due, self._due = self._due, set()
        return due

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run something that waits for a disk."""
        return await anyio.to_thread.run_sync(call, limiter=self._threads)

    async def costly(self, call: Callable[[], T]) -> T:
        """Run something that burns a processor, such as checking a password; only a few at once."""
        return await anyio.to_thread.run_sync(call, limiter=self._costly)

    def stop_asking(self) -> None:
        """End what is on its way from registries; what has come stays."""
        self.packages.stop()
        self.registries.close()

    def close(self) -> None:
        """Close the database. Nothing is lost when this is never called."""
        self._database.close()
