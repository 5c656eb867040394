"""One Device, put together: what looks, what works, what talks to the Hive, and the LAN front."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import anyio

from mosaic.adapters import log
from mosaic.adapters.clock import Clock
from mosaic.adapters.port_lending import PortLending
from mosaic.core.errors import MosaicError
from mosaic.core.ids import SessionId
from mosaic.core.session import SessionSuperseded
from mosaic.device import checks
from mosaic.device.bell import Bell
from mosaic.device.commands import Commands
from mosaic.device.config import DeviceConfig
from mosaic.device.conversation import REMOVED, Speakers, stay_in_touch
from mosaic.device.fleet import Fleet
from mosaic.device.front import Front
from mosaic.device.hive_check import HiveAddress
from mosaic.device.hive_clock import HiveClock
from mosaic.device.hive_link import HiveLink
from mosaic.device.identity import Identity
from mosaic.device.lending import keep_lent
from mosaic.device.lookout import SETTLE_SECONDS, Lookout
from mosaic.device.means import Means, Owner
from mosaic.device.network import Network
from mosaic.device.obey import obey
from mosaic.device.observe import device_label
from mosaic.device.outside import Engine, Storage
from mosaic.device.package_means import packages_of
from mosaic.device.recollect import recollect
from mosaic.device.records import Records
from mosaic.device.reporting import report
from mosaic.device.session import TurnedAway
from mosaic.device.told import keep_told
from mosaic.device.upgrading.form import Preparer
from mosaic.device.upgrading.upgrader import Upgrader
from mosaic.wire.command import CommandBody, SetNetwork
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
        preparer: Preparer | None = None,
    ) -> None:
        self._config = config
        self._engine_version = engine_version
        self._preparer = preparer
        self._upgrader: Upgrader | None = None
        self._records = Records(config.ledger)
        self._link = HiveLink(identity, session, storage, config.identity)
        self._lookout = Lookout(engine, storage, label=device_label(identity.device))
        lending = PortLending(config.lent_ports) if config.lent_ports is not None else None
        self._fleet: Fleet | None = None
        self._outside = Bell()
        self._network = Network(self._records, lambda: self._fleet.works if self._fleet else [], self._changed)
        self._front = Front(
            config, self._records, self._routes, self._closed, secured=self._network.secured, wall_ns=clock.wall_ns
        )
        self._hive_clock = HiveClock(clock)
        self._ending: MosaicError | None = None
        packages = packages_of(config, Owner(identity.account, identity.owner_key), identity.device, clock)
        self.means = Means(
            config=config,
            device=identity.device,
            owner=Owner(identity.account, identity.owner_key),
            engine=engine,
            storage=storage,
            lookout=self._lookout,
            records=self._records,
            packages=packages,
            clock=clock,
            hive=self._link.hive,
            root=self._link.root,
            is_confirmed=lambda: self._fleet is not None and self._fleet.confirmed,
            draw=draw,
            envelope_of=self._link.envelope_of,
            open_sealed=self._link.open_sealed,
            sign_audit_head=self._link.sign_audit_head,
            formers=self._link.formers,
            hive_address=lambda: HiveAddress(identity.hive_url, identity.ca_pem),
            lending=lending,
            upgrading=lambda: self._upgrader,
        )

    async def run(self) -> None:
        """Work until cancelled; apps and the LAN front go on.

        Raises:
            SessionSuperseded, TurnedAway: the Hive does not want this Device any more.
        """
        for folder in (self._config.apps, self._config.projects):
            folder.mkdir(mode=0o700, exist_ok=True)
        try:
            async with anyio.create_task_group() as tasks:
                self._fleet = fleet = Fleet(self.means, tasks, self._changed)
                fleet.recall()
                if self._preparer is not None:
                    self._upgrader = Upgrader(self.means, self._preparer, tasks, self._changed)
                    # Before the first report: a version on trial has it answered.
                    await self._upgrader.resume()
                tasks.start_soon(self._lookout.watch, self._outside.ring)
                tasks.start_soon(self._follow, fleet)
                tasks.start_soon(self._say_checks)
                tasks.start_soon(self._front.run)
                tasks.start_soon(self._network.run)
                if self.means.lending is not None:
                    label = device_label(self.means.device)
                    tasks.start_soon(partial(keep_lent, self.means.engine, self.means.lending, label=label))
                if self._config.own_engine is not None:
                    from mosaic.device.engine_keeping import keep_running

                    tasks.start_soon(keep_running, self._config.own_engine, self._config.engine)
                tasks.start_soon(self._go_on_alone, fleet)
                tasks.start_soon(self._stay_in_touch, fleet, tasks.cancel_scope)
        finally:
            self._link.detach()
            self.means.packages.close()
            self._records.close()
        if isinstance(self._ending, TurnedAway) and self._ending.is_over and self._config.own_engine is not None:
            from mosaic.device.engine_keeping import give_up

            await give_up(self._config.own_engine)
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
            lan=self._network.state(self._front),
            names=self._network.names,
            problem=self._lookout.problem or (fleet.problem if fleet else None) or self._hive_clock.skew(),
        )

    async def _say_checks(self) -> None:
        means = self.means
        await checks.say(
            checks.all_checks(means.config, means.engine, means.storage, means.hive_address(), means.clock)
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
            answer = await obey(self.means, body)
            if isinstance(body, SetNetwork):
                self._changed()
            return answer

        commands = Commands(self._records, self.means.clock, obeyed)
        try:
            await stay_in_touch(
                Speakers(
                    link=self._link,
                    fleet=fleet,
                    commands=commands,
                    hive_clock=self._hive_clock,
                    recollect=self._recollect,
                    report=self.report,
                    keep=partial(keep_told, self._config.told),
                    draw=self.means.draw,
                    is_on_trial=lambda: self._upgrader is not None and self._upgrader.is_on_trial,
                    heard=lambda: self._upgrader.heard() if self._upgrader is not None else None,
                )
            )
        except MosaicError as error:
            self._ending = error
            if isinstance(error, SessionSuperseded):
                log.error("session_superseded", reason=error.message, hint=error.hint)
                await fleet.abandon()
                await self._front.end()
            if isinstance(error, TurnedAway) and error.reason == REMOVED and error.proved:
                log.error("device_removed", reason=error.message, hint=error.hint)
                await self._front.end()
                if await fleet.let_go():
                    await self._link.forget_root()
                    error.is_over = True
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
        self._network.look()

    def _closed(self) -> frozenset[str]:
        works = self._fleet.works if self._fleet else []
        assigned = ((work.item.name, work.installation) for work in works if work.item is not None)
        return frozenset(name for name, installation in assigned if self._records.update_of(installation).closed)

    def _routes(self) -> dict[str, int]:
        works = self._fleet.works if self._fleet else []
        notes = {work.item.name: self._records.notes_of(work.installation) for work in works if work.item is not None}
        return {name: note.web_port for name, note in notes.items() if note.web_port is not None}
