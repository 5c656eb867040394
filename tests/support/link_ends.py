"""What stands at a link's end of a tunnel: real TLS servers at a tunnel address, each with a fault of its own or none.

The head of PROXY protocol that a router sends before each connection is read, as a link's Caddy does.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from mosaic.core.link_routes import TLS_PORT
from mosaic.core.needs_more import NeedsMore
from mosaic.core.proxy_header import read
from mosaic.crypto import ca
from mosaic.crypto.ca import KeyPair

SECONDS = 60


def serving_context(folder: Path, authority: KeyPair, *names: str) -> ssl.SSLContext:
    """Return a server's context with a certificate for these names."""
    made = ca.issue(authority, list(names), datetime.now(UTC))
    file = folder / f"{names[0]}.pem"
    file.write_text(made.certificate_pem + made.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@contextlib.contextmanager
def answering_link(address: str, context: ssl.SSLContext, *, status: int = 200) -> Iterator[None]:
    """Serve at a tunnel address: every request is answered with the status."""

    def answer(line: socket.socket) -> None:
        with context.wrap_socket(line, server_side=True) as secured:
            if secured.recv(4096):
                secured.sendall(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    with _listening(address, answer):
        yield


@contextlib.contextmanager
def mute_link(address: str) -> Iterator[None]:
    """Take connections at a tunnel address, and never say a word."""
    ended = threading.Event()

    def wait(_line: socket.socket) -> None:
        ended.wait(SECONDS)

    with _listening(address, wait):
        try:
            yield
        finally:
            ended.set()


@contextlib.contextmanager
def _listening(address: str, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    server = socket.create_server((address, TLS_PORT))
    server.settimeout(0.1)
    stopped = threading.Event()

    def one(line: socket.socket) -> None:
        line.settimeout(SECONDS)
        with line, contextlib.suppress(OSError):
            _take_head(line)
            answer(line)

    def accept() -> None:
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(SECONDS)
        server.close()


def _take_head(line: socket.socket) -> None:
    head = b""
    while isinstance(said := read(head), NeedsMore):
        piece = line.recv(said.at_least - len(head))
        if not piece:
            return
        head += piece
