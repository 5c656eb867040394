"""Asking a gateway's inside, through the tunnel, whether it has a registration (contract: `mosaic.wire.links`)."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

from mosaic.core.link_healing import Probe

_MOST_BYTES = 4096
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_FOUND = {b"200": Probe.GOOD, b"404": Probe.UNKNOWN, b"409": Probe.SUPERSEDED}


async def ask(address: str, port: int, registration: str, *, own: str | None = None) -> Probe:
    """Ask once, on a connection of its own, from the address `own` if it is given.

    Whatever is no answer is silence; how long to wait is the caller's.
    """
    try:
        async with _connected(address, port, own) as (reader, writer):
            host = f"[{address}]" if ":" in address else address
            request = f"GET /probe/{registration} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode("ascii"))
            said = await reader.readuntil(b"\r\n")
    except (OSError, EOFError, UnicodeEncodeError, asyncio.LimitOverrunError):
        return Probe.SILENT
    status = _STATUS.match(said)
    return _FOUND.get(status[1], Probe.SILENT) if status else Probe.SILENT


@contextlib.asynccontextmanager
async def _connected(
    address: str, port: int, own: str | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(
        address, port, limit=_MOST_BYTES, local_addr=(own, 0) if own else None
    )
    try:
        yield reader, writer
    finally:
        # Not `close`: through a tunnel that is away its last bytes would be waited for.
        writer.transport.abort()
