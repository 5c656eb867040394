"""The link's end of TCP mode, to one gateway: connections that wait there, and are joined with a local port when spent.

The control connection comes first. While it answers, connections are kept ahead;
when it is silent or gone, what waits is given up and all is made anew. Visitors
who are there already stay: their connections end by themselves.
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TypeAlias

from mosaic.adapters.pipes import Pipes
from mosaic.adapters.splicing import keep_alive, splice
from mosaic.adapters.tcp_tunnel.datagrams import lead_datagrams
from mosaic.adapters.tcp_tunnel.dialing import dial
from mosaic.adapters.tcp_tunnel.hello import RandomBytes, introduce, read_exactly
from mosaic.core.tunnel_frames import (
    CONTROL_BYTES,
    OPENING_BYTES,
    Carries,
    Said,
    read_control,
    read_opening,
    write_control,
)
from mosaic.core.tunnel_hello import Purpose, Verdict
from mosaic.core.tunnel_pool import CALM_SECONDS, FEWEST, after_asking, after_calm, pause_seconds
from mosaic.crypto.secret import Secret

HELLO_SECONDS = 5.0
PING_SECONDS = 5.0
MOST_OPEN = 4096
_MISSED_PINGS = 2


class Probe(Enum):
    """What a look through the tunnel found."""

    NEWEST = "newest"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Credentials:
    """By what a gateway knows this link."""

    registration: str
    tunnel_key: Secret


Local: TypeAlias = Mapping[int, tuple[str, int]]
"""Host and port here for each port inside the tunnel. Looked at for each visitor, so it may change."""

Connect: TypeAlias = Callable[[str, int], Awaitable[socket.socket]]
"""Returns a non-blocking connection to a host and port. Raises OSError."""

_NOWHERE: Local = MappingProxyType({})


class TunnelClient:
    """Keeps connections at one gateway's tunnel server while `run` runs. For several gateways, have several."""

    def __init__(
        self,
        host: str,
        port: int,
        credentials: Credentials,
        local: Local,
        on_probe: Callable[[Probe], None],
        *,
        draw: Callable[[], float],
        connect: Connect = dial,
        local_datagrams: Local = _NOWHERE,
        ping_seconds: float = PING_SECONDS,
        most_open: int = MOST_OPEN,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        self._host = host
        self._port = port
        self._credentials = credentials
        self._local = {Carries.STREAM: local, Carries.DATAGRAMS: local_datagrams}
        self._on_probe = on_probe
        self._draw = draw
        self._dial = connect
        self._ping_seconds = ping_seconds
        self._most_open = most_open
        self._random_bytes = random_bytes
        self._pipes = Pipes()
        self._ahead: set[asyncio.Task[None]] = set()
        self._idle = 0
        self._open: set[asyncio.Task[None]] = set()
        self._wanted = FEWEST
        self._asked_at = 0.0
        self._failed = False
        self._failures = 0
        self._changed = asyncio.Event()
        self._answered = 0

    @property
    def idle(self) -> int:
        """How many connections wait at the gateway."""
        return self._idle

    @property
    def open(self) -> int:
        """How many visitors are here."""
        return len(self._open)

    @property
    def wanted(self) -> int:
        """How many connections are to wait."""
        return self._wanted

    async def run(self) -> None:
        """Be there for the gateway until cancelled; then everything ends at once.

        Each ping that is answered, each that is not and each try that fails is told to `on_probe`.
        """
        failures = 0
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    failures = 0 if await self._once(group) else failures + 1
                    await asyncio.sleep(pause_seconds(failures or 1, self._draw()))
        finally:
            self._pipes.close()

    async def _once(self, group: asyncio.TaskGroup) -> bool:
        """Be there until the control connection is lost. Returns whether it ever answered."""
        try:
            control, verdict = await self._connect(self._host, self._port, Purpose.CONTROL)
            with control:
                if verdict is Verdict.WELCOME:
                    return await self._hold(group, control)
        except OSError:
            self._on_probe(Probe.SILENT)
            return False
        self._on_probe(Probe.UNKNOWN if verdict is Verdict.UNKNOWN else Probe.SILENT)
        return False

    async def _hold(self, group: asyncio.TaskGroup, control: socket.socket) -> bool:
        """Keep connections ahead while the control connection lives. Returns whether it answered. Raises OSError."""
        # They belong to the one that answered of all the addresses that a name may have. Within TLS the name is proven.
        host, port = control.getpeername()[:2] if self._dial is dial else (self._host, self._port)
        keeping = group.create_task(self._keep_ahead(group, host, port))
        try:
            return await self._converse(control)
        finally:
            keeping.cancel()
            for connection in self._ahead:
                connection.cancel()

    async def _connect(self, host: str, port: int, purpose: Purpose) -> tuple[socket.socket, Verdict]:
        """Return a connection and what the gateway said to it. Raises OSError."""
        connection = await self._dial(host, port)
        try:
            keep_alive(connection)
            async with asyncio.timeout(HELLO_SECONDS):
                key, registration = self._credentials.tunnel_key, self._credentials.registration
                return connection, await introduce(connection, key, registration, purpose, self._random_bytes)
        except BaseException:  # also when cancelled: nobody else has it yet
            connection.close()
            raise

    async def _converse(self, control: socket.socket) -> bool:
        """Ping until two in a row are not answered, or the connection ends. Returns whether any was answered."""
        self._answered = number = missed = 0
        hearing = asyncio.create_task(self._hear(control))
        try:
            while missed < _MISSED_PINGS and not hearing.done():
                number += 1
                async with asyncio.timeout(self._ping_seconds):
                    await asyncio.get_running_loop().sock_sendall(control, write_control(Said.PING, number))
                await asyncio.wait({hearing}, timeout=self._ping_seconds)
                if self._answered == number:
                    missed = 0
                else:
                    missed += 1
                    self._on_probe(Probe.SILENT)
        except OSError:
            self._on_probe(Probe.SILENT)
        finally:
            # Waited for: it must not look at a socket that is closed.
            hearing.cancel()
            await asyncio.wait({hearing})
        return self._answered > 0

    async def _hear(self, control: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                said, number = read_control(await read_exactly(control, CONTROL_BYTES))
                match said:
                    case Said.NEWEST | Said.SUPERSEDED:
                        self._answered = number
                        self._on_probe(Probe.NEWEST if said is Said.NEWEST else Probe.SUPERSEDED)
                    case Said.WANTED:
                        self._wanted = after_asking(self._wanted)
                        self._asked_at = asyncio.get_running_loop().time()
                        self._changed.set()
                    case _:
                        pass

    async def _keep_ahead(self, group: asyncio.TaskGroup, host: str, port: int) -> None:
        """Have as many connections wait as are wanted, as long as connecting works."""
        loop = asyncio.get_running_loop()
        self._failed, self._failures = False, 0
        while True:
            self._changed.clear()
            if self._failed:
                self._failed = False
                self._failures += 1
                await asyncio.sleep(pause_seconds(self._failures, self._draw()))
            while len(self._ahead) < self._wanted and len(self._ahead) + len(self._open) < self._most_open:
                connection = group.create_task(self._wait_for_visitor(host, port))
                self._ahead.add(connection)
                connection.add_done_callback(self._gone)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CALM_SECONDS):
                    await self._changed.wait()
            if self._wanted > FEWEST and loop.time() - self._asked_at >= CALM_SECONDS:
                self._wanted = after_calm(self._wanted)
                self._asked_at = loop.time()

    def _gone(self, connection: asyncio.Task[None]) -> None:
        self._ahead.discard(connection)
        self._open.discard(connection)
        self._changed.set()

    async def _wait_for_visitor(self, host: str, port: int) -> None:
        """Put one connection there, and lead whoever it is spent on to the local port."""
        try:
            connection, verdict = await self._connect(host, port, Purpose.DATA)
        except OSError:
            self._failed = True
            return
        with connection:
            if verdict is not Verdict.WELCOME:
                self._failed = True
                return
            self._idle += 1
            try:
                opening = read_opening(await read_exactly(connection, OPENING_BYTES))
            except OSError:
                # Nobody had any use for it; where that is so for all, they are not made one after another.
                self._failed = True
                return
            finally:
                self._idle -= 1
            self._failures = 0
            self._spent()
            place = self._local[opening.carries].get(opening.port) if opening is not None else None
            if opening is None or place is None:
                return
            with contextlib.suppress(OSError):
                if opening.carries is Carries.DATAGRAMS:
                    await lead_datagrams(connection, *place)
                else:
                    await splice(connection, await dial(*place), pipes=self._pipes)

    def _spent(self) -> None:
        """Have another take this connection's place."""
        spent = asyncio.current_task()
        if spent is not None:
            self._ahead.discard(spent)
            self._open.add(spent)
        self._changed.set()
