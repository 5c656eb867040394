"""One Device, put together: what looks, what works, what talks to the Hive, and the LAN front."""

from collections.abc import Callable
from contextlib import suppress

import anyio

from mosaic.adapters import log
from mosaic.adapters.clock import Clock
from mosaic.core.errors import MosaicError
from mosaic.core.ids import SessionId
from mosaic.core.session import SessionSuperseded
from mosaic.device.bell import Bell
from mosaic.device.commands import Commands
from mosaic.device.config import DeviceConfig
from mosaic.device.conversation import Speakers, stay_in_touch
from mosaic.device.fleet import Fleet
from mosaic.device.front import Front
from mosaic.device.hive_link import HiveLink
from mosaic.device.identity import Identity
from mosaic.device.lookout import SETTLE_SECONDS, Lookout
from mosaic.device.means import Means, Owner
from mosaic.device.obey import obey
from mosaic.device.observe import device_label
from mosaic.device.outside import Engine, Storage
from mosaic.device.recollect import recollect
from mosaic.device.records import Records
from mosaic.device.reporting import report
from mosaic.wire.command import CommandBody
from mosaic.wire.report import Report


class Device:
    """A Device while it runs. `run` owns everything that it starts."""

    def __init__(
        self,
        config: DeviceConfig,
        identity: Identity,
        session: SessionId,
        *,
        engine: Engine,
        storage: Storage,
        clock: Clock,
        draw: Callable[[], float],
        engine_version: str | None,
    ) -> None:
        self._config = config
        self._engine_version = engine_version
        self._records = Records(config.ledger)
        self._link = HiveLink(identity, session, storage, config.identity)
        self._lookout = Lookout(engine, storage, label=device_label(identity.device))
        self._fleet: Fleet | None = None
        self._outside = Bell()
        self._front = Front(config, self._records, self._routes)
        self._ending: MosaicError | None = None
        self.means = Means(
            config=config,
            device=identity.device,
            owner=Owner(identity.account, identity.owner_key),
            engine=engine,
            storage=storage,
            lookout=self._lookout,
            records=self._records,
            clock=clock,
            hive=self._link.hive,
            root=self._link.root,
            is_confirmed=lambda: self._fleet is not None and self._fleet.confirmed,
            draw=draw,
            envelope_of=self._link.envelope_of,
            formers=self._link.formers,
        )

    async def run(self) -> None:
        """Work until cancelled; apps keep running. Ends the LAN front.

        Raises:
            SessionSuperseded, TurnedAway: the Hive does not want this Device any more.
        """
        for folder in (self._config.apps, self._config.projects):
            folder.mkdir(mode=0o700, exist_ok=True)
        try:
            async with anyio.create_task_group() as tasks:
                self._fleet = fleet = Fleet(self.means, tasks, self._changed)
                fleet.recall()
                tasks.start_soon(self._lookout.watch, self._outside.ring)
                tasks.start_soon(self._follow, fleet)
                tasks.start_soon(self._front.run)
                tasks.start_soon(self._go_on_alone, fleet)
                tasks.start_soon(self._stay_in_touch, fleet, tasks.cancel_scope)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(10):
                await self._front.stop()
            self._link.detach()
            self._records.close()
        if self._ending is not None:
            raise self._ending

    def report(self) -> Report:
        """Return the whole picture as it is now."""
        fleet = self._fleet
        return report(
            self.means,
            fleet.works if fleet else [],
            revision=fleet.revision if fleet else 0,
            engine_version=self._engine_version,
            front_port=self._front.port,
            problem=self._lookout.problem,
        )

    async def _follow(self, fleet: Fleet) -> None:
        """Look at what changed outside, then let the workers see it."""
        while True:
            with suppress(MosaicError):
                # What went wrong is in the lookout's `problem`, and so in the report.
                await self._lookout.look()
            fleet.look_around()
            await self._outside.wait()
            await anyio.sleep(SETTLE_SECONDS)

    async def _stay_in_touch(self, fleet: Fleet, scope: anyio.CancelScope) -> None:
        async def obeyed(body: CommandBody) -> str:
            return await obey(self.means, body)

        commands = Commands(self._records, self.means.clock, obeyed)
        try:
            await stay_in_touch(Speakers(self._link, fleet, commands, self._recollect, self.report, self.means.draw))
        except MosaicError as error:
            self._ending = error
            if isinstance(error, SessionSuperseded):
                log.error("session_superseded", reason=error.message, hint=error.hint)
                await fleet.abandon()
            scope.cancel()

    async def _recollect(self) -> None:
        await recollect(self._link, self.means.storage, self._records)

    async def _go_on_alone(self, fleet: Fleet) -> None:
        with anyio.move_on_after(self._config.alone_seconds):
            await self._link.connected.wait()
        if not self._link.connected.is_set():
            fleet.go_on_alone()

    def _changed(self) -> None:
        self._link.changed()
        self._front.changed()

    def _routes(self) -> dict[str, int]:
        works = self._fleet.works if self._fleet else []
        notes = {work.item.name: self._records.notes_of(work.installation) for work in works if work.item is not None}
        return {name: note.web_port for name, note in notes.items() if note.web_port is not None}
