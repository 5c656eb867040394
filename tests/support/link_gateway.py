"""A gateway as a link sees it: a real HTTP server for its API, a public side that passes TLS on, an inside to probe.

Its faults are made by the test: it can be away, know no token, or say that another took the link's place.
"""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from mosaic.adapters.caddy_link import Place
from mosaic.core.link_healing import Probe
from mosaic.wire.links import Leave, Mode, Peer, Register, Registered
from mosaic.wire.problem import Problem
from support.link_sites import GATEWAY, a_place, proxy_header

VISITOR = "192.0.2.44"


@dataclass
class GatewayDouble:
    """`refusal` (status, code) is answered to whoever registers; `probes` is what comes back in each mode."""

    names: list[str]
    url: str = ""
    public: str = ""
    place: Place = field(default_factory=a_place)
    refusal: tuple[int, str] | None = None
    retry_after: str = ""
    is_away: bool = False
    lacks: set[Mode] = field(default_factory=set)
    """Modes that it does not offer."""

    probes: dict[Mode, Probe] = field(default_factory=dict)
    probe_seconds: int = 1
    registers: list[Register] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    def registered(self, asked: Register) -> Registered:
        """Return what it answers: the same for the same session and mode."""
        return Registered(
            registration=f"{asked.session[:8]}-{asked.mode}",
            address=self.place.addresses[0],
            names=list(self.names),
            peers=[Peer("east", GATEWAY, self.public)],
            probe_seconds=self.probe_seconds,
        )


@dataclass
class TunnelDouble:
    """A tunnel that is there already: this machine's loopback."""

    gateway: GatewayDouble
    mode: Mode

    @property
    def public_key(self) -> str | None:
        return None if self.mode == "tcp" else "A" * 43 + "="

    async def open(self, registered: Registered) -> Place:
        self.gateway.opened.append(registered.registration)
        return self.gateway.place

    async def renew(self, gateways: Collection[str]) -> None:
        self.gateway.renewed += gateways

    async def probe(self, peer: Peer) -> Probe:
        return Probe.SILENT if self.gateway.is_away else self.gateway.probes.get(self.mode, Probe.GOOD)

    async def close(self) -> None:
        pass


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        double = server.double
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if double.is_away:
            self.close_connection = True
            return
        double.tokens.add(self.headers["Authorization"].removeprefix("Bearer "))
        if self.path == "/v1/links/leave":
            double.left.append(msgspec.json.decode(body, type=Leave).registration)
            self._answer(204, b"")
            return
        asked = msgspec.json.decode(body, type=Register)
        double.registers.append(asked)
        refusal = (400, "link-mode-not-offered") if asked.mode in double.lacks else double.refusal
        if refusal is not None:
            status, code = refusal
            problem = Problem(f"/errors/{code}", code, status, "the gateway says no", code, "")
            self._answer(status, msgspec.json.encode(problem))
            return
        self._answer(200, msgspec.json.encode(double.registered(asked)))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        server = self.server
        assert isinstance(server, _Server)
        if server.double.retry_after:
            self.send_header("Retry-After", server.double.retry_after)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, double: GatewayDouble) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.double = double


class _Visit(socketserver.BaseRequestHandler):
    """One public connection: passed to the tunnel, after the header that says who visits."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Public)
        place = server.double.place
        with (
            contextlib.suppress(OSError),
            socket.create_connection((place.addresses[0], place.tls_port), timeout=60) as inside,
        ):
            inside.sendall(proxy_header(VISITOR))
            back = threading.Thread(target=_one_way, args=(inside, self.request))
            back.start()
            _one_way(self.request, inside)
            back.join()


class _Public(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, double: GatewayDouble) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.double = double


@contextlib.contextmanager
def gateway_double(*names: str, tls: ssl.SSLContext | None = None) -> Iterator[GatewayDouble]:
    """Yield one that routes these names to the tunnel's TLS port. With `tls` its API is HTTPS."""
    double = GatewayDouble(list(names))
    servers: list[socketserver.BaseServer] = [api := _Server(double), public := _Public(double)]
    if tls is not None:
        api.socket = tls.wrap_socket(api.socket, server_side=True)
    double.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{api.server_port}"
    double.public = f"127.0.0.1:{public.server_address[1]}"
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield double
    finally:
        for server in servers:
            server.shutdown()
        for thread in threads:
            thread.join()
        for server in servers:
            server.server_close()


def _one_way(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
