"""Serving a shared folder to other Devices: the object verbs of `mosaic.wire.blobs`, over TLS.

The other side knows the certificate by its fingerprint, and proves itself by
a token of which only the hash is kept here. Nobody without it learns anything,
not even which volumes are here. Connections have threads of their own, so a
slow one keeps none of the others waiting; how many there are is limited.
"""

import contextlib
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec

from mosaic.adapters.blobs import ObjectDamaged, ObjectExists, StoreFull
from mosaic.core.errors import Conflict, MosaicError, NotFound, Unavailable
from mosaic.core.ids import VolumeId
from mosaic.crypto.tokens import hash_token, same
from mosaic.storage import log
from mosaic.storage.connections import Connections
from mosaic.storage.stores.shared_folder import SharedBlobs
from mosaic.storage.stores.transfers import Deadline, Places
from mosaic.storage.unix_http import Reply
from mosaic.wire.blobs import MAX_OBJECT_BYTES, ObjectList
from mosaic.wire.problem import Problem
from mosaic.wire.stores import SharedBy

_ROUTE = re.compile(r"/api/volumes/([0-9a-f]{64})/objects(?:/([^/]+))?", re.ASCII)
_RANGE = re.compile(r"bytes=([0-9]{1,12})-([0-9]{1,12})", re.ASCII)
_IDLE_SECONDS = 60.0
_CONNECTIONS = 32
_PIECE_BYTES = 256 * 1024
_LINGER_SECONDS = 10.0
_PAGE = 1000

_IsToken: TypeAlias = Callable[[str], bool]
_Length: TypeAlias = Callable[[str, str, str | None], int]
_Answer: TypeAlias = Callable[[str, str, Callable[[], bytes], str | None], Reply]


class ShareNotOpen(Conflict):
    """The address cannot be listened on."""

    code = "share-not-open"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"nothing can be shared on {address}: {reason}",
            hint="give an address of this machine and a port that nothing else uses: `--listen 0.0.0.0:8475`",
        )


