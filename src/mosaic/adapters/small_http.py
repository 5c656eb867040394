"""A web server of a few lines, for answers that are short and wanted often: probes of ten thousand links, metrics.

It takes GET without a body, keeps connections open, and closes what says
anything else. Whoever holds one open without asking is closed after a minute,
who does not take his answers is asked nothing more, and one address has so many
connections and no more: a link that means ill shall cost its gateway little.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypeAlias

Answer: TypeAlias = Callable[[str], tuple[int, bytes]]
"""Takes a path and returns a status and a text. Called in the event loop: it must not wait."""

IDLE_SECONDS = 60.0
MOST_OF_SOURCE = 32
"""Connections from one address; a link's probe has one."""

_MOST_BYTES = 8192


@asynccontextmanager
async def answering(listener: socket.socket, answer: Answer) -> AsyncIterator[None]:
    """Serve a bound socket while the block runs."""
    loop = asyncio.get_running_loop()
    there: _There = {}
    server = await loop.create_server(lambda: _Connection(answer, there), sock=listener, backlog=512)
    try:
        yield
    finally:
        server.close()
        for connection in [one for some in there.values() for one in some]:
            connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self, answer: Answer, there: "_There") -> None:
        self._answer = answer
        self._there = there
        self._heard = b""
        self._transport: asyncio.Transport | None = None
        self._source: object = None
        self._closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._source = transport.get_extra_info("peername", ("",))[0]
        same = self._there.setdefault(self._source, set())
        if len(same) >= MOST_OF_SOURCE:
            transport.abort()
            return
        self._transport = transport
        same.add(self)
        self._wait(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio gives it)
        same = self._there[self._source]
        same.discard(self)
        if not same:
            del self._there[self._source]
        if self._closing is not None:
            self._closing.cancel()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while self._transport is not None:
            head, end, rest = self._heard.partition(b"\r\n\r\n")
            if not end:
                break
            self._heard = rest
            self._tell(head)
        if len(self._heard) > _MOST_BYTES:
            self.close()

    def pause_writing(self) -> None:
        """Hear nothing more of who does not take what he asked for."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """End the connection after what was answered."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _tell(self, head: bytes) -> None:
        assert self._transport is not None
        words = head.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3 or words[0] != b"GET" or not words[2].startswith(b"HTTP/1."):
            self._transport.write(_written(400, b"", closes=True))
            self.close()
            return
        closes = words[2] == b"HTTP/1.0" or b"\r\nconnection: close" in head.lower()
        status, text = self._answer(words[1].decode("latin-1"))
        self._transport.write(_written(status, text, closes=closes))
        if closes:
            self.close()
        else:
            self._wait(self._transport)

    def _wait(self, transport: asyncio.Transport) -> None:
        if self._closing is not None:
            self._closing.cancel()
        # With what he did not take, for which closing would wait.
        self._closing = asyncio.get_running_loop().call_later(IDLE_SECONDS, transport.abort)


_There: TypeAlias = dict[object, set[_Connection]]
"""The open connections, by the address that they come from."""


def _written(status: int, text: bytes, *, closes: bool) -> bytes:
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Length: {len(text)}\r\n"
    kept = "Connection: close\r\n" if closes else ""
    return f"{head}Content-Type: text/plain; charset=utf-8\r\n{kept}\r\n".encode() + text
