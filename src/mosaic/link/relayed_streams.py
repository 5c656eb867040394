"""TCP connections of raw ports: the head that the gateway put before each is read, and the rest goes on unread.

The head says who visits. Who is not of the allowed networks goes no further, and
a service that takes such heads (`tcp+proxy://`) is given the same one.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

from mosaic.adapters.pipes import Pipes
from mosaic.adapters.splicing import splice
from mosaic.adapters.tcp_tunnel.dialing import dial
from mosaic.core.expose import RawPort
from mosaic.core.needs_more import NeedsMore
from mosaic.core.proxy_header import Ends, Head, read

_HEAD_SECONDS = 5.0
_MOST_CONNECTIONS = 2000

Network: TypeAlias = IPv4Network | IPv6Network


class StreamRelay:
    """One raw port. `allowed` are the networks of those who may visit; none is everybody."""

    def __init__(self, port: RawPort, allowed: Sequence[Network], pipes: Pipes) -> None:
        self._port = port
        self._allowed = allowed
        self._pipes = pipes
        self._open = 0

    async def pass_on(self, visitor: socket.socket) -> None:
        """Lead one connection of the gateway to the service, until both sides have ended. Closes it."""
        self._open += 1
        try:
            if self._open <= _MOST_CONNECTIONS:
                await self._lead(visitor)
        except OSError:
            # A side has gone, or was too slow: nobody is left to be told.
            return
        finally:
            self._open -= 1
            visitor.close()

    async def _lead(self, visitor: socket.socket) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            received, head = await _head(visitor)
        if head is None or not self._lets_in(head.ends):
            return
        service = await dial(self._port.service, self._port.port)
        first = received if self._port.tells_visitor else b""
        await splice(visitor, service, pipes=self._pipes, first_to_other=first)

    def _lets_in(self, ends: Ends | None) -> bool:
        if not self._allowed:
            return True
        return ends is not None and any(ends.source in network for network in self._allowed)


async def _head(visitor: socket.socket) -> tuple[bytes, Head | None]:
    """Read the head and nothing after it; None where there is none. Raises OSError."""
    loop = asyncio.get_running_loop()
    received = b""
    while isinstance(said := read(received), NeedsMore):
        piece = await loop.sock_recv(visitor, said.at_least - len(received))
        if not piece:
            return received, None
        received += piece
    return received, said if isinstance(said, Head) else None
