"""A server on loopback that answers as a test says: what a hostile or broken registry could send, byte by byte."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    """A request as it came. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def range_start(self) -> int:
        """From which byte on the content is wanted."""
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


@dataclass(frozen=True)
class Reply:
    """An answer. The body is sent piece by piece; its length is said unless the headers have one or it has no end."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""


@dataclass(frozen=True)
class RawReply:
    """An answer whose very first line is the test's own."""

    pieces: Iterable[bytes]


Answers = Callable[[Request], Reply | RawReply]


@dataclass
class ScriptedRegistry:
    """A running server: `asked` is everything that came, `sent` the bytes of bodies that went out."""

    host: str
    asked: list[Request] = field(default_factory=list)
    sent: int = 0

    def paths(self, method: str = "GET") -> list[str]:
        """Return the paths that were asked for with a method, in order."""
        return [request.path for request in self.asked if request.method == method]


@contextlib.contextmanager
def scripted_registry(answers: Answers) -> Iterator[ScriptedRegistry]:
    """Run a server. Each connection is a thread; one that its client leaves ends at its next byte."""
    registry = ScriptedRegistry("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            registry.asked.append(request)
            # A client that has seen enough goes away.
            with contextlib.suppress(OSError):
                self.reply(answers(request))

        def reply(self, reply: Reply | RawReply) -> None:
            if isinstance(reply, RawReply):
                self.close_connection = True
                self.pour(reply.pieces)
                return
            self.send_response(reply.status)
            whole = isinstance(reply.body, bytes)
            said = {"Content-Length": str(len(reply.body))} if isinstance(reply.body, bytes) else {}
            headers = {**said, **reply.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            if not whole:
                self.close_connection = True
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.pour([reply.body] if isinstance(reply.body, bytes) else reply.body)

        def pour(self, pieces: Iterable[bytes]) -> None:
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()
                registry.sent += len(piece)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answer

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing: `asked` has it all."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
