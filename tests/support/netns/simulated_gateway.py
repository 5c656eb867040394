"""A gateway at a place with all that carries: router, WireGuard, TCP tunnels; what it knows of links is simulated.

Its API is HTTPS by an authority of its own. It takes every token, and the newest registration has every name.
"""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path as File

import msgspec

from mosaic.adapters.splice_router.router import SpliceRouter
from mosaic.adapters.tcp_tunnel.served import Place as TcpPlace
from mosaic.adapters.tcp_tunnel.server import TunnelServer, listen
from mosaic.core.ids import LinkId
from mosaic.core.link_routes import Route
from mosaic.core.peers import WantedPeer
from mosaic.core.public_key import parse
from mosaic.crypto import ca
from mosaic.crypto.secret import Secret
from mosaic.wire.links import Leave, Peer, Register, Registered
from mosaic.wire.problem import Problem
from support.netns.inside import Inside, inside
from support.netns.loop_in_place import loop_in
from support.netns.tunnel_ends import PROBE_PORT, GatewayEnd

HOST = "gw.example.org"
API_PORT, TLS_PORT, TUNNEL_PORT = 8940, 443, 8942
_LINK = LinkId("abcdefgh2345")


@dataclass
class SimulatedGateway:
    """`lacks` are modes that it does not offer. `asked` are all registrations that were asked for."""

    end: GatewayEnd
    names: list[str]
    router: SpliceRouter
    inside: Inside
    tunnels: dict[str, TcpPlace]
    ca_file: File
    lacks: set[str] = field(default_factory=set)
    asked: list[Register] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    _given: dict[tuple[str, str | None], Registered] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{API_PORT}"

    def register(self, asked: Register) -> Registered:
        """Give the same to who asks the same; else a new registration, which has the names from now on."""
        with self._turn:
            self.asked.append(asked)
            known = self._given.get((asked.session, asked.public_key))
            given = known or self._new(asked, len(self._given))
            self._given[asked.session, asked.public_key] = given
            self._let_in(asked, given)
            self.router.put({name: Route(_LINK, given.address) for name in self.names})
            self.inside.answers[given.registration] = 200
            return msgspec.structs.replace(given, names=list(self.names), peers=[self.peer])

    @property
    def peer(self) -> Peer:
        """Itself, as its links are told."""
        return Peer(
            "east",
            self.end.address,
            f"{HOST}:{TLS_PORT}",
            endpoint=f"{HOST}:{self.end.endpoint.rpartition(':')[2]}",
            public_key=self.end.key.public,
            tunnel=[f"tcp://{HOST}:{TUNNEL_PORT}"],
        )

    def _new(self, asked: Register, number: int) -> Registered:
        by_tcp = asked.mode == "tcp"
        return Registered(
            registration=f"{asked.session[:8]}-{number}",
            address=f"127.64.1.{number}" if by_tcp else f"10.100.1.{number}",
            names=[],
            peers=[],
            probe_seconds=1,
            probe_port=PROBE_PORT,
            tunnel_key=f"{number + 1:02x}" * 32 if by_tcp else None,
        )

    def _let_in(self, asked: Register, given: Registered) -> None:
        if given.tunnel_key is not None:
            self.tunnels[given.registration] = TcpPlace(given.address, Secret(bytes.fromhex(given.tunnel_key)))
        else:
            wanted = WantedPeer(parse(asked.public_key or ""), frozenset({ip_network(given.address)}))
            self.end.do(lambda tunnel: tunnel.put([wanted]))


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        gateway = server.gateway
        body = self.rfile.read(int(self.headers["Content-Length"]))
        gateway.tokens.add(self.headers["Authorization"].removeprefix("Bearer "))
        if self.path == "/v1/links/leave":
            gateway.left.append(msgspec.json.decode(body, type=Leave).registration)
            self._answer(204, b"")
            return
        asked = msgspec.json.decode(body, type=Register)
        if asked.mode in gateway.lacks:
            code = "link-mode-not-offered"
            self._answer(422, msgspec.json.encode(Problem(f"/errors/{code}", code, 422, "not here", code, "")))
            return
        self._answer(200, msgspec.json.encode(gateway.register(asked)))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, trust: ssl.SSLContext) -> None:
        super().__init__(("0.0.0.0", API_PORT), _Api)
        # The handshake is each connection's own: who hangs in it is not to hold up the others.
        self.socket = trust.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.gateway: SimulatedGateway


@contextlib.contextmanager
def simulated_gateway(end: GatewayEnd, folder: File, *names: str) -> Iterator[SimulatedGateway]:
    """Run one at the place of this end, which is started here. Links know it as HOST."""
    place = end.place
    now = datetime.now(UTC)
    authority = ca.make_ca("the gateway's", now)
    issued = ca.issue(authority, [HOST], now)
    for name, text in (("ca", authority.certificate_pem), ("own", issued.certificate_pem), ("key", issued.key_pem)):
        (folder / f"{name}.pem").write_text(text)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(folder / "own.pem", folder / "key.pem")
    tunnels: dict[str, TcpPlace] = {}
    end.start()

    async def serve_tunnels() -> None:
        async def find(registration: str) -> TcpPlace | None:
            return tunnels.get(registration)

        server = TunnelServer(find, lambda name: made.inside.answers.get(name) == 200)
        await server.serve(listen("0.0.0.0", TUNNEL_PORT))

    with (
        place.do(lambda: SpliceRouter(tls=[("0.0.0.0", TLS_PORT)])) as router,
        inside(place, end.address, PROBE_PORT) as within,
        loop_in(place) as loop,
    ):
        made = SimulatedGateway(end, list(names), router, within, tunnels, folder / "ca.pem")
        loop.start(serve_tunnels())
        api = place.do(lambda: _Server(trust))
        api.gateway = made
        thread = threading.Thread(target=lambda: place.do(lambda: api.serve_forever(0.05)))
        thread.start()
        try:
            yield made
        finally:
            api.shutdown()
            thread.join()
            api.server_close()
