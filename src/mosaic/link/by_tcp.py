"""A link's end of a tunnel in TCP mode: connections that wait at each gateway, led to Caddy on this machine's loopback.

Its clients find back to their gateways by themselves, as their names and places
are asked for anew each time; visitors who are there meanwhile stay. So renewing is left to them.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from mosaic.adapters import log
from mosaic.adapters.caddy_link import Place
from mosaic.adapters.tcp_tunnel.client import Credentials, Local, TunnelClient
from mosaic.adapters.tcp_tunnel.client import Probe as Heard
from mosaic.adapters.tcp_tunnel.within_tls import TlsDialing
from mosaic.core import tunnel_place
from mosaic.core.link_healing import Probe
from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT
from mosaic.core.tunnel_hello import KEY_BYTES
from mosaic.core.tunnel_place import TunnelPlace
from mosaic.crypto.secret import Secret
from mosaic.link.background import Background
from mosaic.link.parts import TunnelUndescribed
from mosaic.link.tunnel_way_in import WayIn
from mosaic.wire.links import Peer, PublicPort, Registered

_FROM = "127.0.0.1/32"
"""Where the kernel says that connections to all of loopback come from."""

_FOUND: Mapping[Heard, Probe] = {
    Heard.NEWEST: Probe.GOOD,
    Heard.SUPERSEDED: Probe.SUPERSEDED,
    Heard.UNKNOWN: Probe.UNKNOWN,
    Heard.SILENT: Probe.SILENT,
}


class TcpTunnel:
    """A LinkTunnel. Caddy is to listen at `address`, one of loopback. `trusted` (PEM) replaces public authorities."""

    public_key = None

    def __init__(self, address: str, *, trusted: str | None, draw: Callable[[], float]) -> None:
        self._address = address
        self._trusted = trusted
        self._draw = draw
        self._streams: dict[int, tuple[str, int]] = {}
        self._datagrams: dict[int, tuple[str, int]] = {}
        self._lines: dict[str, _Line] = {}

    async def open(self, registered: Registered) -> Place:
        """Keep connections at these gateways and no others. Those that stay as they are keep their visitors.

        Raises TunnelUndescribed.
        """
        credentials = _credentials(registered)
        wanted = {peer.name: places for peer in registered.peers if (places := _places(peer))}
        if credentials is None or not wanted:
            raise TunnelUndescribed("TCP mode")
        self._lead(registered.ports)
        for name, line in list(self._lines.items()):
            if name not in wanted or not line.is_for(credentials, wanted[name]):
                await self._lines.pop(name).close()
            else:
                line.forget()
        for name in wanted.keys() - self._lines.keys():
            self._lines[name] = self._line(name, credentials, wanted[name], ping_seconds=registered.probe_seconds)
        return Place((self._address,), (_FROM,))

    async def renew(self, gateways: Collection[str]) -> None:
        """Do nothing: a client that was lost is connecting already, and one that is not must not lose its visitors."""

    async def probe(self, peer: Peer) -> Probe:
        """Return what the gateway said last, and wait for that if it said nothing yet."""
        line = self._lines.get(peer.name)
        return await line.found() if line is not None else Probe.SILENT

    async def close(self) -> None:
        """Take the connections away, and those of visitors with them."""
        while self._lines:
            await self._lines.popitem()[1].close()

    def _lead(self, ports: Collection[PublicPort]) -> None:
        """Lead what comes to the tunnel's ports to the same ports of the address here."""
        streams = {TLS_PORT, CHALLENGE_PORT, *(port.inner for port in ports if port.protocol == "tcp")}
        datagrams = {port.inner for port in ports if port.protocol == "udp"}
        for led, wanted in ((self._streams, streams), (self._datagrams, datagrams)):
            led.clear()
            led.update((port, (self._address, port)) for port in wanted)

    def _line(
        self, name: str, credentials: Credentials, places: tuple[TunnelPlace, ...], *, ping_seconds: float
    ) -> "_Line":
        line = _Line(name, credentials, places, WayIn(places, lambda: TlsDialing(self._trusted)))
        line.start(self._streams, self._datagrams, draw=self._draw, ping_seconds=ping_seconds)
        return line


@dataclass
class _Line:
    """One gateway: the client that keeps connections there, and what it heard last."""

    name: str
    credentials: Credentials
    places: tuple[TunnelPlace, ...]
    way_in: WayIn
    _background: Background = field(default_factory=Background)
    _running: "asyncio.Task[None] | None" = None
    _last: Probe | None = None
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, streams: Local, datagrams: Local, *, draw: Callable[[], float], ping_seconds: float) -> None:
        """Have the client run."""
        first = self.places[0]
        client = TunnelClient(
            first.host,
            first.port,
            self.credentials,
            streams,
            self._told,
            draw=draw,
            connect=self.way_in.connect,
            local_datagrams=datagrams,
            ping_seconds=ping_seconds,
        )
        self._running = self._background.start(client.run())

    def is_for(self, credentials: Credentials, places: tuple[TunnelPlace, ...]) -> bool:
        """Whether it runs, and is this registration's at this gateway."""
        runs = self._running is not None and not self._running.done()
        return runs and self.credentials == credentials and self.places == places

    def forget(self) -> None:
        """Wait for news where the last was bad: it may be of before the link registered again."""
        if self._last is not Probe.GOOD:
            self._last = None
            self._heard.clear()

    async def found(self) -> Probe:
        """Return the last news, as soon as there is any."""
        while self._last is None:
            await self._heard.wait()
        return Probe.SILENT if self._running is None or self._running.done() else self._last

    async def close(self) -> None:
        """End the client and all that it has."""
        await self._background.end()

    def _told(self, heard: Heard) -> None:
        before = self.way_in.place
        self.way_in.told(answered=heard is not Heard.SILENT)
        if self.way_in.place != before:
            place = self.way_in.place
            log.info("link_tunnel_place", gateway=self.name, place=f"{place.host}:{place.port}", tls=place.within_tls)
        self._last = _FOUND[heard]
        self._heard.set()


def _credentials(registered: Registered) -> Credentials | None:
    try:
        key = bytes.fromhex(registered.tunnel_key or "")
    except ValueError:
        return None
    return Credentials(registered.registration, Secret(key)) if len(key) == KEY_BYTES else None


def _places(peer: Peer) -> tuple[TunnelPlace, ...]:
    """Return those of a gateway's places that are such; newer gateways may know of others."""
    return tuple(place for text in peer.tunnel if (place := tunnel_place.parse(text)) is not None)
