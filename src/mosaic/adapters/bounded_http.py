"""HTTP with a deadline on every wait.

The library's timeouts bound each read and each write, and a server that sends
one byte of a header every few seconds never meets them. Here a thread says
until when it waits, and whatever it does on its connections ends by then.
"""

import socket
import ssl
import threading
from collections.abc import Iterable

import httpcore2
import httpx2

from mosaic.adapters.clock import Clock

_NS = 1_000_000_000
_WRITE_BYTES = 16 * 1024

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class Patience(threading.local):
    """Until when the calling thread waits for the network."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends_ns = 0

    def lasts(self, seconds: float) -> None:
        """Wait so long from now."""
        self._ends_ns = self._clock.boot_ns() + int(seconds * _NS)

    def left(self, most: float | None) -> float:
        """Return how many seconds a single wait may last; not above zero when the time is over."""
        left = (self._ends_ns - self._clock.boot_ns()) / _NS
        return left if most is None else min(most, left)


class BoundedTransport(httpx2.HTTPTransport):
    """The library's transport, on connections that keep to a `Patience`. Threads may share it."""

    def __init__(self, tls: ssl.SSLContext, patience: Patience) -> None:
        super().__init__(verify=tls, trust_env=False)
        # The pool that this replaces was never used; taking a network of one's own is the pool's privilege alone.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls,
            max_connections=None,
            max_keepalive_connections=8,
            keepalive_expiry=15.0,
            network_backend=_Network(httpcore2.SyncBackend(), patience),
        )


class _Network(httpcore2.NetworkBackend):
    def __init__(self, inner: httpcore2.NetworkBackend, patience: Patience) -> None:
        self._inner = inner
        self._patience = patience

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        # Of a whole name each of its addresses would have the time anew.
        failed: httpcore2.ConnectError | httpcore2.ConnectTimeout = httpcore2.ConnectError()
        for address in _addresses(host, port):
            left = self._patience.left(timeout)
            if left <= 0:
                raise httpcore2.ConnectTimeout
            try:
                inner = self._inner.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(inner, self._patience)
        raise failed


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream, patience: Patience) -> None:
        self._inner = inner
        self._patience = patience

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._patience.left(timeout)
        if left <= 0:
            raise httpcore2.ReadTimeout
        return self._inner.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Of a whole buffer each little part would have the time anew.
        for at in range(0, len(buffer), _WRITE_BYTES):
            left = self._patience.left(timeout)
            if left <= 0:
                raise httpcore2.WriteTimeout
            self._inner.write(buffer[at : at + _WRITE_BYTES], left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = self._patience.left(timeout)
        if left <= 0:
            raise httpcore2.ConnectTimeout
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._patience)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


def _addresses(host: str, port: int) -> list[str]:
    """Look up a name, for as long as this machine's resolver takes."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        # The second is for what can be no name, with a part that is empty or too long.
        raise httpcore2.ConnectError from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))
