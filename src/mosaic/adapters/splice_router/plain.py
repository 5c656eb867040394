"""A visitor of the door for plain HTTP: one request, one answer, and then he is closed.

A challenge of a routed name is written anew for its link, and the link's answer
given back as it is, as far as its limit; so nothing else that a visitor sends can follow.
"""

import asyncio
import contextlib
import socket

from mosaic.adapters.splice_router.means import Means, connected, head_for
from mosaic.core.link_routes import CHALLENGE_PORT
from mosaic.core.needs_more import NeedsMore
from mosaic.core.plain_request import (
    BAD_REQUEST,
    MOST_BYTES,
    TUNNEL_AWAY,
    Nonsense,
    PlainRequest,
    read,
    refusal,
    to_https,
    written_anew,
)

_MOST_ANSWER_BYTES = 64 * 1024
_PIECE_BYTES = 16 * 1024
_MOST_UNREAD_BYTES = 256 * 1024
_FAREWELL_SECONDS = 1.0


async def serve(visitor: socket.socket, means: Means) -> None:
    """Answer one request. Closes the visitor."""
    try:
        async with asyncio.timeout(means.limits.hello_seconds):
            asked = await _request(visitor)
        if asked is None:
            return
        async with asyncio.timeout(means.limits.challenge_seconds):
            await _answer(visitor, means, asked)
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await _farewell(visitor)
    except OSError:
        # He has gone, or somebody was too slow: nobody is left to be told.
        return
    finally:
        visitor.close()


async def _request(visitor: socket.socket) -> PlainRequest | Nonsense | None:
    """Return what is asked; None when the visitor ends before."""
    loop = asyncio.get_running_loop()
    received = b""
    while piece := await loop.sock_recv(visitor, MOST_BYTES - len(received)):
        received += piece
        said = read(received)
        if not isinstance(said, NeedsMore):
            return said
    return None


async def _answer(visitor: socket.socket, means: Means, asked: PlainRequest | Nonsense) -> None:
    loop = asyncio.get_running_loop()
    if isinstance(asked, Nonsense):
        await loop.sock_sendall(visitor, refusal(BAD_REQUEST))
        return
    address = means.book.address(asked.name) if asked.is_challenge else None
    if address is None:
        await loop.sock_sendall(visitor, to_https(asked))
        return
    tunnel = await connected(address, CHALLENGE_PORT, means.limits.connect_seconds)
    if tunnel is None:
        await loop.sock_sendall(visitor, refusal(TUNNEL_AWAY))
        return
    with contextlib.closing(tunnel):
        await loop.sock_sendall(tunnel, head_for(visitor) + written_anew(asked))
        left = _MOST_ANSWER_BYTES
        while left and (piece := await loop.sock_recv(tunnel, min(left, _PIECE_BYTES))):
            await loop.sock_sendall(visitor, piece)
            left -= len(piece)


async def _farewell(visitor: socket.socket) -> None:
    """End our direction, and read what he still sends: closing with it unread would take our answer from him."""
    loop = asyncio.get_running_loop()
    visitor.shutdown(socket.SHUT_WR)
    unread = 0
    while unread < _MOST_UNREAD_BYTES and (piece := await loop.sock_recv(visitor, _PIECE_BYTES)):
        unread += len(piece)
