"""Both ends of real WireGuard tunnels in places: a gateway on the internet, links at homes; and what is sent there."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, ip_interface, ip_network
from typing import TypeVar

from mosaic.adapters.wireguard.door import Door
from mosaic.adapters.wireguard.ip_words import table_of
from mosaic.adapters.wireguard.maker import Userspace
from mosaic.adapters.wireguard.tunnel import Tunnel, TunnelSettings
from mosaic.adapters.wireguard.uapi import Uapi
from mosaic.core.peers import WantedPeer
from mosaic.crypto import tunnel_key
from mosaic.crypto.tunnel_key import TunnelKey
from support.netns.place import Place
from support.waiting import eventually

Answer = TypeVar("Answer")

TUNNELS = IPv4Network("10.100.0.0/16")
GATEWAY_ADDRESS = "10.100.0.1"
SECOND_GATEWAY_ADDRESS = "10.100.0.2"
PROBE_PORT = 8099
INTERFACE = "mosaic0"
_PORT = 51820
_PATIENCE_SECONDS = 60.0


class End:
    """One end, with a key of its own. It is made by `start`, and its maker is of wireguard-go."""

    def __init__(self, place: Place, address: str, *, speak: Callable[[str], Door] = Uapi) -> None:
        self.place = place
        self.address = address.partition("/")[0]
        self.own = address
        self.key: TunnelKey = tunnel_key.generate()
        self.listens = 0
        self._speak = speak
        self._makers: list[Userspace] = []
        self._asks_from_anywhere = False
        self.renew_owner()

    def renew_owner(self) -> None:
        """Forget all that its owner knew, as when that was killed; what runs, runs on."""
        self.maker = Userspace(INTERFACE, log=self.place.folder / "wireguard-go.log", speak=self._speak)
        self._makers.append(self.maker)
        gateways = (GATEWAY_ADDRESS, SECOND_GATEWAY_ADDRESS)
        routes = () if self.listens else tuple(ip_network(gateway) for gateway in gateways)
        settings = TunnelSettings(
            INTERFACE, self.key.private, (ip_interface(self.own),), routes, listen_port=self.listens
        )
        self.tunnel = Tunnel(settings, self.maker)

    def do(self, question: Callable[[Tunnel], Answer]) -> Answer:
        """Ask the tunnel from its place."""
        return self.place.do(lambda: question(self.tunnel))

    def start(self) -> None:
        if not self.listens and not self._asks_from_anywhere:
            # A link's tunnel is for what has its address; whoever asks here has none yet.
            self.place.run("ip", "rule", "add", "to", str(TUNNELS), "lookup", table_of(INTERFACE))
            self._asks_from_anywhere = True
        self.do(Tunnel.start)

    def close(self) -> None:
        """Take it away, whichever of its owners made it."""
        for maker in self._makers:
            self.place.do(maker.unmake)

    def shakes_hands(self) -> bool:
        """Whether every peer has shaken hands."""
        return all(peer.last_handshake is not None for peer in self.do(Tunnel.peers).values())


class GatewayEnd(End):
    """The end that listens, with the address that links route to."""

    def __init__(
        self,
        place: Place,
        outer_address: str,
        *,
        inner_address: str = GATEWAY_ADDRESS,
        speak: Callable[[str], Door] = Uapi,
    ) -> None:
        super().__init__(place, f"{inner_address}/{TUNNELS.prefixlen}", speak=speak)
        self.listens = _PORT
        self.endpoint = f"{outer_address}:{_PORT}"
        self.renew_owner()

    def as_peer(self, *, keepalive_seconds: int = 25) -> WantedPeer:
        """Return it as its links have it."""
        return WantedPeer(self.key.public, frozenset({ip_network(self.address)}), self.endpoint, keepalive_seconds)


def as_peer(link: End) -> WantedPeer:
    """Return a link as its gateway has it: it comes by itself."""
    return WantedPeer(link.key.public, frozenset({ip_network(link.address)}))


def connect(gateway: GatewayEnd, *links: End) -> None:
    """Make both ends of every tunnel, and return when all of them have shaken hands."""
    gateway.start()
    gateway.do(lambda tunnel: tunnel.replace_all([as_peer(link) for link in links], {}))
    for link in links:
        link.start()
        link.do(lambda tunnel: tunnel.replace_all([gateway.as_peer()], {}))
    eventually(gateway.shakes_hands)


@contextlib.contextmanager
def hears(place: Place, address: str, port: int) -> Iterator[socket.socket]:
    """Yield a UDP socket that listens there."""
    with place.do(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as ear:
        ear.settimeout(_PATIENCE_SECONDS)
        ear.bind((address, port))
        yield ear


def says(place: Place, words: bytes, to: tuple[str, int], *, source: str = "") -> None:
    """Send a datagram from there. `source` may be an address that the place does not have."""
    with place.do(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as mouth:
        if source:
            mouth.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
            mouth.bind((source, 0))
        mouth.sendto(words, to)


_IP_TRANSPARENT = 19
"""Of linux/in.h; Python's socket module has no name for it."""


@contextlib.contextmanager
def answers(place: Place, address: str, port: int) -> Iterator[None]:
    """Accept connections there while the block runs; the kernel does."""
    with place.do(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(100)
        yield


def reaches(place: Place, address: str, port: int, *, seconds: float = _PATIENCE_SECONDS) -> bool:
    """Whether a connection from there is accepted; a dropped one is given up after some seconds."""
    with place.do(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as asking:
        asking.settimeout(seconds)
        try:
            asking.connect((address, port))
        except OSError:
            return False
    return True


def passes(place: Place, other: Place, address: str, port: int, count: int) -> bool:
    """Whether so many bytes that are sent from there arrive at the other in time."""
    with other.do(lambda: socket.create_server((address, port))) as listener, ThreadPoolExecutor(1) as sender:
        listener.settimeout(_PATIENCE_SECONDS)
        sent = sender.submit(lambda: place.do(lambda: _send(address, port, count)))
        try:
            line, _ = listener.accept()
            with line:
                line.settimeout(_PATIENCE_SECONDS)
                left = count
                while left and (part := line.recv(1 << 20)):
                    left -= len(part)
        except TimeoutError:
            return False
        return left == 0 and sent.result()


def _send(address: str, port: int, count: int) -> bool:
    with socket.create_connection((address, port), _PATIENCE_SECONDS) as line:
        line.sendall(bytes(count))
    return True
