"""One registration at a gateway: where the router reaches it, and what its visitors are given."""

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass

from mosaic.adapters.pipes import Pipes
from mosaic.adapters.splicing import keep_alive, splice
from mosaic.adapters.tcp_tunnel.datagrams import DatagramPort, Start
from mosaic.adapters.tcp_tunnel.hello import read_exactly
from mosaic.adapters.tcp_tunnel.idle import IdleConnections, Tally
from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT
from mosaic.core.tunnel_frames import (
    CONTROL_BYTES,
    Carries,
    Opening,
    Said,
    read_control,
    write_control,
    write_opening,
)
from mosaic.crypto.secret import Secret

_LOOPBACK = ipaddress.IPv4Network("127.64.0.0/10")
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_NO_ROOM_SECONDS = 0.1
_NEXT_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a tunnel server takes on, and for how long it waits."""

    unproven: int = 1024
    unproven_of_source: int = 128
    idle_of_registration: int = 128
    idle: int = 20_000
    open_of_registration: int = 4096
    waiting_of_registration: int = 512
    hello_seconds: float = 5.0
    wait_seconds: float = 5.0
    silent_seconds: float = 20.0
    """After how long without a ping a control connection is given up, and the idle ones of its registration with it."""
    linger_seconds: float = 30.0
    """For how long at least a registration without any connection keeps its address: its link may be back soon."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a gateway knows of a registration: its address in 127.64.0.0/10, its key, and its ports there."""

    address: str
    tunnel_key: Secret
    streams: frozenset[int] = frozenset({TLS_PORT, CHALLENGE_PORT})
    datagrams: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if ipaddress.IPv4Address(self.address) not in _LOOPBACK:
            raise ValueError(f"{self.address} is not of {_LOOPBACK}: others than this machine could reach it")


async def accept_each(listener: socket.socket, taken: Callable[[socket.socket, object], None]) -> None:
    """Hand every connection that comes to `taken`, until cancelled; then close the listener."""
    loop = asyncio.get_running_loop()
    with listener:
        keep_alive(listener)
        while True:
            try:
                connection, source = await loop.sock_accept(listener)
            except OSError as error:
                # Whoever was accepted may have gone again; and where there are no descriptors left there will be.
                await asyncio.sleep(_NO_ROOM_SECONDS if error.errno in _NO_ROOM else _NEXT_SECONDS)
                continue
            taken(connection, source)


class Served:
    """A registration that has proven itself. Not for threads."""

    def __init__(self, place: Place, *, limits: Limits, tally: Tally, pipes: Pipes, start: Start) -> None:
        self.place = place
        self._limits = limits
        self._pipes = pipes
        self._start = start
        self._listening: dict[int, asyncio.Task[None]] = {}
        self._datagrams: dict[int, DatagramPort] = {}
        self._open: set[asyncio.Task[None]] = set()
        self._control: socket.socket | None = None
        self._controlling: asyncio.Task[None] | None = None
        self.idle = IdleConnections(tally)

    @property
    def open(self) -> int:
        """How many visitors there are, those that wait included."""
        return len(self._open)

    @property
    def is_linked(self) -> bool:
        """Whether its link is there."""
        return self._control is not None

    @property
    def is_deserted(self) -> bool:
        """Whether its link has gone and nobody visits it."""
        return not (self._open or self.is_linked)

    def listen(self, place: Place) -> None:
        """Listen at the ports that it is to have, and no longer at others. Raises OSError; then some may be missing."""
        moved = place.address != self.place.address
        self.place = place
        for port in [port for port in self._listening if moved or port not in place.streams]:
            self._listening.pop(port).cancel()
        for port in sorted(place.streams - self._listening.keys()):
            self._listening[port] = self._listen_at(place.address, port)
        for port in [port for port in self._datagrams if moved or port not in place.datagrams]:
            self._datagrams.pop(port).close()
        for port in sorted(place.datagrams - self._datagrams.keys()):
            opening = write_opening(Opening(Carries.DATAGRAMS, port))
            self._datagrams[port] = DatagramPort(
                place.address, port, opening=opening, take=self._connection, start=self._start
            )

    async def control(self, connection: socket.socket, probed: Callable[[], bool]) -> None:
        """Answer its link's pings until it goes. What was idle before is closed: it was of the link as it was then."""
        if self._controlling is not None:
            self._controlling.cancel()
        self.idle.close()
        self._control, self._controlling = connection, asyncio.current_task()
        loop = asyncio.get_running_loop()
        if self.idle.waiting:
            self._ask_for(self.idle.waiting)
        try:
            while True:
                async with asyncio.timeout(self._limits.silent_seconds):
                    said, number = read_control(await read_exactly(connection, CONTROL_BYTES))
                    if said is Said.PING:
                        answer = Said.NEWEST if probed() else Said.SUPERSEDED
                        await loop.sock_sendall(connection, write_control(answer, number))
        except OSError:
            return
        finally:
            connection.close()
            if self._control is connection:
                self._control = self._controlling = None
                self.idle.close()

    def close(self) -> None:
        """End everything that it has, at once."""
        for listening in self._listening.values():
            listening.cancel()
        self._listening.clear()
        for port in self._datagrams.values():
            port.close()
        self._datagrams.clear()
        self.idle.close()
        if self._controlling is not None:
            self._controlling.cancel()
        for visit in list(self._open):
            visit.cancel()

    def _listen_at(self, address: str, port: int) -> "asyncio.Task[None]":
        listener = socket.create_server((address, port), backlog=1024)
        listener.setblocking(False)
        listening = self._start(accept_each(listener, self._visited(port)))
        listening.add_done_callback(lambda _: listener.close())
        return listening

    def _visited(self, port: int) -> Callable[[socket.socket, object], None]:
        def taken(visitor: socket.socket, _: object) -> None:
            if len(self._open) >= self._limits.open_of_registration:
                visitor.close()
                return
            visit = self._start(self._visit(visitor, port))
            self._open.add(visit)
            visit.add_done_callback(self._open.discard)
            visit.add_done_callback(lambda _: visitor.close())

        return taken

    async def _visit(self, visitor: socket.socket, port: int) -> None:
        """Join a visitor with a connection of the link, if one comes in time."""
        connection = await self._connection()
        if connection is not None:
            opening = write_opening(Opening(Carries.STREAM, port))
            await splice(visitor, connection, pipes=self._pipes, first_to_other=opening)

    async def _connection(self) -> socket.socket | None:
        if not self.idle:
            if self.idle.waiting >= self._limits.waiting_of_registration:
                return None
            self._ask_for(1)
        return await self.idle.take(seconds=self._limits.wait_seconds)

    def _ask_for(self, count: int) -> None:
        # A control connection that takes no frame has many in it already.
        if self._control is not None:
            with contextlib.suppress(OSError):
                self._control.send(write_control(Said.WANTED, count))
