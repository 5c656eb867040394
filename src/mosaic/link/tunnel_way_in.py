"""The places where one gateway takes connections of TCP mode: the first that answers is kept until it is silent."""

import socket
from collections.abc import Callable, Sequence

from mosaic.adapters.tcp_tunnel.dialing import dial
from mosaic.adapters.tcp_tunnel.within_tls import TlsDialing
from mosaic.core.tunnel_place import TunnelPlace


class WayIn:
    """Connects a TunnelClient, and is told whether anything came back. `tls` is made when a place needs it.

    While control answers, all connections go where it went, though a name may have several addresses.
    """

    def __init__(self, places: Sequence[TunnelPlace], tls: Callable[[], TlsDialing]) -> None:
        self._places = places
        self._make_tls = tls
        self._tls: TlsDialing | None = None
        self._at = 0
        self._has_answered = False
        self._address: str | None = None

    @property
    def place(self) -> TunnelPlace:
        """Where it connects now."""
        return self._places[self._at]

    async def connect(self, host: str, port: int) -> socket.socket:  # noqa: ARG002 (it knows better)
        """Return a connection to the place that counts now. Raises OSError."""
        place = self.place
        if place.within_tls:
            self._tls = self._tls or self._make_tls()
            return await self._tls.connect(place.host, place.port)
        connection = await dial(self._address or place.host, place.port)
        if place is self.place:
            self._address = str(connection.getpeername()[0])
        return connection

    def told(self, *, answered: bool) -> None:
        """Take the next place after a silence, unless this one has answered before: then it is asked once more."""
        if not answered:
            self._address = None
            if not self._has_answered:
                self._at = (self._at + 1) % len(self._places)
        self._has_answered = answered
