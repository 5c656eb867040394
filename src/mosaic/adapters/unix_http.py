"""HTTP over a UNIX socket: one request, one connection, a deadline on every wait."""

import http.client
import socket
from pathlib import Path


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


def post(path: Path, target: str, body: bytes, *, deadline_seconds: float) -> tuple[int, bytes]:
    """POST JSON and return the answer's status and body. Raises OSError or HTTPException when there is none."""
    connection = UnixConnection(path, deadline_seconds)
    try:
        connection.request("POST", target, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
