"""A small HTTP/1.1 server on a UNIX socket: POST in, one body out.

Requests are answered in threads of their own over kept-alive connections.
What they mean is the caller's: `answer` gets a path and a body and returns a
`Reply`, and must not raise.
"""

import contextlib
import os
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from mosaic.core.errors import Conflict, Refused
from mosaic.storage.connections import Connections

MAX_BODY_BYTES = 1024 * 1024
_IDLE_SECONDS = 120.0
_LONGEST_PATH = 107


class SocketTaken(Conflict):
    """Another daemon answers on the socket."""

    code = "socket-taken"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"another daemon answers on {path}",
            hint="stop it, or choose another state folder and driver name: `mosaic storage serve --driver NAME`",
        )


class SocketPathTooLong(Refused):
    """UNIX sockets cannot have paths this long."""

    code = "socket-path-too-long"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} has more than {_LONGEST_PATH} characters, and a socket's path cannot",
            hint="choose a state folder with a shorter path",
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back."""

    status: int
    body: bytes


class UnixServer:
    """Listens on `path` from `start` to `stop`."""

    def __init__(self, path: Path, answer: Callable[[str, bytes], Reply], *, content_type: str) -> None:
        self._path = path
        self._answer = answer
        self._content_type = content_type
        self._server: _Server | None = None

    def start(self) -> None:
        """Bind and serve. The socket is root's alone (0600). Raises SocketTaken, SocketPathTooLong."""
        if len(os.fsencode(self._path)) > _LONGEST_PATH - len(".new"):
            raise SocketPathTooLong(self._path)
        if _somebody_answers(self._path):
            raise SocketTaken(self._path)
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # Bound under another name first, so that nobody meets the socket before its mode is set.
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.unlink(missing_ok=True)
        self._server = _Server(str(fresh), _handler(self._answer, self._content_type))
        fresh.chmod(0o600)
        fresh.rename(self._path)
        threading.Thread(target=self._server.accept_all, name=self._path.name, daemon=True).start()

    def stop(self) -> None:
        """Stop listening and remove the socket. Requests under way are not waited for."""
        if self._server is not None:
            # This, unlike closing it, wakes the thread that waits for the next connection.
            with contextlib.suppress(OSError):
                self._server.socket.shutdown(socket.SHUT_RDWR)
            self._server.server_close()
            self._server.connections.end_all()
            self._server = None
            self._path.unlink(missing_ok=True)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: str, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(path, handler)
        self.connections = Connections()

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Serve one connection, and know that it is open."""
        assert isinstance(request, socket.socket)
        with self.connections.open(request):
            super().process_request_thread(request, client_address)

    def accept_all(self) -> None:
        """Serve until the socket is shut down. The inherited loop would wake up twice a second."""
        while True:
            try:
                request, address = self.get_request()
            except OSError:
                return
            self.process_request(request, address)


def _handler(answer: Callable[[str, bytes], Reply], content_type: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_SECONDS
        server_version = "mosaic"

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > MAX_BODY_BYTES:
                self.close_connection = True
                self._send(Reply(413, b"{}"))
                return
            self._send(answer(self.path, self.rfile.read(int(length))))

        def _send(self, reply: Reply) -> None:
            with contextlib.suppress(OSError):
                self.send_response(reply.status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            return

        def address_string(self) -> str:
            return "unix"

    return Handler


def _somebody_answers(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        probe.connect(str(path))
        return True
    return False
