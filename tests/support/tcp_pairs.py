"""Connections over loopback, both ends in hand, for tests of what joins and carries them."""

import asyncio
import gc
import hashlib
import os
import socket
import struct
from pathlib import Path


async def connected(*, buffer_bytes: int | None = None) -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a new connection, non-blocking; with small buffers where a test says so."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        if buffer_bytes is not None:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        one = socket.socket()
        one.setblocking(False)
        if buffer_bytes is not None:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        await loop.sock_connect(one, server.getsockname())
        other, _ = await loop.sock_accept(server)
    return one, other


async def send(end: socket.socket, said: bytes) -> None:
    """Send all of it."""
    await asyncio.get_running_loop().sock_sendall(end, said)


async def read(end: socket.socket, count: int) -> bytes:
    """Return exactly so many bytes, or fewer where the other side ends first."""
    loop = asyncio.get_running_loop()
    got = bytearray()
    while len(got) < count and (piece := await loop.sock_recv(end, min(65536, count - len(got)))):
        got += piece
    return bytes(got)


async def read_to_end(end: socket.socket) -> bytes:
    """Return all until the other side ends."""
    return await read(end, 1 << 40)


async def digest_to_end(end: socket.socket) -> str:
    """Return the SHA-256 of all until the other side ends, without keeping it."""
    loop = asyncio.get_running_loop()
    digest = hashlib.sha256()
    while piece := await loop.sock_recv(end, 1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def reset(end: socket.socket) -> None:
    """Close with a reset, as a program that was killed with bytes unread."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def noise(count: int) -> bytes:
    """Bytes that no two pieces of have in common."""
    return os.urandom(count)


def open_files() -> int:
    """How many descriptors this process has."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))
