"""Datagrams over a connection of the tunnel, and the ports where they come in and go out.

As with UDP itself, one that does not get through in time is lost (and an empty one always): a
connection that takes nothing more drops what comes, and nobody waits. A peer
that is silent for long is forgotten, and the one silent longest makes room.
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeAlias

from mosaic.core.tunnel_frames import LENGTH_BYTES, LONGEST_DATAGRAM, read_length, write_datagram

SILENT_SECONDS = 120.0

_MOST_PEERS = 256
_MOST_UNSENT_BYTES = 256 * 1024
_MOST_BEFORE_CONNECTED = 32
_AT_ONCE = 64

Peer: TypeAlias = tuple[str, int]
Take: TypeAlias = Callable[[], Awaitable[socket.socket | None]]
"""Returns a connection of the link for datagrams, on which the opening has still to be sent; None when none came."""

Start: TypeAlias = Callable[[Coroutine[object, object, None]], "asyncio.Task[None]"]


class DatagramStream:
    """Datagrams on one connection, which it owns."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._spoke = True

    @classmethod
    async def over(cls, connection: socket.socket, opening: bytes = b"") -> "DatagramStream":
        """Carry datagrams on a connection, after its opening. Raises OSError."""
        try:
            reader, writer = await asyncio.open_connection(sock=connection)
        except BaseException:  # also when cancelled: nobody else has it yet
            connection.close()
            raise
        writer.write(opening)
        return cls(reader, writer)

    def send(self, datagram: bytes) -> None:
        """Send one, or lose it."""
        self._spoke = True
        if self._writer.transport.get_write_buffer_size() < _MOST_UNSENT_BYTES:
            self._writer.write(write_datagram(datagram))

    async def carry(self, heard: Callable[[bytes], None]) -> None:
        """Give each datagram that comes to `heard`, until the other side ends it or all is silent for long."""
        hearing = asyncio.create_task(self._hear(heard))
        try:
            while self._spoke and not hearing.done():
                self._spoke = False
                await asyncio.wait({hearing}, timeout=SILENT_SECONDS)
        finally:
            hearing.cancel()
            await asyncio.wait({hearing})

    def close(self) -> None:
        """End at once."""
        self._writer.transport.abort()

    async def _hear(self, heard: Callable[[bytes], None]) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                datagram = await self._reader.readexactly(read_length(await self._reader.readexactly(LENGTH_BYTES)))
                self._spoke = True
                heard(datagram)


class DatagramPort:
    """A UDP port of a registration at its gateway: each sender is given a connection of its own."""

    def __init__(self, address: str, port: int, *, opening: bytes, take: Take, start: Start) -> None:
        """Open the port. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        self._opening = opening
        self._take = take
        self._start = start
        self._peers: dict[Peer, _Sender] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.bind((address, port))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._come)

    def close(self) -> None:
        """Close the port and end all that its senders have."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for sender in self._peers.values():
            sender.end()

    def _come(self) -> None:
        with contextlib.suppress(OSError):
            for _ in range(_AT_ONCE):
                datagram, peer = self._socket.recvfrom(LONGEST_DATAGRAM)
                self._sender(peer).said(datagram)

    def _sender(self, peer: Peer) -> "_Sender":
        sender = self._peers.pop(peer, None)
        if sender is None:
            if len(self._peers) >= _MOST_PEERS:
                self._peers.pop(next(iter(self._peers))).end()
            sender = _Sender(self._take, self._opening, lambda answer: self._answer(answer, peer))
            sender.running = self._start(sender.run())
            sender.running.add_done_callback(lambda _: self._forget(peer, sender))
        # The last of all now: who has been silent longest is the first.
        self._peers[peer] = sender
        return sender

    def _forget(self, peer: Peer, sender: "_Sender") -> None:
        if self._peers.get(peer) is sender:
            del self._peers[peer]

    def _answer(self, answer: bytes, peer: Peer) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(answer, peer)


class _Sender:
    """Whoever sends from one place, and the connection that was spent on it."""

    def __init__(self, take: Take, opening: bytes, answer: Callable[[bytes], None]) -> None:
        self._take = take
        self._opening = opening
        self._answer = answer
        self._early: deque[bytes] = deque(maxlen=_MOST_BEFORE_CONNECTED)
        self._stream: DatagramStream | None = None
        self.running: asyncio.Task[None] | None = None

    def said(self, datagram: bytes) -> None:
        if self._stream is None:
            self._early.append(datagram)
        else:
            self._stream.send(datagram)

    def end(self) -> None:
        if self.running is not None:
            self.running.cancel()

    async def run(self) -> None:
        connection = await self._take()
        if connection is None:
            return
        with contextlib.suppress(OSError):
            self._stream = stream = await DatagramStream.over(connection, self._opening)
            try:
                while self._early:
                    stream.send(self._early.popleft())
                await stream.carry(self._answer)
            finally:
                stream.close()


class _Local(asyncio.DatagramProtocol):
    """The app's end: what it answers goes back."""

    def __init__(self, answered: Callable[[bytes], None]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, _: object) -> None:
        self._answered(data)


async def lead_datagrams(connection: socket.socket, host: str, port: int) -> None:
    """Carry a connection's datagrams to a port here and back, until its gateway ends it or all is silent for long.

    Raises OSError where there is no such host. The connection is closed in any case.
    """
    stream = await DatagramStream.over(connection)
    try:
        loop = asyncio.get_running_loop()
        local, _ = await loop.create_datagram_endpoint(lambda: _Local(stream.send), remote_addr=(host, port))
        try:
            await stream.carry(local.sendto)
        finally:
            local.abort()
    finally:
        stream.close()
