"""A Router (`gateway.router`) without any other program: sockets, splice(2), and one thread with an event loop.

It is told its routes by any thread, and has them in memory alone: whoever starts
it gives them all again. It ends its connections when it is closed, and with its process.
"""

import asyncio
import socket
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from types import TracebackType

from mosaic.adapters.loop_thread import LoopThread
from mosaic.adapters.pipes import Pipes
from mosaic.adapters.splice_router import by_name, plain
from mosaic.adapters.splice_router.book import Passage, RouteBook
from mosaic.adapters.splice_router.crowd import Crowd
from mosaic.adapters.splice_router.doors import Address, Door, DoorNotOpened, opened
from mosaic.adapters.splice_router.limits import Limits, for_plain, within_this_process
from mosaic.adapters.splice_router.means import Means
from mosaic.core.link_routes import Route, Traffic

_ENDED_SECONDS = 10.0


class SpliceRouter:
    """Routes from when it is made until it is closed. Threads may share it; used in a `with` block."""

    def __init__(self, *, tls: Sequence[Address], plain: Sequence[Address] = (), limits: Limits | None = None) -> None:
        """Listen at these addresses, port 0 for any. Raises DoorNotOpened."""
        self._limits = within_this_process(limits or Limits())
        self._book = RouteBook(per_name=self._limits.per_name)
        self._tls = opened(tls)
        try:
            self._plain = opened(plain)
        except DoorNotOpened:
            for door in self._tls:
                door.close()
            raise
        self.tls_addresses = [_address(door) for door in self._tls]
        self.plain_addresses = [_address(door) for door in self._plain]
        self._pipes = Pipes()
        self._doors: list[Door] = []
        self._loop = LoopThread("splice-router", at_the_end=self._close_doors)
        self._loop.ask(self._open_doors)

    def __enter__(self) -> "SpliceRouter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the doors and end every connection. May be called twice."""
        self._loop.close()
        self._pipes.close()

    def put(self, routes: Mapping[str, Route]) -> None:
        """Add these routes, or replace those of the same names. Open connections stay with the route they came by."""
        self._book.put(routes)

    def remove(self, names: Collection[str]) -> None:
        """Remove these routes and end their open connections. Names that have none are no error."""
        self._end(self._book.remove(names))

    def end_connections(self, addresses: Collection[str]) -> None:
        """End the open connections to these tunnel addresses; their routes stay."""
        self._end(self._book.passages_to(addresses))

    def addresses(self) -> dict[str, str]:
        """Return the tunnel address of every name that is routed now."""
        return self._book.addresses()

    def traffic(self, names: Collection[str] | None = None) -> dict[str, Traffic]:
        """Return what connections of these routed names carried, of all for None. One routed anew begins at zero."""
        return self._book.traffic(names)

    def _end(self, passages: Sequence[Passage]) -> None:
        """End these, and return when they are over."""
        if passages:
            self._loop.do(lambda: _cancelled(passages), when_closed=None, seconds=_ENDED_SECONDS)

    def _open_doors(self) -> None:
        means = Means(self._book, self._limits, self._pipes)
        crowd, plain_crowd = Crowd(self._limits), Crowd(for_plain(self._limits))
        self._doors += [Door(listening, crowd, partial(by_name.serve, means=means)) for listening in self._tls]
        self._doors += [Door(listening, plain_crowd, partial(plain.serve, means=means)) for listening in self._plain]

    async def _close_doors(self) -> None:
        for door in self._doors:
            door.close()


async def _cancelled(passages: Sequence[Passage]) -> None:
    for passage in passages:
        passage.task.cancel()
    await asyncio.wait([passage.task for passage in passages])


def _address(listening: socket.socket) -> Address:
    host, port, *_ = listening.getsockname()
    return host, port
