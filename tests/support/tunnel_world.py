"""A gateway's tunnel server, a link's client and an app, in one event loop and on real sockets of loopback."""

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path as File

from mosaic.adapters.tcp_tunnel.client import MOST_OPEN, PING_SECONDS, Connect, Credentials, Probe, TunnelClient
from mosaic.adapters.tcp_tunnel.dialing import dial
from mosaic.adapters.tcp_tunnel.hello import introduce
from mosaic.adapters.tcp_tunnel.served import Limits, Place
from mosaic.adapters.tcp_tunnel.server import TunnelServer, listen
from mosaic.adapters.tcp_tunnel.within_tls import serve_within_tls
from mosaic.core.errors import MosaicError
from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT
from mosaic.core.tunnel_hello import Purpose, Verdict
from mosaic.core.tunnel_place import ALPN
from mosaic.crypto import ca
from mosaic.crypto.secret import Secret
from support.tcp_pairs import read_to_end

SECONDS = 60.0
NAME = "reg-1"


async def until(condition: Callable[[], object], *, seconds: float = SECONDS) -> None:
    """Return as soon as `condition` is true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def own_address() -> str:
    """Return an address of 127.64.0.0/10 that no other test has."""
    for _ in range(50):
        address = f"127.{random.randrange(65, 128)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        with contextlib.suppress(OSError), socket.create_server((address, TLS_PORT)):
            return address
    raise AssertionError("no address of 127.64.0.0/10 is free")


class App:
    """Answers everything with itself, after the name of the port where it was asked."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._server: asyncio.Server | None = None
        self.port = 0
        self.asked = 0

    async def open(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = await asyncio.start_server(self._answer, host, port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        try:
            writer.write(self._name)
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.transport.abort()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@dataclass
class World:
    """What a test has in hand. `known` is what the gateway finds of registrations, or why it cannot look."""

    server: TunnelServer
    port: int
    known: dict[str, Place | MosaicError]
    local: dict[int, tuple[str, int]]
    app: App
    challenges: App
    local_datagrams: dict[int, tuple[str, int]] = field(default_factory=dict)
    newest: bool = True
    probes: list[Probe] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return self.place_of(NAME)

    async def find(self, name: str) -> Place | None:
        """Look as a gateway does."""
        found = self.known.get(name)
        if isinstance(found, MosaicError):
            raise found
        return found

    def place_of(self, name: str) -> Place:
        place = self.known[name]
        assert isinstance(place, Place)
        return place

    def client(
        self,
        *,
        ping_seconds: float = PING_SECONDS,
        name: str = NAME,
        host: str = "127.0.0.1",
        port: int | None = None,
        connect: Connect = dial,
        most_open: int = MOST_OPEN,
    ) -> TunnelClient:
        credentials = Credentials(name, self.place_of(name).tunnel_key)
        return TunnelClient(
            host,
            port or self.port,
            credentials,
            self.local,
            self.probes.append,
            draw=lambda: 0.1,
            connect=connect,
            most_open=most_open,
            local_datagrams=self.local_datagrams,
            ping_seconds=ping_seconds,
        )

    def add(self, name: str) -> None:
        """Have the gateway know another registration."""
        self.known[name] = Place(own_address(), Secret(random.randbytes(32)))

    def server_like(self) -> TunnelServer:
        """Return another gateway that knows the same."""
        return TunnelServer(self.find, lambda _: self.newest)

    @asynccontextmanager
    async def linked(self, client: TunnelClient | None = None, *, name: str = NAME) -> AsyncIterator[TunnelClient]:
        """A link that is there, with its connections ready."""
        client = client or self.client(name=name)
        running = asyncio.create_task(client.run())
        try:
            await until(lambda: client.idle >= 8)
            await until(lambda: self.server.standing()[name].idle >= 8)
            yield client
        finally:
            running.cancel()
            await asyncio.wait({running})

    async def visit(self, port: int = TLS_PORT, *, name: str = NAME) -> socket.socket:
        """Connect as the router would."""
        return await dial(self.place_of(name).address, port, seconds=SECONDS)

    async def asked(self, said: bytes, port: int = TLS_PORT, *, name: str = NAME) -> bytes:
        """Return all that a visitor is answered who says this and no more."""
        with await self.visit(port, name=name) as visitor:
            sending = asyncio.create_task(self._say(visitor, said))
            answer = await read_to_end(visitor)
            await sending
            return answer

    async def hand_made(
        self, purpose: Purpose, *, name: str = NAME, key: Secret | None = None, port: int | None = None
    ) -> tuple[socket.socket, Verdict]:
        """A connection of a link that does nothing by itself, and what the gateway said to it."""
        key = key or self.place_of(name).tunnel_key
        connection = await dial("127.0.0.1", port or self.port)
        return connection, await introduce(
            connection, key or self.place_of(name).tunnel_key, name, purpose, random.randbytes
        )

    @staticmethod
    async def _say(visitor: socket.socket, said: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(visitor, said)
        visitor.shutdown(socket.SHUT_WR)


@asynccontextmanager
async def tunnel_world(limits: Limits | None = None) -> AsyncIterator[World]:
    """A gateway that serves, with one registration that it knows."""
    known: dict[str, Place | MosaicError] = {NAME: Place(own_address(), Secret(random.randbytes(32)))}
    app, challenges = App(b"tls:"), App(b"acme:")
    await app.open()
    await challenges.open()
    local = {TLS_PORT: ("127.0.0.1", app.port), CHALLENGE_PORT: ("127.0.0.1", challenges.port)}
    listener = listen("127.0.0.1", 0)
    server = TunnelServer(lambda name: world.find(name), lambda _: world.newest, limits=limits)
    world = World(server, listener.getsockname()[1], known, local, app, challenges)
    async with serving(server, listener):
        try:
            yield world
        finally:
            app.close()
            challenges.close()


@asynccontextmanager
async def tunnel_world_within_tls(folder: File) -> AsyncIterator[tuple[World, int, str]]:
    """A gateway that takes links within TLS as `localhost`, the port, and the authority that vouches for it."""
    async with (
        tunnel_world(Limits(wait_seconds=SECONDS)) as world,
        served_within_tls(folder, world) as (port, authority),
    ):
        yield world, port, authority


@asynccontextmanager
async def served_within_tls(folder: File, world: World) -> AsyncIterator[tuple[int, str]]:
    """Have a gateway take links within TLS as `localhost`, too: the port, and the authority that vouches for it."""
    now = datetime.now(UTC)
    authority = ca.make_ca("the gateway's", now)
    issued = ca.issue(authority, ["localhost"], now)
    (folder / "chain.pem").write_text(issued.certificate_pem)
    (folder / "key.pem").write_text(issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    context.set_alpn_protocols([ALPN, "http/1.1"])
    serving = asyncio.create_task(serve_within_tls(world.server, listener := listen("127.0.0.1", 0), context))
    try:
        yield listener.getsockname()[1], authority.certificate_pem
    finally:
        serving.cancel()
        await asyncio.wait({serving})


@asynccontextmanager
async def serving(server: TunnelServer, listener: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    """The server while it runs; whoever ends its task has it die."""
    running = asyncio.create_task(server.serve(listener))
    await asyncio.sleep(0)
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.wait({running})
