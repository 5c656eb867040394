"""The raw ports of a gateway on loopback, with visitors and the ends of tunnels. All real sockets."""

import contextlib
import secrets
import socket
from collections.abc import Callable
from types import TracebackType

from mosaic.adapters.raw_ports.limits import Limits
from mosaic.adapters.raw_ports.relay import EVERY_PORT, RawPortRelay
from mosaic.core.ids import LinkId
from mosaic.core.link_routes import TLS_PORT
from mosaic.core.raw_ports import PortKey, PortTarget, RawProtocol
from support.streams import SECONDS, Stream
from support.tunnel_ends import TunnelEnd
from support.unshared import ten_raw_ports
from support.waiting import eventually

LINK = LinkId("abcdefghijkl")
HERE = "127.0.0.1"
INNER = 8460


class Datagrams:
    """A UDP socket in a test's hands; every wait has a deadline."""

    def __init__(self, address: str = HERE, port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(SECONDS)
        self.socket.bind((address, port))

    @property
    def where(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return host, port

    def ask(self, said: bytes, to: tuple[str, int]) -> None:
        self.socket.sendto(said, to)

    def take(self) -> tuple[bytes, tuple[str, int]]:
        """Return the next one, and who sent it."""
        said, (host, port) = self.socket.recvfrom(65535)
        return said, (host, port)


class PortWorld:
    """A relay and what a test makes around it."""

    def __init__(
        self, limits: Limits | None = None, *, hosts: tuple[str, ...] = (HERE,), within: range = EVERY_PORT
    ) -> None:
        self._closing = contextlib.ExitStack()
        self.relay = self._closing.enter_context(RawPortRelay(hosts, within=within, limits=limits))

    def __enter__(self) -> "PortWorld":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def tunnel(self) -> TunnelEnd:
        """A tunnel address where streams arrive at TLS_PORT."""
        end = TunnelEnd()
        self._closing.callback(end.close)
        return end

    def inside(self) -> Datagrams:
        """A tunnel address where datagrams arrive at INNER."""
        numbers = secrets.token_bytes(3)
        return self._keep(Datagrams(f"127.{64 + numbers[0] % 60}.{numbers[1]}.{1 + numbers[2] % 250}", INNER))

    def datagrams(self, address: str = HERE) -> Datagrams:
        return self._keep(Datagrams(address))

    def opened(self, protocol: RawProtocol, address: str, *, link: LinkId = LINK, inner: int | None = None) -> int:
        """Open a public port that leads to a tunnel address; return it."""
        if inner is None:
            inner = TLS_PORT if protocol == "tcp" else INNER
        for _ in range(20):
            port = ten_raw_ports()
            self.relay.put({(protocol, port): PortTarget(link, address, inner)})
            if (protocol, port) in self.relay.there():
                return port
        raise AssertionError("no port of 20 is free")

    def lead(self, key: PortKey, address: str, *, link: LinkId = LINK) -> None:
        """Lead an open port elsewhere."""
        self.relay.put({key: PortTarget(link, address, TLS_PORT if key[0] == "tcp" else INNER)})

    def visitor(self, port: int, *, source: str = "") -> Stream:
        connected = socket.create_connection((HERE, port), SECONDS, (source, 0))
        return self._closing.enter_context(Stream(connected))

    def answered(self, visitor: Datagrams, port: int, inside: Datagrams, *, at: str = HERE) -> tuple[str, int]:
        """Have a visitor ask and be answered; return who he is to the tunnel."""
        word = secrets.token_bytes(8)
        visitor.ask(word, (at, port))
        said, who = inside.take()
        assert said == word
        inside.ask(b"re " + word, who)
        assert visitor.take() == (b"re " + word, (at, port))
        return who

    def wait(self, condition: Callable[[], object]) -> None:
        eventually(condition, seen=self.relay.traffic)

    def _keep(self, made: Datagrams) -> Datagrams:
        self._closing.callback(made.socket.close)
        return made
