"""A bad network between the real two ends of the channel, for a loop of virtual time.

What TCP and the keep-alive pings do of it: a lost packet comes a moment later
and holds up what follows; while the network is away nothing comes, and an end
that had no answer to its ping closes. What was on its way then is lost.
"""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup
from litestar.exceptions import WebSocketDisconnect
from websockets.exceptions import ConnectionClosedError

from mosaic.adapters.channel import CONNECT_SECONDS, PING_SECONDS, Channel, ChannelLost

LATENCY_SECONDS = 0.5
LOSS = 0.1
RESEND_SECONDS = 1.0


class Network:
    """Up or away. `served` accepts a connection on the Hive's side; None while there is no Hive."""

    def __init__(self, tasks: TaskGroup, luck: random.Random) -> None:
        self.tasks = tasks
        self.luck = luck
        self.served: Callable[[End], object] | None = None
        self.since = 0.0
        self._up = anyio.Event()
        self._up.set()
        self._lines: list[tuple[End, End]] = []

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    def go_away(self) -> None:
        self._up, self.since = anyio.Event(), anyio.current_time()

    def come_back(self) -> None:
        self._up.set()
        self.since = anyio.current_time()

    async def pass_through(self) -> None:
        """Wait as long as a packet takes, those lost before it included."""
        while True:
            await self._up.wait()
            await anyio.sleep(LATENCY_SECONDS)
            if self.is_up and self.luck.random() >= LOSS:
                return
            await anyio.sleep(RESEND_SECONDS)

    @asynccontextmanager
    async def open_channel(self, hive_url: str, ca_pem: str | None) -> AsyncIterator[Channel]:
        """Connect as `mosaic.adapters.channel.open_channel` does."""
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                await self.pass_through()
                await self.pass_through()
        except TimeoutError:
            raise ChannelLost(hive_url, "it did not answer in time") from None
        if self.served is None:
            raise ChannelLost(hive_url, "nobody listens there")
        here, there = End(), End()
        self.tasks.start_soon(self._carry, here, there)
        self.tasks.start_soon(self._carry, there, here)
        self.tasks.start_soon(self._ping, here, there)
        self.tasks.start_soon(self._ping, there, here)
        self._lines = [line for line in self._lines if not line[0].is_closed or not line[1].is_closed]
        self._lines.append((here, there))
        self.served(there)
        try:
            yield Channel(hive_url, here)
        finally:
            here.shut()

    def lose_power_of_device(self) -> None:
        """Whatever the Device still had to send is gone, and nobody says goodbye."""
        for here, _ in self._lines:
            here.vanish()

    async def _carry(self, sender: "End", receiver: "End") -> None:
        while True:
            text = await sender.take()
            await self.pass_through()
            if sender.has_vanished:
                return None
            if text is None:
                return receiver.shut()
            receiver.deliver(text)

    async def _ping(self, end: "End", other: "End") -> None:
        await anyio.sleep(self.luck.random() * PING_SECONDS)
        while not end.is_closed:
            answered = False
            with anyio.move_on_after(PING_SECONDS):
                await self.pass_through()
                await self.pass_through()
                answered = not other.has_vanished
                await anyio.sleep(PING_SECONDS)
            if not answered:
                end.shut()


class End:
    """One end of a connection, as the Device's library and the Hive's framework show it."""

    def __init__(self) -> None:
        self.is_closed = False
        self.has_vanished = False
        self._leaving: list[str | None] = []
        self._arrived: list[str] = []
        self._moved = anyio.Event()

    async def accept(self) -> None:
        """Nothing to do."""

    async def send(self, text: str) -> None:
        if self.is_closed:
            raise ConnectionClosedError(None, None)
        self._leaving.append(text)
        self._wake()

    async def recv(self) -> str:
        while not self._arrived:
            if self.is_closed:
                raise ConnectionClosedError(None, None)
            await self._moved.wait()
        return self._arrived.pop(0)

    async def receive_data(self, mode: str) -> str:
        try:
            return await self.recv()
        except ConnectionClosedError as error:
            raise WebSocketDisconnect(detail="closed") from error

    async def send_data(self, text: str) -> None:
        try:
            await self.send(text)
        except ConnectionClosedError as error:
            raise WebSocketDisconnect(detail="closed") from error

    async def close(self) -> None:
        self.shut()

    def shut(self) -> None:
        """Nothing more is taken here; the other end hears of it when the network lets it."""
        if not self.is_closed:
            self.is_closed = True
            self._leaving.append(None)
            self._wake()

    def vanish(self) -> None:
        self.has_vanished = self.is_closed = True
        self._wake()

    def deliver(self, text: str) -> None:
        if not self.is_closed:
            self._arrived.append(text)
            self._wake()

    async def take(self) -> str | None:
        while not self._leaving:
            await self._moved.wait()
        return self._leaving.pop(0)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()
