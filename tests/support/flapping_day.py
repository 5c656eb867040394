"""A day between one Device and its Hive on a bad network: the real conversation, the real channel, virtual time.

What is not real: the network, the Device's apps (a report that changes now and
then), and the time. The Hive keeps a real database, and is restarted from it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import anyio
from msgspec import structs

from mosaic.adapters.sql import devices
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import open_sqlite
from mosaic.core.ids import DeviceId, SessionId
from mosaic.device import conversation
from mosaic.device.commands import Commands
from mosaic.device.conversation import Speakers, stay_in_touch
from mosaic.device.hive_clock import HiveClock
from mosaic.device.hive_link import HiveLink
from mosaic.device.identity import Identity
from mosaic.device.records import Records
from mosaic.hive import identity as hive_identity
from mosaic.hive.channel.sights import Heard
from mosaic.hive.channel.socket import device_channel
from mosaic.hive.config import HiveConfig
from mosaic.hive.present import sight
from mosaic.hive.present.devices import device_health
from mosaic.hive.runtime import Address, Hive
from mosaic.wire.channel import Assignments
from mosaic.wire.command import CommandBody, ReadLogs
from mosaic.wire.heartbeat import digest_of, lasting
from mosaic.wire.report import MachineState, Report
from support.fake_storage import FakeStorage, FakeStore
from support.flapping_network import End, Network
from support.virtual_time import VirtualClock, VirtualTime

MOST_TO_CONNECT_SECONDS = 120
"""A wait of 60 s at most between tries, one try that came too early, the handshake, and what was lost on the way."""


class Fleet:
    """The part of a Device's fleet that its conversation speaks with."""

    def __init__(self) -> None:
        self.revision = 0

    def assign(self, message: Assignments) -> None:
        self.revision = max(self.revision, message.revision)

    def hurry(self) -> None:
        """Nothing waits."""


@dataclass
class Seen:
    """What the day showed. Each list names what must not be."""

    begun: dict[str, int] = field(default_factory=dict)
    answered: int = 0
    colours: dict[str, int] = field(default_factory=dict)
    wrongly_red: list[float] = field(default_factory=list)
    wrongly_green: list[float] = field(default_factory=list)
    never_said: list[float] = field(default_factory=list)
    at_the_end: bool = False


