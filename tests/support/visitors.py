"""An app's web server that can be slow and echo, and visitors who notice every request that is lost."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.waiting import eventually

_PATIENCE_SECONDS = 60
_PAUSE_SECONDS = 0.01


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade"):
            self._echo()
        elif self.path == "/long":
            self._trickle()
        else:
            self._greet()

    def _greet(self) -> None:
        body = f"page for {self.headers['Host']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
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

    def _trickle(self) -> None:
        """Send until `ending` is set, and then the last chunk."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        server = self.server
        assert isinstance(server, _Server)
        while not server.ending.wait(_PAUSE_SECONDS):
            self.wfile.write(b"1\r\n.\r\n")
            self.wfile.flush()
        self.wfile.write(b"4\r\nlast\r\n0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.ending = threading.Event()


@dataclass
class App:
    """A web page at `port`. `ending` lets long answers come to their end."""

    port: int
    ending: threading.Event


@contextmanager
def app() -> Iterator[App]:
    """Yield one that answers."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield App(server.server_port, server.ending)
    finally:
        server.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


def asked(port: int, host: str, path: str = "/") -> tuple[int, str]:
    """Ask once, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": f"{host}:{port}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@dataclass
class Visits:
    """What the visitors met. `count` is how many requests were answered as they should be."""

    count: int = 0
    lost: list[str] = field(default_factory=list)
    _at: threading.Lock = field(default_factory=threading.Lock)

    def wait_for(self, more: int) -> None:
        """Return when so many more were answered."""
        wanted = self.count + more
        eventually(lambda: self.count >= wanted, seen=lambda: self)

    def made(self, problem: str = "") -> None:
        """Note one request."""
        with self._at:
            if problem:
                self.lost.append(problem)
            else:
                self.count += 1


@contextmanager
def visiting(port: int, host: str, path: str = "/") -> Iterator[Visits]:
    """Ask one question after the other while the block runs, on fresh connections and on one that is kept."""
    visits, done = Visits(), threading.Event()

    def fresh() -> None:
        while not done.wait(_PAUSE_SECONDS):
            with _noted(visits, "a fresh connection"):
                status, _ = asked(port, host, path)
                assert status == 200, status

    def kept() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
        while not done.wait(_PAUSE_SECONDS):
            with _noted(visits, "a kept connection"):
                connection.request("GET", path, headers={"Host": f"{host}:{port}"})
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200, answer.status
        connection.close()

    with ExitStack() as stack:
        for visit in (fresh, kept):
            stack.enter_context(_beside(visit))
        stack.callback(done.set)
        yield visits


@contextmanager
def staying(port: int, host: str, web: App) -> Iterator[Visits]:
    """Hold a WebSocket, which is used all the time, and a download over the whole block; both end at its end."""
    visits, done = Visits(), threading.Event()
    begun = threading.Barrier(3)

    def talk() -> None:
        with _noted(visits, "the WebSocket"), socket.create_connection(("127.0.0.1", port)) as line:
            line.settimeout(_PATIENCE_SECONDS)
            line.sendall(
                f"GET /socket HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            assert b"101 Switching Protocols" in line.recv(4096)
            begun.wait(_PATIENCE_SECONDS)
            while not done.wait(_PAUSE_SECONDS):
                line.sendall(b"hello")
                assert line.recv(5) == b"hello"

    def load() -> None:
        with _noted(visits, "the download"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
            connection.request("GET", "/long", headers={"Host": f"{host}:{port}"})
            answer = connection.getresponse()
            begun.wait(_PATIENCE_SECONDS)
            assert answer.read().endswith(b"last")
            connection.close()

    with ExitStack() as stack:
        for visit in (talk, load):
            stack.enter_context(_beside(visit))
        stack.callback(web.ending.set)
        stack.callback(done.set)
        begun.wait(_PATIENCE_SECONDS)
        yield visits


@contextmanager
def _noted(visits: Visits, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException, AssertionError) as error:
        visits.made(f"{what}: {error!r}")
    else:
        visits.made()


@contextmanager
def _beside(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(_PATIENCE_SECONDS)
        assert not thread.is_alive()
