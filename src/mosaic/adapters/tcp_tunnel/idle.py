"""The connections that a registration keeps ready at its gateway, and the visitors that wait for one."""

import asyncio
import contextlib
import socket
from collections import deque
from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """How many connections are idle in all registrations together."""

    idle: int = 0


class IdleConnections:
    """Proven connections that nobody uses yet. One that ends, or speaks before it is spoken to, is closed."""

    def __init__(self, tally: Tally) -> None:
        self._loop = asyncio.get_running_loop()
        self._tally = tally
        # In the order in which they came: the newest is the most likely to be alive still, and is spent first.
        self._ready: dict[socket.socket, None] = {}
        self._waiting: deque[asyncio.Future[socket.socket]] = deque()

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def waiting(self) -> int:
        """How many visitors wait for a connection."""
        return len(self._waiting)

    def add(self, connection: socket.socket) -> None:
        """Give a connection to who waits longest, or keep it."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(connection)
                return
        self._ready[connection] = None
        self._tally.idle += 1
        self._loop.add_reader(connection.fileno(), self._end, connection)

    async def take(self, *, seconds: float) -> socket.socket | None:
        """Return a connection, which is the caller's from now on; None when none came in time."""
        if self._ready:
            newest = next(reversed(self._ready))
            self._forget(newest)
            return newest
        place: asyncio.Future[socket.socket] = self._loop.create_future()
        self._waiting.append(place)
        try:
            await asyncio.wait({place}, timeout=seconds)
            return place.result() if place.done() and not place.cancelled() else None
        except asyncio.CancelledError:
            # Given to a visitor that has gone in this very moment: the next may have it.
            if place.done() and not place.cancelled():
                self.add(place.result())
            raise
        finally:
            place.cancel()
            with contextlib.suppress(ValueError):
                self._waiting.remove(place)

    def close(self) -> None:
        """Close all that is idle. Who waits goes on waiting."""
        for connection in list(self._ready):
            self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: socket.socket) -> None:
        self._loop.remove_reader(connection.fileno())
        del self._ready[connection]
        self._tally.idle -= 1
