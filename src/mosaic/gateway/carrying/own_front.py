"""What stands where a gateway's own name is routed to: links' tunnels within TLS to us, everything else to Caddy.

They are told apart by what their ClientHello asks for (ALPN), before TLS begins.
A tunnel's TLS is ended here, with the certificate that Caddy has.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

from mosaic.adapters import log
from mosaic.adapters.pipes import Pipes
from mosaic.adapters.splicing import splice
from mosaic.adapters.tcp_tunnel import server as tcp
from mosaic.adapters.tcp_tunnel.dialing import dial
from mosaic.adapters.tcp_tunnel.served import accept_each
from mosaic.adapters.tcp_tunnel.within_tls import Takes, serve_within_tls
from mosaic.core import client_hello, proxy_header
from mosaic.core.client_hello import Asks
from mosaic.core.link_routes import TLS_PORT
from mosaic.core.needs_more import NeedsMore
from mosaic.core.proxy_header import Ends, Head
from mosaic.core.tunnel_place import ALPN
from mosaic.gateway.carrying.own_caddy import CADDY_TLS_PORT

_HELLO_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_MOST = 4096
_MOST_BYTES = proxy_header.MOST_BYTES + client_hello.MOST_BYTES


class OwnFront:
    """Listens at the gateway's own address while `serve` runs. `chain` are the files of the certificate of now."""

    def __init__(self, address: str, tunnels: Takes, chain: Callable[[], tuple[Path, Path] | None]) -> None:
        self._address = address
        self._tunnels = tunnels
        self._chain = chain
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.set_alpn_protocols([ALPN])
        self._loaded: tuple[Path, int] | None = None
        self._sources: dict[int, str] = {}
        self._visits: set[asyncio.Task[None]] = set()
        self._within = ("", 0)

    async def serve(self) -> None:
        """Take connections until cancelled. Raises OSError."""
        pipes = Pipes()
        try:
            async with asyncio.TaskGroup() as group:
                within = tcp.listen("127.0.0.1", 0)
                self._within = within.getsockname()
                group.create_task(serve_within_tls(self._tunnels, within, self._context, whose=self._whose))
                group.create_task(self._follow_certificate())

                def taken(visitor: socket.socket, _: object) -> None:
                    if len(self._visits) >= _MOST:
                        visitor.close()
                        return
                    visit = group.create_task(self._visit(visitor, pipes))
                    self._visits.add(visit)
                    visit.add_done_callback(self._visits.discard)
                    visit.add_done_callback(lambda _: visitor.close())

                await accept_each(tcp.listen(self._address, TLS_PORT), taken)
        finally:
            pipes.close()

    async def _visit(self, visitor: socket.socket, pipes: Pipes) -> None:
        """Lead one visitor on, as long as both sides like."""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_HELLO_SECONDS):
                received, head, asks = await _heard(visitor)
            if asks is None:
                return
            if ALPN.encode() in asks.alpn:
                other = await dial(*self._within)
                with self._coming_from(other, head.ends):
                    await splice(visitor, other, pipes=pipes, first_to_other=received[head.size :])
            else:
                other = await dial(self._address, CADDY_TLS_PORT)
                await splice(visitor, other, pipes=pipes, first_to_other=received)

    @contextlib.contextmanager
    def _coming_from(self, other: socket.socket, ends: Ends | None) -> Iterator[None]:
        port = other.getsockname()[1]
        if ends is not None:
            self._sources[port] = str(ends.source)
        try:
            yield
        finally:
            self._sources.pop(port, None)

    def _whose(self, source: object) -> object:
        """Return whose a connection to the inner listener is, for the limits of those that are not proven."""
        port = source[1] if isinstance(source, tuple) and len(source) > 1 else 0
        return (self._sources.get(port, ""), 0)

    async def _follow_certificate(self) -> None:
        """Take the certificate that is there, and the next one when it was renewed."""
        while True:
            try:
                self._load(self._chain())
            except (OSError, ValueError) as error:
                # Caddy may be writing one of both files; the one of before is good until it has.
                log.warning("gateway_certificate_not_read", reason=str(error))
            await asyncio.sleep(_LOOK_SECONDS)

    def _load(self, chain: tuple[Path, Path] | None) -> None:
        if chain is None:
            return
        now = chain[0], chain[0].stat().st_mtime_ns
        if now != self._loaded:
            self._context.load_cert_chain(*chain)
            self._loaded = now


async def _heard(visitor: socket.socket) -> tuple[bytes, Head, Asks | None]:
    """Return what was received, the router's head, and what the hello behind it asks for. Raises OSError."""
    received = b""
    loop = asyncio.get_running_loop()
    while piece := await loop.sock_recv(visitor, _MOST_BYTES - len(received)):
        received += piece
        head = proxy_header.read(received)
        if isinstance(head, NeedsMore):
            continue
        if not isinstance(head, Head):
            break
        said = client_hello.read(received[head.size :])
        if not isinstance(said, NeedsMore):
            return received, head, said if isinstance(said, Asks) else None
    return received, Head(0, None), None
