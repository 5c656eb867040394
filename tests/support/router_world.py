"""A Router that runs, visitors of it, and the tunnel addresses that it leads to. All on loopback, all real sockets."""

import contextlib
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

from mosaic.core.ids import LinkId
from mosaic.core.link_routes import Route
from mosaic.core.proxy_header import Ends, ends_of
from mosaic.gateway.router import Router
from support.hellos import real_hello
from support.streams import SECONDS, Stream
from support.tunnel_ends import TunnelEnd

LINK = LinkId("abcdefghijkl")


@dataclass(frozen=True, slots=True)
class Doors:
    """A Router with its usual limits, and where its visitors come in: both addresses are of 127.0.0.0/8.

    `descriptors` counts what its process has open. `joins_records` is False
    where a ClientHello has to lie within one TLS record, `tells_destination` where the
    head before a connection has the tunnel address as the one that was asked.
    """

    router: Router
    tls: tuple[str, int]
    plain: tuple[str, int]
    descriptors: Callable[[], int]
    joins_records: bool = True
    tells_destination: bool = True


class RouterWorld:
    """What one test makes around a Router that it may share with others. `close` ends it all."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        self.router = doors.router
        self._closing = contextlib.ExitStack()
        self._names: set[str] = set()

    def close(self) -> None:
        """Take the routes away, and close every socket."""
        self.router.remove(self._names)
        self._closing.close()

    def tunnel(self) -> TunnelEnd:
        """Listen on a tunnel address of its own."""
        end = TunnelEnd()
        self._closing.callback(end.close)
        return end

    def route(self, to: TunnelEnd | str, name: str | None = None) -> str:
        """Route a name, a new one if none is given, to a tunnel address; return the name."""
        chosen = name or new_name()
        self._names.add(chosen)
        self.router.put({chosen: Route(LINK, to if isinstance(to, str) else to.address)})
        return chosen

    def visitor(self, door: tuple[str, int] | None = None, *, source: str = "") -> Stream:
        """Connect, to the router's TLS door unless another is said."""
        connected = socket.create_connection(door or self.doors.tls, SECONDS, (source, 0))
        return self._closing.enter_context(Stream(connected))

    def plain_visitor(self, *, source: str = "") -> Stream:
        """Connect to the router's door for plain HTTP."""
        return self.visitor(self.doors.plain, source=source)

    def meet(self, tunnel: TunnelEnd, name: str, *, source: str = "") -> tuple[Stream, Stream]:
        """Return a visitor who asked for the name, and the end in the tunnel, which has had all that he sent."""
        visitor = self.visitor(source=source)
        hello = real_hello(name)
        visitor.send(hello)
        arrived = tunnel.arrival().stream
        assert arrived.take(len(hello)) == hello
        return visitor, arrived

    def ends(self, visitor: Stream, tunnel: TunnelEnd) -> Ends:
        """Return what a link is to be told of a visitor: his true address always, and where he asked."""
        asked = visitor.there if self.doors.tells_destination else (tunnel.address, visitor.there[1])
        return ends_of(visitor.here, asked)

    def is_turned_away(self, *sent: bytes) -> bool:
        """Whether who sends this is closed without a byte of an answer."""
        with self.visitor() as visitor:
            # A router may have closed it by the time that the last piece goes.
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                for piece in sent:
                    visitor.send(piece)
            return visitor.was_ended()


def new_name() -> str:
    """Return a name that no other test has."""
    return f"{secrets.token_hex(8)}.example.org"


def own_source() -> str:
    """Return an address of this machine that no other test connects from: what is kept by source is its own."""
    numbers = secrets.token_bytes(2)
    return f"127.{1 + numbers[0] % 60}.{numbers[1]}.{1 + secrets.randbelow(254)}"
