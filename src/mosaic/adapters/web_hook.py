"""Hearing a forge say that something was pushed: a small HTTP server that believes nothing but who is asking.

It takes a POST from who knows the secret and rings a bell; what is in the body
is not looked at. The answer comes before anybody acts on it. Who knows the
secret shows it in one of the ways that forges have:

    X-Hub-Signature-256: sha256=HEX      HMAC-SHA256 of the body (GitHub, Gitea, Forgejo)
    X-Gitlab-Token: SECRET               GitLab
    Authorization: Bearer SECRET         anything else

Connections have threads of their own and an end; what comes while too many are
open is turned away. It speaks no TLS: a web server in front of it does.
"""

import contextlib
import hashlib
import hmac
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler

from mosaic.core.errors import Conflict
from mosaic.crypto.secret import Secret

MOST_BODY_BYTES = 1024**2
_AT_ONCE = 8
_SECONDS = 10.0
_POLL_SECONDS = 0.05


class HookNotOpen(Conflict):
    """The address cannot be listened on."""

    code = "hook-not-open"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"no hook can be heard on {address}: {reason}",
            hint="give an address of this machine and a port that nothing else uses: `--listen 127.0.0.1:8477`",
        )


@contextlib.contextmanager
def heard_at(host: str, port: int, secret: Secret, ring: Callable[[], None]) -> Iterator[str]:
    """Listen for the time of a block, whose value is the address. `ring` is called in other threads, at each hook.

    Raises HookNotOpen.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        server = _Server(host, port, secret, ring)
    except OSError as error:
        raise HookNotOpen(address, error.strerror or type(error).__name__) from None
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name="web-hook", daemon=True)
    thread.start()
    try:
        yield f"{address.rpartition(':')[0]}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def is_known(headers: Mapping[str, str], body: bytes, secret: Secret) -> bool:
    """Whether a request shows the secret. `headers` are by lower-case name. Takes as long for a wrong one."""
    expected = secret.reveal()
    signed = "sha256=" + hmac.new(expected, body, hashlib.sha256).hexdigest()
    bearer = headers.get("authorization", "")
    shown = (
        (headers.get("x-hub-signature-256", "").encode(), signed.encode()),
        (headers.get("x-gitlab-token", "").encode(), expected),
        (bearer[len("bearer ") :].strip().encode() if bearer[:7].lower() == "bearer " else b"", expected),
    )
    return any(hmac.compare_digest(given, wanted) for given, wanted in shown)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """One address. Threads end with the process: each has a deadline of its own."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, host: str, port: int, secret: Secret, ring: Callable[[], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.secret = secret
        self.ring = ring
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__((host, port), _Handler)

    def process_request(self, request: "socket.socket | tuple[bytes, socket.socket]", client_address: object) -> None:
        """Have it answered in a thread, or closed at once when there are too many."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            # The system has no thread left.
            self._room.release()
            self.shutdown_request(request)

    def process_request_thread(
        self, request: "socket.socket | tuple[bytes, socket.socket]", client_address: object
    ) -> None:
        """Answer it."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever is at the other end broke off, or sent what is no request."""


class _Handler(BaseHTTPRequestHandler):
    """One connection, which is one request."""

    server: _Server
    timeout = _SECONDS
    protocol_version = "HTTP/1.0"
    server_version = "mosaic"
    sys_version = ""

    def setup(self) -> None:
        """Give the connection an end, whatever drips in."""
        super().setup()
        self._end = threading.Timer(_SECONDS, self._cut)
        self._end.daemon = True
        self._end.start()

    def finish(self) -> None:
        """Leave it."""
        self._end.cancel()
        with contextlib.suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        """Take a hook."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 16) or "Transfer-Encoding" in self.headers:
            self._answer(411)
            return
        if int(length) > MOST_BODY_BYTES:
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not is_known(headers, body, self.server.secret):
            self._answer(401)
            return
        self._answer(202)
        self.server.ring()

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what strangers send is no news."""
