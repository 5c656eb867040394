"""Conversing with the Hive: connect, report and listen, connect again.

What the Hive says is handed to the fleet and to the commands; what is true
here is told on every change and on the beat that the Hive asks for.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from mosaic.adapters import log
from mosaic.adapters.channel import Channel, open_channel
from mosaic.adapters.ledger import LedgerNotWritten
from mosaic.core.errors import MosaicError
from mosaic.core.session import SessionSuperseded
from mosaic.device.backoff import before_connecting
from mosaic.device.commands import Commands
from mosaic.device.fleet import Fleet
from mosaic.device.hive_clock import HiveClock
from mosaic.device.hive_link import HiveLink
from mosaic.device.outside import ask
from mosaic.device.session import OutOfTurn, TurnedAway, farewell, shake_hands
from mosaic.device.telling import Telling
from mosaic.wire.channel import (
    Answered,
    Assignments,
    Challenge,
    Goodbye,
    Ordered,
    ReportAgain,
    Reported,
    ReportHeard,
    Welcome,
)
from mosaic.wire.command import Command
from mosaic.wire.report import Report

GATHER_SECONDS = 0.1
"""Changes come in handfuls; they are told together."""

STEADY_SECONDS = 10.0
_MOST_PATIENCE_SECONDS = 10.0
REMOVED = "device-removed"
_FINAL = (REMOVED, "device-unknown")


@dataclass(frozen=True, slots=True)
class Speakers:
    """Who has something to say to the Hive, or listens to it."""

    link: HiveLink
    fleet: Fleet
    commands: Commands
    hive_clock: HiveClock
    recollect: Callable[[], Coroutine[None, None, None]]
    report: Callable[[], Report]
    keep: Callable[[Reported], None]
    draw: Callable[[], float]
    is_on_trial: Callable[[], bool] = lambda: False
    heard: Callable[[], None] = lambda: None


async def stay_in_touch(speakers: Speakers) -> None:
    """Converse with the Hive until this Device is not wanted any more.

    Raises:
        SessionSuperseded: a later start of this Device has taken over.
        TurnedAway: the Device was removed.
    """
    identity = speakers.link.identity
    attempt = 0
    while True:
        begun = anyio.current_time()
        try:
            async with open_channel(identity.hive_url, identity.ca_pem) as channel:
                welcome = await shake_hands(channel, identity, speakers.link.session)
                await _Conversation(speakers, channel, welcome).hold()
        except SessionSuperseded:
            raise
        except MosaicError as error:
            if isinstance(error, TurnedAway) and error.reason in _FINAL:
                raise
            log.warning("hive_not_connected", code=error.code, reason=error.message)
        attempt = 1 if anyio.current_time() - begun > STEADY_SECONDS else attempt + 1
        # Plain HTTP is spoken on loopback only.
        near = identity.hive_url.startswith("http://")
        await anyio.sleep(before_connecting(attempt, speakers.draw, same_machine=near))


class _Conversation:
    """One connection, from its welcome to its end."""

    def __init__(self, speakers: Speakers, channel: Channel, welcome: Welcome) -> None:
        self._speakers = speakers
        self._channel = channel
        self._welcome = welcome
        self._telling = Telling(beat_seconds=max(1.0, welcome.report_seconds), heartbeats=welcome.heartbeats)
        self._error: MosaicError | None = None
        self._newest: Assignments | None = None
        self._tasks: TaskGroup | None = None

    async def hold(self) -> None:
        """Converse until either side ends it, and raise the reason: a MosaicError."""
        link = self._speakers.link
        try:
            await self._take_welcome(self._welcome)
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                for part in (self._listen, self._speak, link.tell_storage, link.tell_keys):
                    self._start(part())
                if self._welcome.recovering:
                    self._start(self._speakers.recollect())
        finally:
            link.detach()
        if self._error is not None:
            raise self._error

    def _start(self, part: Coroutine[None, None, None]) -> None:
        assert self._tasks is not None
        self._tasks.start_soon(self._until_it_fails, part)

    async def _until_it_fails(self, part: Coroutine[None, None, None]) -> None:
        try:
            await part
        except MosaicError as error:
            # Kept and raised by `hold`: out of a task group it would come wrapped.
            self._error = self._error or error
            assert self._tasks is not None
            self._tasks.cancel_scope.cancel()

    async def _take_welcome(self, welcome: Welcome) -> None:
        link = self._speakers.link
        self._welcome = welcome
        self._take_clock(welcome.now_ns)
        await link.attach(welcome)
        log.info("hive_connected", url=link.identity.hive_url, admitted=welcome.admitted)
        self._speakers.fleet.hurry()

    def _take_clock(self, hive_now_ns: int) -> None:
        hive_clock = self._speakers.hive_clock
        hive_clock.hear(hive_now_ns)
        skew = hive_clock.skew()
        if skew is not None:
            log.warning("clock_skewed", reason=skew.message, hint=skew.hint)

    async def _listen(self) -> None:
        while True:
            match message := await self._channel.receive():
                case Assignments():
                    # First, for the seeds in the message are wrapped under it.
                    taken = await self._speakers.link.take_root(message.root_id)
                    self._newest = message
                    self._start(self._assign(message))
                    if not taken:
                        self._start(self._go_on_asking_for_root(message.root_id))
                    self._start(self._speakers.link.tell_keys())
                    self._start(self._speakers.link.pass_envelopes(message))
                case Ordered(command):
                    self._start(self._obey(command))
                case ReportAgain():
                    self._telling.say_all()
                    self._speakers.link.changed()
                case ReportHeard():
                    self._speakers.heard()
                case Welcome():
                    await self._take_welcome(message)
                    # It goes on until the storage daemon answers; the Hive is heard meanwhile.
                    self._start(self._speakers.link.tell_storage())
                    self._start(self._speakers.link.tell_keys())
                case Goodbye():
                    raise farewell(message)
                case Challenge():
                    raise OutOfTurn(message)
                case _ as unreachable:
                    assert_never(unreachable)

    async def _assign(self, message: Assignments) -> None:
        """Hand on what is assigned. Where it cannot be noted apps stay as they are; the Hive is told why, meanwhile."""
        fleet, attempt = self._speakers.fleet, 0
        while self._newest is message:
            try:
                fleet.assign(message)
            except LedgerNotWritten as error:
                attempt += 1
                log.warning("assignments_not_noted", code=error.code, reason=error.message)
                fleet.problem = error
                self._speakers.link.changed()
                await anyio.sleep(min(_MOST_PATIENCE_SECONDS, float(attempt)))
            else:
                fleet.problem = None
                return

    async def _go_on_asking_for_root(self, wanted: str) -> None:
        """Take the root key as soon as it can be had; a later message that names another one asks for that itself."""
        attempt = 1
        while True:
            await anyio.sleep(before_connecting(attempt, self._speakers.draw, same_machine=False))
            if await self._speakers.link.take_root(wanted):
                self._speakers.fleet.hurry()
                # Tokens of links follow from it.
                self._speakers.link.changed()
                return await self._speakers.link.tell_keys()
            attempt += 1

    async def _obey(self, command: Command) -> None:
        result = await self._speakers.commands.carry_out(command, offset_ns=self._speakers.hive_clock.offset_ns())
        await self._channel.send(Answered(result))

    async def _speak(self) -> None:
        while True:
            on_trial = self._speakers.is_on_trial()
            message = self._telling.next(self._speakers.report(), anyio.current_time(), wants_answer=on_trial)
            if isinstance(message, Reported):
                # Before it is sent: nothing shall be told that the owner of the machine cannot read here.
                await ask(self._speakers.keep, message)
            if message is not None:
                await self._channel.send(message)
            await self._speakers.link.wait_for_change(self._telling.wait_seconds(anyio.current_time()))
            await anyio.sleep(GATHER_SECONDS)
