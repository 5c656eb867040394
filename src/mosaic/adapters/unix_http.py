"""HTTP over a UNIX socket: one request, one connection, a deadline on every wait."""

import http.client
import socket
from pathlib import Path

_CONNECT_SECONDS = 1.0


class UnixConnection(http.client.HTTPConnection):
    """`http.client` with another way to connect."""

    def __init__(self, path: Path, deadline_seconds: float) -> None:
        super().__init__("localhost", timeout=deadline_seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def get(path: Path, target: str, *, deadline_seconds: float) -> tuple[int, bytes]:
    """GET and return the answer's status and body. Raises OSError or HTTPException when there is none."""
    return _asked(path, "GET", target, None, deadline_seconds)


def accepts(path: Path) -> bool:
    """Tell whether something accepts connections at a UNIX socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def post(path: Path, target: str, body: bytes, *, deadline_seconds: float) -> tuple[int, bytes]:
    """POST JSON and return the answer's status and body. Raises OSError or HTTPException when there is none."""
    return _asked(path, "POST", target, body, deadline_seconds)


def _asked(path: Path, verb: str, target: str, body: bytes | None, deadline_seconds: float) -> tuple[int, bytes]:
    connection = UnixConnection(path, deadline_seconds)
    try:
        connection.request(verb, target, body, {} if body is None else {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
