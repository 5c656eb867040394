"""What the visitors of one router share, and how a tunnel address is reached for them."""

import asyncio
import socket
from dataclasses import dataclass

from mosaic.adapters.connecting import connect
from mosaic.adapters.pipes import Pipes
from mosaic.adapters.splice_router.book import RouteBook
from mosaic.adapters.splice_router.limits import Limits
from mosaic.core.proxy_header import encode, ends_of


@dataclass(frozen=True, slots=True)
class Means:
    """The routes, the limits and the pipes of a router."""

    book: RouteBook
    limits: Limits
    pipes: Pipes


async def connected(address: str, port: int, seconds: float) -> socket.socket | None:
    """Connect to a tunnel address; None when it refuses, or has not answered in time."""
    tunnel = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await connect(tunnel, (address, port), seconds=seconds)
    except OSError:
        tunnel.close()
        return None
    except asyncio.CancelledError:
        tunnel.close()
        raise
    return tunnel


def head_for(visitor: socket.socket) -> bytes:
    """Return the head that tells whose connection it is. Raises OSError when he has gone already."""
    there, here = visitor.getpeername(), visitor.getsockname()
    return encode(ends_of((there[0], there[1]), (here[0], here[1])))