class Day:
    """One run. `luck` decides everything."""

    def __init__(self, time: VirtualTime, config: HiveConfig, identity: Identity, folder: Path, luck: random.Random):
        self._luck = luck
        self._config, self._identity, self._folder = config, identity, folder
        self.device_clock, self.hive_clock = VirtualClock(time), VirtualClock(time)
        self._database = open_sqlite(config.state / "hive.db")
        self._hive: Hive | None = None
        self._hive_scope = anyio.CancelScope()
        self._device_scope: anyio.CancelScope | None = None
        self._changed: Callable[[], None] = lambda: None
        self._since = 0.0
        self._known: Device | None = None
        self._runs = 0
        self._orders = 0
        self._said: set[str] = set()
        self._picture = Report(
            0, 0, "", "27.0", MachineState(10**12, 10**11, 10**10, 10**9, 0.0, "x86_64"), None, [], []
        )
        self.seen = Seen()

    async def pass_by(self, seconds: float) -> Seen:
        """Let that much time pass, then let it be quiet, and return what was seen."""
        async with anyio.create_task_group() as tasks:
            self._tasks, self._network = tasks, Network(tasks, self._luck)
            with mock.patch.object(conversation, "open_channel", self._network.open_channel):
                self._start_hive()
                self._start_device()
                with anyio.move_on_after(seconds):
                    async with anyio.create_task_group() as doing:
                        for deed in (
                            self._flap,
                            self._restart,
                            self._change,
                            self._order,
                            self._set_clocks,
                            self._look,
                        ):
                            doing.start_soon(deed)
                self._network.come_back()
                if self._device_scope is None:
                    self._start_device()
                await anyio.sleep(2 * MOST_TO_CONNECT_SECONDS)
                self.seen.at_the_end = self._is_known()
                tasks.cancel_scope.cancel()
        self._database.close()
        return self.seen

    async def pass_without_hive(self, seconds: float) -> Seen:
        """Converse for a moment, let the Hive be away for that long, and return what was seen a while after."""
        async with anyio.create_task_group() as tasks:
            self._tasks, self._network = tasks, Network(tasks, self._luck)
            with mock.patch.object(conversation, "open_channel", self._network.open_channel):
                self._start_hive()
                self._start_device()
                await anyio.sleep(MOST_TO_CONNECT_SECONDS)
                self._network.served = None
                self._hive_scope.cancel()
                self._picture = structs.replace(self._picture, group="changed while it was away")
                self._changed()
                await anyio.sleep(seconds)
                self._start_hive()
                await anyio.sleep(MOST_TO_CONNECT_SECONDS)
                self.seen.at_the_end = self._is_known()
                tasks.cancel_scope.cancel()
        self._database.close()
        return self.seen

    def _start_hive(self) -> None:
        key = hive_identity.load_or_make(self._config.state / "hive.key")
        self._hive = Hive(
            self._config, self._database, self.hive_clock, key, term=1, address=Address("http://hive", None)
        )
        self._tasks.start_soon(self._be_hive, self._hive)

    async def _be_hive(self, hive: Hive) -> None:
        async def converse(end: End) -> None:
            try:
                await device_channel.fn(end, hive)
            finally:
                end.shut()

        async with anyio.create_task_group() as channels:
            self._hive_scope = channels.cancel_scope
            self._network.served = lambda end: channels.start_soon(converse, end)
            await anyio.sleep_forever()

    def _start_device(self) -> None:
        self._runs += 1
        self._tasks.start_soon(self._be_device, SessionId(f"session-{self._runs:04}"))
        self._since = anyio.current_time()

    async def _be_device(self, session: SessionId) -> None:
        storage = FakeStorage(FakeStore())
        link = HiveLink(self._identity, session, storage, self._folder / "identity.json")
        records = Records(self._folder / "ledger")
        fleet = Fleet()

        def report() -> Report:
            made = structs.replace(
                self._picture, at_ns=self.device_clock.wall_ns(), assignments_revision=fleet.revision
            )
            self._said.add(digest_of(made))
            return made

        async def obey(body: CommandBody) -> str:
            assert isinstance(body, ReadLogs)
            self.seen.begun[body.installation] = self.seen.begun.get(body.installation, 0) + 1
            await anyio.sleep(self._luck.random())
            return "done"

        commands, hive_clock = Commands(records, self.device_clock, obey), HiveClock(self.device_clock)
        draw = self._luck.random
        # A fleet needs an engine and a storage daemon.
        speakers = Speakers(link, fleet, commands, hive_clock, _nothing, report, lambda _: None, draw)  # type: ignore[arg-type]  # two of its functions are enough here
        self._changed = link.changed
        with anyio.CancelScope() as self._device_scope:
            await stay_in_touch(speakers)
        records.close()

    async def _flap(self) -> None:
        while True:
            await anyio.sleep(self._luck.expovariate(1 / 300))
            self._network.go_away()
            await anyio.sleep(self._luck.uniform(1, 600))
            self._network.come_back()

    async def _restart(self) -> None:
        while True:
            await anyio.sleep(self._luck.uniform(600, 7200))
            if self._luck.random() < 0.4:
                self._network.served = None
                self._hive_scope.cancel()
                await anyio.sleep(self._luck.uniform(1, 30))
                self._start_hive()
                continue
            assert self._device_scope is not None
            self._network.lose_power_of_device()
            self._device_scope.cancel()
            self._device_scope, self._since = None, anyio.current_time()
            await anyio.sleep(self._luck.choice([5, 30, 90, 600]))
            self._start_device()

    async def _change(self) -> None:
        while True:
            await anyio.sleep(self._luck.expovariate(1 / 120))
            self._picture = structs.replace(self._picture, group=f"group {self._luck.random()}")
            self._changed()

    async def _order(self) -> None:
        while True:
            await anyio.sleep(self._luck.uniform(10, 120))
            hive = self._hive
            connection = hive.connections.get(DeviceId(self._identity.device)) if hive else None
            if hive is not None and connection is not None:
                expires_ns = hive.clock.wall_ns() + 20 * 10**9
                self._orders += 1
                ordered = connection.order(ReadLogs(f"order {self._orders}", None, 1), expires_ns=expires_ns)
                result = await connection.result(ordered, seconds=20)
                self.seen.answered += result is not None and result.outcome == "done"

    async def _set_clocks(self) -> None:
        while True:
            await anyio.sleep(self._luck.uniform(3600, 4 * 3600))
            self._luck.choice([self.device_clock, self.hive_clock]).jump(self._luck.choice([-86400, 86400]))

    async def _look(self) -> None:
        newest: Heard | None = None
        while True:
            await anyio.sleep(1)
            hive, now = self._hive, anyio.current_time()
            if hive is None:
                continue
            known, seen = self._known, sight.take(hive)
            if known is None or known.id not in seen.heard:
                # What it said last is only of interest until it says something to this run of the Hive.
                with self._database.read() as tx:
                    known = self._known = devices.get(tx, DeviceId(self._identity.device))
            assert known is not None
            colour = device_health(known, seen).colour.value
            self.seen.colours[colour] = self.seen.colours.get(colour, 0) + 1
            heard = seen.heard.get(known.id)
            if heard is not None and heard is not newest and digest_of(heard.report) not in self._said:
                self.seen.never_said.append(now)
            newest = heard
            settled = self._device_scope is not None and self._network.is_up
            whole_seconds = now - max(self._since, self._network.since)
            if colour == "red" and settled and whole_seconds > MOST_TO_CONNECT_SECONDS:
                self.seen.wrongly_red.append(now)
            if colour == "green" and self._device_scope is None and now - self._since > 50:
                self.seen.wrongly_green.append(now)

    def _is_known(self) -> bool:
        assert self._hive is not None
        heard = self._hive.connections.heard().get(DeviceId(self._identity.device))
        return heard is not None and lasting(heard.report).group == self._picture.group


async def _nothing() -> None:
    """No Hive here has lost anything of its past."""