class ShareServer:
    """Listens from `start` to `stop`. `machine` is told to whoever has the token: it may be the very same machine."""

    def __init__(
        self, address: tuple[str, int], certificate: Path, token_hash: str, blobs: SharedBlobs, *, machine: str
    ) -> None:
        self.address = address
        self._certificate = certificate
        self._token_hash = token_hash
        self._blobs = blobs
        self._machine = machine
        self._server: _Server | None = None

    @property
    def used_bytes(self) -> int:
        """How much lies in the folder."""
        return self._blobs.used_bytes

    def start(self) -> None:
        """Bind and serve. Raises ShareNotOpen."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self._certificate)
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        try:
            self._server = _Server(self.address, family, context, self._is_token, self._answer, self._length)
        except OSError as error:
            raise ShareNotOpen(f"{self.address[0]}:{self.address[1]}", error.strerror or "unknown failure") from None
        threading.Thread(target=self._server.accept_all, name="share", daemon=True).start()

    def stop(self) -> None:
        """Stop listening. Requests under way are not waited for."""
        if self._server is not None:
            with contextlib.suppress(OSError):
                self._server.socket.shutdown(socket.SHUT_RDWR)
            self._server.server_close()
            self._server.connections.end_all()
            self._server = None

    def _is_token(self, header: str) -> bool:
        return same(hash_token(header.removeprefix("Bearer ")), self._token_hash)

    def _answer(self, method: str, target: str, body: Callable[[], bytes], byte_range: str | None) -> Reply:
        parts = urlsplit(target)
        if (method, parts.path) == ("GET", "/api/store"):
            return Reply(200, msgspec.json.encode(SharedBy(self._machine)))
        found = _ROUTE.fullmatch(parts.path)
        if found is None:
            return _problem(404, "not-found", "there is nothing here")
        volume, name = VolumeId(found[1]), found[2]
        match (method, name):
            case ("GET", None):
                return self._list(volume, {key: values[0] for key, values in parse_qs(parts.query).items()})
            case ("GET", str()):
                return self._get(volume, name, byte_range)
            case ("PUT", str()):
                self._blobs.put(volume, name, body())
                return Reply(201, b"")
            case ("DELETE", str()):
                self._blobs.delete(volume, name)
                return Reply(200, b"")
            case _:
                return _problem(405, "refused", "that cannot be done here")

    def _length(self, method: str, target: str, byte_range: str | None) -> int:
        """Return how many bytes the answer to a request may have."""
        found, wanted = _ROUTE.fullmatch(urlsplit(target).path), _RANGE.fullmatch(byte_range or "")
        if method != "GET" or found is None or found[2] is None:
            return 0
        return int(wanted[2]) - int(wanted[1]) + 1 if wanted else self._blobs.size(VolumeId(found[1]), found[2])

    def _get(self, volume: VolumeId, name: str, byte_range: str | None) -> Reply:
        wanted = _RANGE.fullmatch(byte_range) if byte_range else None
        if wanted is None:
            return Reply(200, self._blobs.get(volume, name))
        first, last = int(wanted[1]), int(wanted[2])
        if not first <= last < first + MAX_OBJECT_BYTES:
            return _problem(416, "range-unsatisfiable", "that is no range")
        try:
            return Reply(206, self._blobs.get_range(volume, name, first, last - first + 1))
        except ObjectDamaged as error:
            return _problem(416, "range-unsatisfiable", error.message)

    def _list(self, volume: VolumeId, query: dict[str, str]) -> Reply:
        after, limit = query.get("after", ""), query.get("limit", "")
        most = min(_PAGE, int(limit)) if limit.isdecimal() and limit != "0" else _PAGE
        found = [entry for entry in self._blobs.list(volume, query.get("prefix", "")) if entry.name > after]
        page = found[:most]
        return Reply(200, msgspec.json.encode(ObjectList(page, page[-1].name if len(found) > most else None)))


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(
        self,
        address: tuple[str, int],
        family: int,
        context: ssl.SSLContext,
        is_token: _IsToken,
        answer: _Answer,
        length: _Length,
    ) -> None:
        self.address_family = family
        self.is_token = is_token
        self.answer = answer
        self.length = length
        self.taking = Places()
        self.giving = Places()
        super().__init__(address, _Handler)
        self._context = context
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        self.connections = Connections()

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Serve one connection. The handshake is made here: one that stalls must not keep others from connecting."""
        assert isinstance(request, socket.socket)
        try:
            request.settimeout(_IDLE_SECONDS)
            encrypted = self._context.wrap_socket(request, server_side=True)
            with encrypted, self.connections.open(encrypted):
                self.finish_request(encrypted, client_address)
        except (OSError, ValueError):
            # Whoever it was has gone, or never spoke TLS.
            pass
        except Exception as error:  # a mistake of ours in one connection must not print to nobody, nor end the others
            log.mistake(error, at="share")
        finally:
            self.shutdown_request(request)
            self._places.release()

    def accept_all(self) -> None:
        """Serve until the socket is shut down."""
        while True:
            try:
                request, address = self.get_request()
            except OSError:
                return
            if self._places.acquire(blocking=False):
                self.process_request(request, address)
            else:
                self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    server_version = "mosaic"
    # An answer is two writes: without this the second one waits for a reader that delays its word for the first, 40 ms.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Read."""
        self._serve()

    def do_PUT(self) -> None:
        """Write."""
        self._serve()

    def do_DELETE(self) -> None:
        """Delete."""
        self._serve()

    def _serve(self) -> None:
        assert isinstance(self.server, _Server)
        length = self.headers.get("Content-Length", "0")
        if not self.server.is_token(self.headers.get("Authorization", "")):
            self._end(_problem(401, "refused", "this token opens nothing here"))
        elif not length.isdecimal() or int(length) > MAX_OBJECT_BYTES or "Transfer-Encoding" in self.headers:
            self._end(_problem(413, "object-refused", "an object has at most 64 MiB"))
        else:
            self._reply_to(self.server, int(length))

    def _reply_to(self, server: "_Server", length: int) -> None:
        left = length

        def body() -> bytes:
            nonlocal left
            content, left = self._body(length), 0
            return content

        byte_range = self.headers.get("Range")
        try:
            with server.taking.one(length), server.giving.one(server.length(self.command, self.path, byte_range)):
                reply = server.answer(self.command, self.path, body, byte_range)
                if not left:
                    # In its place until it is sent: that long it is in memory.
                    self._send(reply)
                    return
        except MosaicError as error:
            reply = _refusal(error)
        if left:
            self._end(reply)
        else:
            self._send(reply)

    def _body(self, length: int) -> bytes:
        """Return the body. Raises OSError when it ends early, or comes too slowly."""
        content, deadline = bytearray(), Deadline(length)
        while len(content) < length:
            self.connection.settimeout(min(_IDLE_SECONDS, deadline.left_seconds()))
            piece = self.rfile.read1(min(_PIECE_BYTES, length - len(content)))
            if not piece:
                raise ConnectionResetError("the body ended early")
            content += piece
        self.connection.settimeout(_IDLE_SECONDS)
        return bytes(content)

    def _end(self, reply: Reply) -> None:
        """Answer without taking the body, and end the connection.

        What is still sent is read and thrown away: a client that meets a
        closed connection in the middle never sees the answer.
        """
        self.close_connection = True
        self._send(reply)
        self.connection.settimeout(_LINGER_SECONDS)
        left, deadline = MAX_OBJECT_BYTES, Deadline(MAX_OBJECT_BYTES)
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while left > 0 and deadline.left_seconds() and (piece := self.connection.recv(65536)):
                left -= len(piece)

    def _send(self, reply: Reply) -> None:
        try:
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(reply.body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            deadline, body = Deadline(len(reply.body)), memoryview(reply.body)
            for at in range(0, len(body), _PIECE_BYTES):
                self.connection.settimeout(min(_IDLE_SECONDS, deadline.left_seconds()))
                self.wfile.write(body[at : at + _PIECE_BYTES])
            self.connection.settimeout(_IDLE_SECONDS)
        except OSError:
            # Half an answer has nothing after it that anybody could read.
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Log nothing: names of volumes are nobody's business."""

    def address_string(self) -> str:
        """Look no name up."""
        return ""


def _refusal(error: MosaicError) -> Reply:
    match error:
        case StoreFull():
            status = 507
        case ObjectExists():
            status = 409
        case NotFound():
            status = 404
        case Unavailable():
            status = 503
        case ObjectDamaged():
            status = 422
        case _:
            status = 400
    return _problem(status, error.code, error.message)


def _problem(status: int, code: str, detail: str) -> Reply:
    return Reply(status, msgspec.json.encode(Problem(f"/errors/{code}", code, status, detail, code, "")))
