"""A link in TCP mode beside a gateway that runs: its client, and an app that answers with what it was sent."""

import contextlib
import random
import socket
from collections.abc import Iterator

from mosaic.adapters.loop_thread import LoopThread
from mosaic.adapters.tcp_tunnel.client import Credentials, Probe, TunnelClient
from mosaic.adapters.tcp_tunnel.dialing import dial
from mosaic.adapters.tcp_tunnel.within_tls import TlsDialing
from mosaic.core import tunnel_place
from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT
from mosaic.crypto.secret import Secret
from mosaic.wire.links import Registered
from support.hellos import real_hello
from support.streams import Stream
from support.tunnel_world import App
from support.waiting import eventually

GREETING = b"tls:"


class TcpLink:
    """It is there from when it is made. `probes` is all that it was told."""

    def __init__(self, given: Registered, loop: LoopThread, *, gateway: str = "", authority: str | None = None) -> None:
        peer = next(peer for peer in given.peers if gateway in ("", peer.name))
        place = tunnel_place.parse(peer.tunnel[1 if authority else 0])
        assert place is not None and given.tunnel_key is not None
        self.probes: list[Probe] = []
        self._app, self._challenges = App(GREETING), App(b"acme:")
        self._client: TunnelClient | None = None
        self._where = place
        self._credentials = Credentials(given.registration, Secret(bytes.fromhex(given.tunnel_key)))
        self._authority = authority
        loop.keep("link", self._run)

    async def _run(self) -> None:
        await self._app.open()
        await self._challenges.open()
        local = {TLS_PORT: ("127.0.0.1", self._app.port), CHALLENGE_PORT: ("127.0.0.1", self._challenges.port)}
        client = TunnelClient(
            self._where.host,
            self._where.port,
            self._credentials,
            local,
            self.probes.append,
            draw=random.random,
            connect=TlsDialing(self._authority).connect if self._authority else dial,
            ping_seconds=1.0,
        )
        try:
            await client.run()
        finally:
            self._app.close()
            self._challenges.close()

    @property
    def probe(self) -> Probe | None:
        """What it was told last."""
        return self.probes[-1] if self.probes else None


@contextlib.contextmanager
def tcp_link(given: Registered, *, gateway: str = "", authority: str | None = None) -> Iterator[TcpLink]:
    """A link that was answered by a gateway of its group; within TLS if it is given an authority (PEM) to trust."""
    with LoopThread("link") as loop:
        link = TcpLink(given, loop, gateway=gateway, authority=authority)
        eventually(lambda: link.probe is Probe.NEWEST, seen=lambda: link.probes)
        yield link


def visit(port: int, name: str, host: str = "127.0.0.1") -> Stream:
    """Come as a visitor, and say which name is meant."""
    stream = Stream(socket.create_connection((host, port), 60))
    stream.send(real_hello(name))
    return stream


def ends(stream: Stream) -> bool:
    """Whether it ends by itself, well or not, before a deadline."""
    try:
        stream.rest()
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def reaches(port: int, name: str, host: str = "127.0.0.1") -> bool:
    """Whether a visitor of that name is answered by its app."""
    with contextlib.closing(socket.create_connection((host, port), 60)) as opened:
        stream = Stream(opened)
        try:
            stream.send(real_hello(name))
            return stream.take(len(GREETING)) == GREETING
        except OSError:
            return False
