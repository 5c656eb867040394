"""The ports of the machine that the engine's container was lent: whoever connects is led to the same port in here.

Standard library only: this runs in the engine's image.
"""

import asyncio
import contextlib
import os
import socket
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mosaic.core.lent_port import LONGEST_LINE, End, Lend, LentPort, ListLent, parse, written

_INSIDE = "127.0.0.1"
_ASK_SECONDS = 5.0
_PIECE_BYTES = 65536
_MOST_PEERS = 512


class LentPorts:
    """Answers at a socket file, until closed."""

    def __init__(self) -> None:
        self._ends: dict[LentPort, Callable[[], None]] = {}

    async def serve(self, path: Path) -> None:
        """Answer requests, one at a time, until cancelled."""
        loop = asyncio.get_running_loop()
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(str(path))
            path.chmod(0o600)
            server.listen()
            server.setblocking(False)
            while True:
                asking, _ = await loop.sock_accept(server)
                with asking, contextlib.suppress(OSError):
                    # accept() made it non-blocking; the thread waits, and not for ever.
                    asking.settimeout(_ASK_SECONDS)
                    text, given = await asyncio.to_thread(_receive, asking)
                    answer = await self._answer(text, given)
                    await asyncio.to_thread(asking.sendall, answer.encode())

    async def _answer(self, text: str, given: list[int]) -> str:
        request = parse(text)
        match request, given:
            case Lend(port), [descriptor]:
                self._end(port)
                try:
                    self._ends[port] = await _open(port, socket.socket(fileno=descriptor))
                except OSError as error:
                    return f"no {error.strerror or error}\n"
                return "ok\n"
            case End(port), []:
                self._end(port)
                return "ok\n"
            case ListLent(), []:
                return "".join(["ok\n", *(f"{written(port)}\n" for port in self._ends)])
        for descriptor in given:
            os.close(descriptor)
        return "no such request\n"

    def _end(self, port: LentPort) -> None:
        end = self._ends.pop(port, None)
        if end is not None:
            end()


def _receive(asking: socket.socket) -> tuple[str, list[int]]:
    text, given, _, _ = socket.recv_fds(asking, LONGEST_LINE, 1)
    while not text.endswith(b"\n") and len(text) < LONGEST_LINE and (piece := asking.recv(LONGEST_LINE)):
        text += piece
    return text.decode(errors="replace").removesuffix("\n"), given


async def _open(port: LentPort, lent: socket.socket) -> Callable[[], None]:
    """Serve a socket of the machine. Returns what ends that."""
    lent.setblocking(False)
    if port.protocol == "udp":
        return _Datagrams(port.port, lent).close
    server = await asyncio.start_server(partial(_lead, port.port), sock=lent)
    return server.close


async def _lead(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Lead one connection to the port in here, until both ends have closed."""
    try:
        inner_reader, inner_writer = await asyncio.open_connection(_INSIDE, port)
    except OSError:
        writer.transport.abort()
        return
    try:
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
    except OSError:
        # One of them broke: the other one must see that as well, and not a clean end.
        writer.transport.abort()
        inner_writer.transport.abort()
    finally:
        writer.close()
        inner_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
    # What was answered before the other side has closed still comes.
    if writer.can_write_eof():
        writer.write_eof()


class _Datagrams:
    """Datagrams have no end: whoever has been silent longest is forgotten when there are too many."""

    def __init__(self, port: int, lent: socket.socket) -> None:
        self._port = port
        self._lent = lent
        self._peers: OrderedDict[tuple[str, int], socket.socket] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(lent, self._asked)

    def close(self) -> None:
        """Give the port up, and what its peers had."""
        self._loop.remove_reader(self._lent)
        self._lent.close()
        while self._peers:
            self._forget()

    def _asked(self) -> None:
        """Send a datagram on, from a socket of its sender's own."""
        with contextlib.suppress(OSError):
            said, peer = self._lent.recvfrom(_PIECE_BYTES)
            inner = self._peers.get(peer) or self._add(peer)
            self._peers.move_to_end(peer)
            inner.send(said)

    def _answered(self, inner: socket.socket, peer: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            self._lent.sendto(inner.recv(_PIECE_BYTES), peer)

    def _add(self, peer: tuple[str, int]) -> socket.socket:
        if len(self._peers) >= _MOST_PEERS:
            self._forget()
        inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        inner.setblocking(False)
        inner.connect((_INSIDE, self._port))
        self._loop.add_reader(inner, self._answered, inner, peer)
        self._peers[peer] = inner
        return inner

    def _forget(self) -> None:
        _, inner = self._peers.popitem(last=False)
        self._loop.remove_reader(inner)
        inner.close()
