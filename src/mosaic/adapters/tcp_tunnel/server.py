"""The gateway's end of TCP mode: links' connections come in at one side, the router's at the other.

A registration that nobody has proven yet costs nothing. With its first proven
connection the server listens at the registration's own address, so that address and port say
what a connection is for; they are of 127.64.0.0/10, which only this machine can reach.
Who knows the registrations is asked once for each; `drop` forgets one.
"""

import asyncio
import ipaddress
import secrets
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.adapters import log
from mosaic.adapters.pipes import Pipes
from mosaic.adapters.splicing import keep_alive
from mosaic.adapters.tcp_tunnel.hello import RandomBytes, ask
from mosaic.adapters.tcp_tunnel.idle import Tally
from mosaic.adapters.tcp_tunnel.served import Limits, Place, Served, accept_each
from mosaic.core.errors import MosaicError
from mosaic.core.tunnel_hello import KEY_BYTES, NONCE_BYTES, Answer, Purpose, Verdict, is_proven, refusal, welcome

Find: TypeAlias = Callable[[str], Awaitable[Place | None]]
"""Returns what is known of a registration, None where it is not known or has ended. May raise MosaicError."""

Probed: TypeAlias = Callable[[str], bool]
"""Hears of a probe through a registration's tunnel, and returns whether it is its link's newest. Raises nothing."""

_LISTEN_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Standing:
    """How a registration does: connections ready, visitors, and whether its link is there."""

    idle: int
    open: int
    linked: bool


