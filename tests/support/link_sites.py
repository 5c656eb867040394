"""A link's Caddy on this machine's loopback, an app behind it that says what it was asked, and visitors of both."""

import contextlib
import http.client
import json
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mosaic.adapters import caddy
from mosaic.adapters.caddy import Caddy, Json
from mosaic.adapters.caddy_link import Place
from support.unshared import free_port
from support.waiting import eventually

PATIENCE_SECONDS = 60
GATEWAY = "127.0.0.1"
STRANGER = "127.0.0.9"
"""Also this machine, and nobody's gateway."""

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy_header(visitor: str, port: int = 40000, asked: tuple[str, int] = ("198.51.100.1", 443)) -> bytes:
    """Return the header of PROXY protocol 2 that says that a connection comes from this IPv4 address."""
    addresses = socket.inet_aton(visitor) + socket.inet_aton(asked[0]) + struct.pack("!HH", port, asked[1])
    return _SIGNATURE + bytes([0x21, 0x11]) + struct.pack("!H", len(addresses)) + addresses


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        server.asked.append(self.path)
        if self.headers.get("Upgrade"):
            self._echo()
        elif self.path == "/events":
            self._tell_events(server.told)
        else:
            status, headers = server.answer(self.path)
            self._say(status, headers)

    do_POST = do_GET

    def _say(self, status: int, more: Mapping[str, str]) -> None:
        lowered = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"path": self.path, "headers": lowered}).encode()
        self.send_response(status)
        for name, value in {**more, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _echo(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        self.close_connection = True
        while piece := self.connection.recv(1024):
            self.connection.sendall(piece)

    def _tell_events(self, told: threading.Event) -> None:
        """Tell one event, and the second only when a visitor had the first."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        self.wfile.flush()
        told.wait(PATIENCE_SECONDS)
        self.wfile.write(b"data: second\n\n")
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Callable[[str], tuple[int, Mapping[str, str]]]) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.answer = answer
        self.told = threading.Event()
        self.asked: list[str] = []


@dataclass
class AskedApp:
    """An app that answers what it was asked, as JSON. `told` lets its second event come."""

    port: int
    told: threading.Event
    asked: list[str]


@contextlib.contextmanager
def asked_app(
    answer: Callable[[str], tuple[int, Mapping[str, str]]] = lambda path: (200, {}),
) -> Iterator[AskedApp]:
    """Yield one. `answer` gives status and headers of a path."""
    server = _Server(answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield AskedApp(server.server_port, server.told, server.asked)
    finally:
        server.told.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str

    def told(self, header: str) -> str | None:
        """Return a header as the app was sent it."""
        found = json.loads(self.body)["headers"].get(header.lower())
        return None if found is None else str(found)


@dataclass
class Site:
    """A running Caddy with a link's configuration."""

    place: Place
    folder: Path
    trusts: ssl.SSLContext = field(default_factory=lambda: _trusting_all())

    def connect(self, port: int, *, visitor: str | None = "192.0.2.44", source: str = GATEWAY) -> socket.socket:
        """Connect as a gateway does for a visitor, or from elsewhere."""
        line = socket.create_connection(
            (self.place.addresses[0], port), timeout=PATIENCE_SECONDS, source_address=(source, 0)
        )
        if visitor is not None:
            line.sendall(proxy_header(visitor))
        return line

    def secure(
        self, name: str, *, visitor: str | None = "192.0.2.44", source: str = GATEWAY, alpn: str = "http/1.1"
    ) -> ssl.SSLSocket:
        """Connect, and begin TLS for a name."""
        context = self.trusts
        context.set_alpn_protocols([alpn])
        return context.wrap_socket(
            self.connect(self.place.tls_port, visitor=visitor, source=source), server_hostname=name
        )

    def ask(
        self,
        name: str,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        visitor: str | None = "192.0.2.44",
        source: str = GATEWAY,
        method: str = "GET",
    ) -> Answer:
        """Ask over TLS as a visitor."""
        with self.secure(name, visitor=visitor, source=source) as line:
            return ask_on(line, name, path, headers=headers, method=method)

    def ask_plain(
        self, name: str, path: str = "/", *, visitor: str | None = "192.0.2.44", source: str = GATEWAY
    ) -> Answer:
        """Ask the plain port."""
        with self.connect(self.place.challenge_port, visitor=visitor, source=source) as line:
            return ask_on(line, name, path)

    def serial(self, name: str) -> bytes | None:
        """Return the certificate that is shown for a name; None while there is none."""
        with contextlib.suppress(OSError), self.secure(name) as line:
            return line.getpeercert(binary_form=True)
        return None

    def load(self, configuration: Json) -> None:
        """Change its configuration while it runs."""
        Caddy(self.folder / "admin.sock").load(configuration)


def ask_on(
    line: socket.socket, name: str, path: str, *, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> Answer:
    """Ask on a connection that is open."""
    connection = http.client.HTTPConnection(name, timeout=PATIENCE_SECONDS)
    connection.sock = line
    connection.request(method, path, headers={"Host": name, **(headers or {})})
    response = connection.getresponse()
    return Answer(response.status, dict(response.getheaders()), response.read().decode())


def a_place() -> Place:
    """Return a place on loopback whose gateway is GATEWAY."""
    return Place(("127.0.0.1",), (f"{GATEWAY}/32",), free_port(), free_port())


@contextlib.contextmanager
def running_site(folder: Path, place: Place, configuration: Json) -> Iterator[Site]:
    """Run a Caddy with this configuration, whose admin socket is `admin.sock` of the folder."""
    file, log = folder / "caddy.json", folder / "caddy.log"
    file.write_bytes(caddy.write(configuration))
    with log.open("ab") as output:
        child = subprocess.Popen(
            caddy.run("caddy", file),
            stdout=output,
            stderr=output,
            env={"PATH": "/usr/local/bin:/usr/bin", "HOME": str(folder)},
        )
    try:
        # Its admin socket answers before its servers listen.
        doors = _doors(configuration)
        eventually(
            lambda: (
                child.poll() is not None
                or (Caddy(folder / "admin.sock").answers() and all(listens(door) for door in doors))
            ),
            seen=lambda: log.read_text(),
        )
        assert child.poll() is None, log.read_text()
        yield Site(place, folder)
    finally:
        child.terminate()
        child.wait(PATIENCE_SECONDS)


def _doors(configuration: Json) -> list[tuple[str, int]]:
    """Return where the servers of a configuration are to listen."""
    servers = json.loads(caddy.write(configuration))["apps"]["http"]["servers"].values()
    listens = [listen.rpartition(":") for server in servers for listen in server["listen"]]
    return [(host.strip("[]") or "127.0.0.1", int(port)) for host, _, port in listens]


def listens(door: tuple[str, int]) -> bool:
    """Return whether a server takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection(door, timeout=PATIENCE_SECONDS):
        return True
    return False


def _trusting_all() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
