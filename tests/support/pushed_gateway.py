"""A gateway as Hives see it, over real HTTP on loopback: it checks signatures and revisions, and keeps what it takes.

It says what `mosaic.wire.links` lets one say, and can be away, refuse, or lose what it had.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from mosaic.core.errors import MosaicError
from mosaic.crypto.hive_requests import HiveRequest, verify
from mosaic.wire.links import DesiredLink, GatewayAbout, LinkStanding, PublicPort
from mosaic.wire.problem import Problem

BASE = "apps.example.net"


@dataclass
class LinkGateway:
    """`name` is the first label of its target.

    `allowed` are the public keys of Hives. `put` is every link as it was put, in order; `links` as they are.
    """

    name: str = "gw"
    url: str = ""
    port: int = 0
    allowed: set[str] = field(default_factory=set)
    domains: list[str] = field(default_factory=lambda: [BASE])
    links: dict[str, DesiredLink] = field(default_factory=dict)
    put: list[tuple[str, DesiredLink]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unsigned: list[str] = field(default_factory=list)
    port_range: tuple[int, int] | None = (20000, 29999)
    taken_ports: set[int] = field(default_factory=set)
    """Public ports that no link of this Hive can have."""
    closed: list[int] = field(default_factory=list)
    """Ports within the tunnel whose public ones another program has."""
    refuses: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Link → status and code."""
    now: Callable[[], float] = time.time
    registered: set[str] = field(default_factory=set)
    """Links that have a tunnel."""
    drips: threading.Event | None = None
    """Until it is set, what it has of links is answered byte by byte; `dripping` says that somebody waits for that."""
    dripping: bool = False
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one afterwards."""
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if gateway.drips is not None and (self.command, self.path) == ("GET", "/v1/links"):
                    self._drip(gateway.drips)
                    return
                headers = dict(self.headers.items())
                status, answer = gateway.answer(HiveRequest(self.command, self.path, body), headers)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(answer)

            def _drip(self, ended: threading.Event) -> None:
                gateway.dripping = True
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                with contextlib.suppress(OSError):
                    while not ended.wait(0.2):
                        self.wfile.write(b" ")

            do_GET = do_PUT = do_DELETE = _any

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Be away: nobody listens there."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(20)
            self._server.server_close()
            self._server = self._thread = None

    def answer(self, request: HiveRequest, headers: dict[str, str]) -> tuple[int, bytes]:
        """Answer one request."""
        try:
            key = verify(headers, request, own=["127.0.0.1"], now_seconds=self.now())
        except MosaicError as error:
            self.unsigned.append(f"{request.method} {request.path}")
            return _problem(401, error.code)
        if key not in self.allowed:
            return _problem(403, "hive-not-allowed")
        if request.path == "/v1/gateway":
            target = f"{self.name}.example.net"
            about = GatewayAbout(self.name, "1", target, ["192.0.2.1"], self.domains, ["one"], self.port_range)
            return 200, msgspec.json.encode(about)
        if request.path == "/v1/links":
            return 200, msgspec.json.encode([self._standing(link) for link in self.links])
        return self._change(request, request.path.removeprefix("/v1/links/"))

    def _change(self, request: HiveRequest, link: str) -> tuple[int, bytes]:
        if link in self.refuses:
            return _problem(*self.refuses[link])
        if request.method == "DELETE":
            self.links.pop(link, None)
            self.deleted.append(link)
            return 204, b""
        wanted = msgspec.json.decode(request.body, type=DesiredLink)
        known = self.links.get(link)
        if known is not None and known != wanted and known.revision >= wanted.revision:
            return _problem(409, "link-revision-old")
        for other, has in self.links.items():
            if other != link and set(has.names) & set(wanted.names):
                return _problem(409, "name-of-another")
        self.links[link] = wanted
        self.put.append((link, wanted))
        return 200, msgspec.json.encode(self._standing(link))

    def _standing(self, link: str) -> LinkStanding:
        wanted = self.links[link]
        return LinkStanding(
            link,
            wanted.revision,
            wanted.names,
            registered=link in self.registered,
            ports=self._given(wanted.ports),
            closed=self.closed,
        )

    def _given(self, wanted: list[PublicPort]) -> list[PublicPort]:
        """Return those that can be had: each as it was wished, or the first that is free."""
        if self.port_range is None:
            return []
        free = iter(port for port in range(self.port_range[0], self.port_range[1] + 1) if port not in self.taken_ports)
        given = [msgspec.structs.replace(port, public=port.public or next(free)) for port in wanted]
        return [port for port in given if port.public not in self.taken_ports]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


def _problem(status: int, code: str) -> tuple[int, bytes]:
    return status, msgspec.json.encode(
        Problem(f"/errors/{code}", code, status, f"the gateway says {code}", code, "look")
    )


@contextlib.contextmanager
def link_gateway(name: str = "gw", *domains: str) -> Iterator[LinkGateway]:
    """A gateway that no Hive is allowed at yet, with domains to give out names under."""
    gateway = LinkGateway(name, domains=list(domains) or [BASE])
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()
