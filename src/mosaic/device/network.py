"""How apps are found on the Device's own network: which are open, by which addresses and names.

Whether an app is open says its assignment: its ports are bound beyond loopback
then, and nothing here opens any. What is added at the owner's wish are names
below `local`, which end with this process.
"""

from collections.abc import Callable, Mapping, Sequence

import anyio
import msgspec
from anyio import CapacityLimiter, from_thread, to_thread

from mosaic.adapters import log
from mosaic.adapters.lan_interfaces import lan_interfaces
from mosaic.adapters.multicast_names import Interfaces, NamesOnNetwork
from mosaic.core.multicast_dns import PORT
from mosaic.device.bell import Bell
from mosaic.device.describe import Work
from mosaic.device.front import Front
from mosaic.device.outside import ask
from mosaic.device.records import Records
from mosaic.wire.lan import LanState

LOOK_SECONDS = 20.0

Works = Callable[[], Sequence[Work]]


class Network:
    """The network of one Device. `names` are those that its open apps have there now."""

    def __init__(
        self,
        records: Records,
        works: Works,
        changed: Callable[[], None],
        *,
        interfaces: Interfaces = lan_interfaces,
        port: int = PORT,
    ) -> None:
        self.names: Mapping[str, str] = {}
        self._had: Mapping[str, str] = records.device.network_names
        self._addresses: list[str] = []
        self._records = records
        self._works = works
        self._changed = changed
        self._interfaces = interfaces
        self._port = port
        self._bell = Bell()
        self._problem = ""

    def look(self) -> None:
        """Something that runs here, or what is wished, may have changed."""
        self._bell.ring()

    def secured(self) -> Mapping[str, str] | None:
        """Return what the front's HTTPS is for: None for none, else the open apps and their names."""
        if not self._records.device.lan.https:
            return None
        open_apps = self._wanted()
        # A Device that starts again asks the network about its names for a second: its visitors know them meanwhile.
        return {app: name for app, name in {**self._had, **self.names}.items() if app in open_apps}

    def state(self, front: Front) -> LanState:
        """Return how it is, as a report carries it."""
        return LanState(
            wish=self._records.device.lan,
            addresses=self._addresses if self._open() else [],
            https_port=front.secure_port,
            root=front.root_pem or "",
            problem=front.secure_problem or self._problem,
        )

    async def run(self) -> None:
        """Follow what is open and wished, until cancelled; names are taken back then."""
        limiter = CapacityLimiter(1)
        while True:
            await self._note_addresses()
            if not self._wanted():
                self._problem = ""
                await self._bell.wait(LOOK_SECONDS)
                continue
            announcing = NamesOnNetwork(self._held_in_thread, interfaces=self._interfaces, port=self._port)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._announce, announcing, limiter, tasks.cancel_scope)
                try:
                    while wanted := self._wanted():
                        announcing.want(wanted)
                        await self._bell.wait(LOOK_SECONDS)
                        await self._note_addresses()
                finally:
                    announcing.stop()
            self._held({})

    async def _announce(self, announcing: NamesOnNetwork, limiter: CapacityLimiter, scope: anyio.CancelScope) -> None:
        try:
            await to_thread.run_sync(announcing.run, limiter=limiter, abandon_on_cancel=True)
        except OSError as error:
            # Another program keeps the port of multicast DNS for itself.
            problem = f"no name can be had on the network: {error.strerror or error}"
            if problem != self._problem:
                log.warning("names_not_on_network", reason=problem)
            self._problem = problem
            self._had = {}
            self._changed()
            await anyio.sleep(LOOK_SECONDS)
            scope.cancel()

    async def _note_addresses(self) -> None:
        found = [one.address for one in await ask(self._interfaces)] if self._open() else []
        if found != self._addresses:
            self._addresses = found
            self._changed()

    def _held_in_thread(self, names: Mapping[str, str]) -> None:
        from_thread.run_sync(self._held, names)

    def _held(self, names: Mapping[str, str]) -> None:
        if names:
            self._problem = ""
        if names != self.names:
            log.info("names_on_network", names=", ".join(sorted(names.values())))
            self.names, self._had = dict(names), {**self._had, **names} if names else {}
            if names:
                self._records.device = msgspec.structs.replace(self._records.device, network_names=dict(self._had))
            self._changed()

    def _open(self) -> frozenset[str]:
        items = (work.item for work in self._works())
        return frozenset(item.name for item in items if item is not None and item.open and item.goal == "run")

    def _wanted(self) -> frozenset[str]:
        return self._open() if self._records.device.lan.names else frozenset()
