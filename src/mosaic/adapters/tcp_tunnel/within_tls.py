"""The same tunnel within TLS, for links from whose network nothing else is let out.

TLS cannot be spliced, so on each side its bytes are copied to a connection over
loopback, and everything else takes that for the connection. In TLS they
are in pieces, each with its length (2 bytes) before it; one of no length is the
end of that direction. So an end passes for one direction alone, and a line
that was cut is told from an end.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from typing import Protocol

from mosaic.adapters.gateway_trust import trusting_alone
from mosaic.adapters.splicing import RESET, keep_alive
from mosaic.adapters.tcp_tunnel.dialing import CONNECT_SECONDS
from mosaic.core.tunnel_frames import LENGTH_BYTES, read_length, write_datagram
from mosaic.core.tunnel_place import ALPN

_HELLO_SECONDS = 5.0
_PIECE_BYTES = 32 * 1024


class TlsDialing:
    """Connects a TunnelClient within TLS. `ca_pem` is trusted instead of the machine's authorities."""

    def __init__(self, ca_pem: str | None = None) -> None:
        self._trust = ssl.create_default_context() if ca_pem is None else trusting_alone(ca_pem)
        self._trust.set_alpn_protocols([ALPN])
        self._relays: set[asyncio.Task[None]] = set()

    async def connect(self, host: str, port: int) -> socket.socket:
        """Return a connection that leads through TLS to the host, whose name is proven. Raises OSError (also TLS's)."""
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, ssl=self._trust, limit=_PIECE_BYTES)
        with _aborting(writer):
            ours, theirs = await _pair()
        _begin(_relay(reader, writer, theirs), writer, self._relays)
        return ours


class Takes(Protocol):
    """What connections of links are given to: a TunnelServer that serves."""

    def take(self, connection: socket.socket, source: object) -> None:
        """Take a connection of a link, and own it."""


async def serve_within_tls(
    server: Takes,
    listener: socket.socket,
    context: ssl.SSLContext,
    *,
    whose: Callable[[object], object] = lambda source: source,
) -> None:
    """Take links' connections within TLS until cancelled; then end them all.

    `whose` returns of where a connection came from (as accept() says) whose it is, where something stands before us.
    """

    relays: set[asyncio.Task[None]] = set()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), _aborting(writer):
            ours, theirs = await _pair()
            server.take(ours, whose(writer.get_extra_info("peername")))
            await _relay(reader, writer, theirs)

    def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if accepting.is_serving():
            _begin(lead(reader, writer), writer, relays)
        else:
            # Its handshake took longer than we were here.
            writer.transport.abort()

    accepting = await asyncio.start_server(
        met, sock=listener, ssl=context, ssl_handshake_timeout=_HELLO_SECONDS, limit=_PIECE_BYTES
    )
    try:
        # Not serve_forever(): once cancelled it may wait for connections to end by themselves.
        await asyncio.Event().wait()
    finally:
        accepting.close()
        for relay in relays:
            relay.cancel()
        if relays:
            await asyncio.wait(relays)


def _begin(relay: Coroutine[None, None, None], writer: asyncio.StreamWriter, relays: set[asyncio.Task[None]]) -> None:
    """Run it as a task that is held until it ends. Where that is cancelled, also before it began, `writer` is cut."""

    def ended(task: asyncio.Task[None]) -> None:
        relays.discard(task)
        if task.cancelled():
            writer.transport.abort()

    begun = asyncio.create_task(relay)
    relays.add(begun)
    begun.add_done_callback(ended)


@contextlib.contextmanager
def _aborting(writer: asyncio.StreamWriter) -> Iterator[None]:
    """Cut a connection that something went wrong with."""
    try:
        yield
    except BaseException:  # also when cancelled: nobody else has it
        writer.transport.abort()
        raise


async def _pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection over loopback, where a reset passes, unlike in a socketpair. Raises OSError."""
    loop = asyncio.get_running_loop()
    ours = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
            listener.setblocking(False)
            await loop.sock_connect(ours, listener.getsockname())
            theirs, source = await loop.sock_accept(listener)
            if source != ours.getsockname():
                theirs.close()
                raise ConnectionAbortedError("somebody else was quicker at a port of this machine")
            return ours, theirs
    except BaseException:  # also when cancelled: nobody else has it yet
        ours.close()
        raise


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inner: socket.socket) -> None:
    """Copy both ways until both directions have ended; where one was cut, both connections are reset."""
    inner_reader, inner_writer = await asyncio.open_connection(sock=inner, limit=_PIECE_BYTES)
    ways = [
        asyncio.create_task(_into_pieces(inner_reader, writer)),
        asyncio.create_task(_out_of_pieces(reader, inner_writer)),
    ]
    whole = False
    try:
        if (connection := writer.get_extra_info("socket")) is not None:  # None once it is lost
            keep_alive(connection)
        await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        whole = all(way.done() and way.exception() is None for way in ways)
    except OSError:
        whole = False
    finally:
        for way in ways:
            way.cancel()
        try:
            await asyncio.gather(*ways, return_exceptions=True)
            if whole:
                await _close(writer, inner_writer)
        finally:
            # Also when it is cancelled once more. What is closed already stays as it is.
            _reset(writer, inner_writer)


async def _close(writer: asyncio.StreamWriter, inner_writer: asyncio.StreamWriter) -> None:
    """Close both connections, and return when all is sent and the other side has said the same, or is silent for 30 s.

    Nothing else holds them: where the loop ended first, they would be left open.
    """
    for each in (writer, inner_writer):
        each.close()
    for each in (writer, inner_writer):
        with contextlib.suppress(OSError):
            await each.wait_closed()


def _reset(writer: asyncio.StreamWriter, inner_writer: asyncio.StreamWriter) -> None:
    """Reset both connections."""
    with contextlib.suppress(OSError):
        inner_writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
    inner_writer.transport.abort()


async def _into_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(write_datagram(piece))
        await writer.drain()
    writer.write(write_datagram(b""))
    await writer.drain()


async def _out_of_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while length := read_length(await reader.readexactly(LENGTH_BYTES)):
        writer.write(await reader.readexactly(length))
        await writer.drain()
    writer.write_eof()
