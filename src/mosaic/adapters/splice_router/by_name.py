"""A visitor of the TLS door: his hello is read for its name, and everything goes on to where that is routed.

Who cannot be routed is closed without an answer: a router has no certificate, and
nothing to say.
"""

import asyncio
import socket

from mosaic.adapters.splice_router.means import Means, connected, head_for
from mosaic.adapters.splicing import splice
from mosaic.core.client_hello import MOST_BYTES, Asks, read
from mosaic.core.link_routes import TLS_PORT
from mosaic.core.needs_more import NeedsMore


async def serve(visitor: socket.socket, means: Means) -> None:
    """Serve one visitor until both sides have ended. Closes him."""
    try:
        async with asyncio.timeout(means.limits.hello_seconds):
            received, name = await _hello(visitor)
        if name is not None:
            await _pass(visitor, means, name, received)
    except OSError:
        # He has gone, or was too slow: nobody is left to be told.
        return
    finally:
        visitor.close()


async def _hello(visitor: socket.socket) -> tuple[bytes, str | None]:
    """Return what was received up to the end of the hello, or a little more, and the name that it asks for."""
    loop = asyncio.get_running_loop()
    received, wanted = b"", 1
    while piece := await loop.sock_recv(visitor, MOST_BYTES - len(received)):
        received += piece
        if len(received) < wanted:
            continue
        said = read(received)
        if not isinstance(said, NeedsMore):
            return received, said.name if isinstance(said, Asks) else None
        wanted = said.at_least
    return received, None


async def _pass(visitor: socket.socket, means: Means, name: str, received: bytes) -> None:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a visitor is served in a task")
    passage = means.book.enter(name, len(received), task)
    if passage is None:
        return
    try:
        head = head_for(visitor)
        tunnel = await connected(passage.address, TLS_PORT, means.limits.connect_seconds)
        if tunnel is None:
            return
        await splice(
            visitor,
            tunnel,
            pipes=means.pipes,
            carried=passage.carried,
            first_to_other=head + received,
            idle_seconds=means.limits.idle_seconds,
            half_closed_seconds=means.limits.half_closed_seconds,
        )
    finally:
        means.book.leave(passage)
