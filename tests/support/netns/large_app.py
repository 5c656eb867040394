"""An app for much and for many: bytes either way by the gigabyte, and WebSockets that echo, a thousand at once.

`python -m support.netns.large_app PORT` serves on loopback: GET /bytes/N, POST /hash (of a body with a length), /echo.
"""

import asyncio
import hashlib
import random
import sys
from collections.abc import Iterator

BLOCK_BYTES = 1 << 20
_BLOCK = random.Random(4242).randbytes(BLOCK_BYTES)
_HEAD_BYTES = 65536


def blocks(size: int) -> Iterator[bytes]:
    """Yield so many bytes, of which no two blocks are the same."""
    for number in range(-(-size // BLOCK_BYTES)):
        whole = number.to_bytes(8, "big") + _BLOCK[8:]
        yield whole[: size - number * BLOCK_BYTES]


def hash_of(size: int) -> str:
    """Return the SHA-256 of what `blocks` yields."""
    found = hashlib.sha256()
    for block in blocks(size):
        found.update(block)
    return found.hexdigest()


async def _meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await _answer(reader, writer):
            pass
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request, and return whether another may come."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    path = lines[0].split(" ")[1]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if "upgrade" in headers:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while piece := await reader.read(_HEAD_BYTES):
            writer.write(piece)
            await writer.drain()
        return False
    if path == "/hash":
        _say(writer, (await _hashed(reader, int(headers["content-length"]))).encode())
    elif path.startswith("/bytes/"):
        size = int(path.removeprefix("/bytes/"))
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for block in blocks(size):
            writer.write(block)
            await writer.drain()
    else:
        _say(writer, b"here\n")
    await writer.drain()
    return True


def _say(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


async def _hashed(reader: asyncio.StreamReader, size: int) -> str:
    found = hashlib.sha256()
    while size:
        piece = await reader.read(min(size, BLOCK_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size)
        found.update(piece)
        size -= len(piece)
    return found.hexdigest()


async def _main(port: int) -> None:
    server = await asyncio.start_server(_meet, "127.0.0.1", port, limit=_HEAD_BYTES, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
