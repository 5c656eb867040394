"""Connecting to a place, by whichever of its addresses answers, within a deadline."""

import asyncio
import contextlib
import socket
from typing import TypeAlias

from mosaic.adapters.connecting import connect

CONNECT_SECONDS = 5.0

_Address: TypeAlias = tuple[socket.AddressFamily, str]


async def dial(host: str, port: int, *, seconds: float = CONNECT_SECONDS) -> socket.socket:
    """Return a connected, non-blocking socket. Raises OSError, also (TimeoutError) when it took too long."""
    family = _family(host)
    if family is not None:
        # Each visitor of a link comes by here. A name would cost a thread.
        return await _connected(family, host, port, seconds)
    async with asyncio.timeout(seconds):
        problem = OSError(f"{host} has no address")
        for each, address in await _addresses(host, port):
            try:
                return await _connected(each, address, port, seconds)
            except OSError as error:
                problem = error
        raise problem


def _family(host: str) -> socket.AddressFamily | None:
    """Return of which family an address is, None of a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host)
            return family
    return None


async def _addresses(host: str, port: int) -> list[_Address]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, str(address[0])) for family, _, _, _, address in found]


async def _connected(family: socket.AddressFamily, address: str, port: int, seconds: float) -> socket.socket:
    connecting = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await connect(connecting, (address, port), seconds=seconds)
    except BaseException:  # also when cancelled: nobody else has it yet
        connecting.close()
        raise
    return connecting