class TunnelServer:
    """Serves all registrations of one gateway while `serve` runs. Called in its event loop alone."""

    def __init__(
        self,
        find: Find,
        probed: Probed,
        *,
        limits: Limits | None = None,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        self._find = find
        self._probed = probed
        self._limits = limits or Limits()
        self._random_bytes = random_bytes
        self._served: dict[str, Served] = {}
        self._tally = Tally()
        # Those that have still to prove themselves, and how many each source has of them.
        self._meeting: set[socket.socket] = set()
        self._sources: Counter[str] = Counter()
        self._drops = 0
        self._pipes = Pipes()
        self._group: asyncio.TaskGroup | None = None

    async def serve(self, listener: socket.socket) -> None:
        """Take links' connections until cancelled; then end everything. See `listen` for the socket."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._look_for_deserted())
                await accept_each(listener, self.take)
        finally:
            self._group = None
            for registration in list(self._served):
                self.drop(registration)
            for connection in self._meeting:
                connection.close()
            self._pipes.close()

    def take(self, connection: socket.socket, source: object) -> None:
        """Take a connection of a link, and own it. `source` is whose it is, as accept() says, for the limits."""
        whose = source_of(source)
        full = len(self._meeting) >= self._limits.unproven or self._sources[whose] >= self._limits.unproven_of_source
        if full or self._group is None:
            connection.close()
            return
        self._meeting.add(connection)
        self._sources[whose] += 1
        self._group.create_task(self._meet(connection, whose))

    def update(self, registration: str, place: Place) -> None:
        """Take other ports, another key or address for a registration, where its link is here. Raises OSError."""
        served = self._served.get(registration)
        if served is not None:
            served.listen(place)

    def drop(self, registration: str) -> None:
        """End all connections of a registration and forget it. One that is not here is no error."""
        self._drops += 1
        served = self._served.pop(registration, None)
        if served is not None:
            served.close()

    def standing(self) -> Mapping[str, Standing]:
        """Return how each registration does that has proven itself here."""
        return {name: Standing(len(one.idle), one.open, one.is_linked) for name, one in self._served.items()}

    async def _meet(self, connection: socket.socket, whose: str) -> None:
        """Let a link prove itself, and put its connection where it belongs."""
        proven: tuple[Answer, Served] | None = None
        try:
            async with asyncio.timeout(self._limits.hello_seconds):
                proven = await self._prove(connection)
        except OSError:
            # It was silent, left, or spoke of something else.
            proven = None
        finally:
            self._meeting.discard(connection)
            self._sources[whose] -= 1
            if not self._sources[whose]:
                del self._sources[whose]
            if proven is None:
                connection.close()
        if proven is None:
            return
        answer, served = proven
        if answer.purpose is Purpose.DATA:
            served.idle.add(connection)
        else:
            await served.control(connection, lambda: self._probed(answer.registration))

    async def _prove(self, connection: socket.socket) -> tuple[Answer, Served] | None:
        """Return a link's answer and whom it proved to be; None when it was refused. Raises OSError."""
        keep_alive(connection)
        nonce = self._random_bytes(NONCE_BYTES)
        answer = await ask(connection, nonce)
        said, served = await self._judge(answer, nonce)
        await asyncio.get_running_loop().sock_sendall(connection, said)
        # It may have been dropped while the last bytes were sent.
        return (answer, served) if served is not None and self._served.get(answer.registration) is served else None

    async def _judge(self, answer: Answer, nonce: bytes) -> tuple[bytes, Served | None]:
        """Return the verdict as it is sent, and the registration where it is a welcome."""
        try:
            found = await self._placed(answer.registration)
        except MosaicError as error:
            log.warning("tunnel_registration_not_looked_up", registration=answer.registration, reason=error.message)
            return refusal(Verdict.LATER), None
        # Whoever is unknown is compared with a key all the same, and hears the same.
        key = found.tunnel_key.reveal() if found is not None else bytes(KEY_BYTES)
        if not is_proven(answer, key, gateway_nonce=nonce) or found is None:
            return refusal(Verdict.UNKNOWN), None
        served = self._room_for(answer, found)
        if served is None:
            return refusal(Verdict.LATER), None
        return welcome(key, answer, gateway_nonce=nonce), served

    async def _placed(self, registration: str) -> Place | None:
        """Return what is known of a registration, as it is after whatever was dropped meanwhile. Raises MosaicError."""
        while (served := self._served.get(registration)) is None:
            drops = self._drops
            found = await self._find(registration)
            if drops == self._drops:
                return found
        return served.place

    def _room_for(self, answer: Answer, place: Place) -> Served | None:
        """Return the registration, listening; None where it has too much already or its address cannot be had."""
        served = self._served.get(answer.registration)
        if served is None:
            assert self._group is not None, "hellos are only heard while it serves"
            served = Served(
                place, limits=self._limits, tally=self._tally, pipes=self._pipes, start=self._group.create_task
            )
            try:
                served.listen(place)
            except OSError as error:
                served.close()
                log.warning(
                    "tunnel_address_not_opened",
                    registration=answer.registration,
                    address=place.address,
                    reason=error.strerror or str(error),
                )
                return None
            self._served[answer.registration] = served
        of_one = len(served.idle) >= self._limits.idle_of_registration
        in_all = self._tally.idle >= self._limits.idle
        return None if answer.purpose is Purpose.DATA and (of_one or in_all) else served

    async def _look_for_deserted(self) -> None:
        """Forget registrations that nobody used at two looks in a row: who comes for them is refused at once then."""
        deserted: set[str] = set()
        while True:
            await asyncio.sleep(self._limits.linger_seconds)
            now = {name for name, served in self._served.items() if served.is_deserted}
            for name in now & deserted:
                self._served.pop(name).close()
            deserted = now - deserted


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket for `TunnelServer.serve`; port 0 has one chosen. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server(
        (host, port),
        family=family,
        backlog=_LISTEN_BACKLOG,
        dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
    )
    listener.setblocking(False)
    return listener


def source_of(source: object) -> str:
    """Return whose a connection is: an IPv4 address, or the /64 of an IPv6 one, which is one customer's."""
    if not (isinstance(source, tuple) and source and isinstance(source[0], str)):
        return ""
    if ":" not in source[0]:
        return source[0]
    try:
        address = ipaddress.IPv6Address(source[0].partition("%")[0])
    except ValueError:
        return source[0]
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.IPv6Network((address, 64), strict=False))
