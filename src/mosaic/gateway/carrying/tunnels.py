"""The `Tunnels` of a gateway: a TunnelServer in an event loop of its own, told registrations by any thread."""

import asyncio
import socket
import threading
from collections.abc import Callable, Collection, Mapping

from mosaic.adapters import log
from mosaic.adapters.loop_thread import LoopThread
from mosaic.adapters.tcp_tunnel.served import Limits, Place
from mosaic.adapters.tcp_tunnel.server import TunnelServer
from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT
from mosaic.crypto.secret import Secret
from mosaic.gateway.parts import Tunnel

SUPERSEDED = 409
_HEARD_SECONDS = 2.0
"""How long a registration may be unknown that comes here: another gateway may have accepted it a moment ago."""

_LOOK_SECONDS = 0.05
_OWN_STREAMS = frozenset({TLS_PORT, CHALLENGE_PORT})


class TcpTunnels:
    """Serves at a listener from when it is made until its loop is closed."""

    def __init__(self, listener: socket.socket, loop: LoopThread, *, limits: Limits | None = None) -> None:
        self._listener = listener
        self._loop = loop
        self._limits = limits
        self._changing = threading.Lock()
        self._tunnels: dict[str, Tunnel] = {}
        self._probe: Callable[[str], int] = lambda _: 0
        self._server = loop.ask(self._new_server)
        loop.keep("tunnels", self._serve)

    def take(self, connection: socket.socket, source: object) -> None:
        """Take a connection that came in elsewhere, and own it. For the loop alone."""
        self._server.take(connection, source)

    def put(self, tunnels: Mapping[str, Tunnel]) -> None:
        """Take these links' connections, and lead what comes to a tunnel's address into them."""
        with self._changing:
            self._tunnels = {**self._tunnels, **tunnels}
            self._loop.ask(lambda: self._update(tunnels))

    def remove(self, registrations: Collection[str]) -> None:
        """Take none of these any more, and end what is open."""
        with self._changing:
            self._tunnels = {name: one for name, one in self._tunnels.items() if name not in registrations}
            self._loop.ask(lambda: self._drop(registrations))

    def there(self) -> dict[str, Tunnel]:
        """Return all that may prove themselves."""
        return dict(self._tunnels)

    def answer_by(self, probe: Callable[[str], int]) -> None:
        """Answer probes of registrations as this says."""
        self._probe = probe

    def _new_server(self) -> TunnelServer:
        return TunnelServer(self._find, self._is_good, limits=self._limits)

    def _is_good(self, registration: str) -> bool:
        """Whether its link may go on. One that is unknown may not be known yet, and "superseded" ends a link for good.

        Of one that is no more the tunnel goes, and whoever comes again is refused.
        """
        return self._probe(registration) != SUPERSEDED

    async def _serve(self) -> None:
        try:
            # It closes what it was given; where it has to begin again there is this one still.
            await self._server.serve(self._listener.dup())
        finally:
            self._server = self._new_server()

    async def _find(self, registration: str) -> Place | None:
        try:
            async with asyncio.timeout(_HEARD_SECONDS):
                while (found := self._tunnels.get(registration)) is None:
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            return None
        return _place(found)

    def _update(self, tunnels: Mapping[str, Tunnel]) -> None:
        for name, tunnel in tunnels.items():
            try:
                self._server.update(name, _place(tunnel))
            except OSError as error:
                # Its link comes again, and with it the next try.
                self._server.drop(name)
                log.warning("tunnel_not_moved", registration=name, reason=error.strerror or str(error))

    def _drop(self, registrations: Collection[str]) -> None:
        for name in registrations:
            self._server.drop(name)


def _place(tunnel: Tunnel) -> Place:
    return Place(tunnel.address, Secret(bytes.fromhex(tunnel.key)), _OWN_STREAMS | tunnel.streams, tunnel.datagrams)
