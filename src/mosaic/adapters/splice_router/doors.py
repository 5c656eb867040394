"""Where a router listens, and how visitors come in: each in a task of his own, or not at all."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeAlias

from mosaic.adapters.splice_router.crowd import Crowd, source_of
from mosaic.adapters.splicing import keep_alive
from mosaic.core.errors import Refused

Address: TypeAlias = tuple[str, int]
Serve: TypeAlias = Callable[[socket.socket], Coroutine[None, None, None]]

_BACKLOG = 4096
_AT_ONCE = 64
_PAUSE_SECONDS = 0.2


class DoorNotOpened(Refused):
    """A port of the gateway cannot be listened at."""

    code = "gateway-port-taken"

    def __init__(self, address: Address, reason: str) -> None:
        super().__init__(
            f"the gateway cannot listen at {address[0]} port {address[1]}: {reason}",
            hint="`ss -tlnp` names the program that has the port; ports below 1024 need root or CAP_NET_BIND_SERVICE",
        )


def opened(addresses: Sequence[Address]) -> list[socket.socket]:
    """Listen at each address; IPv6 is for itself. Raises DoorNotOpened, and then listens at none."""
    listening: list[socket.socket] = []
    try:
        for address in addresses:
            listening.append(_listening(address))
    except DoorNotOpened:
        for door in listening:
            door.close()
        raise
    return listening


class Door:
    """One listening socket in a running loop. Closing it leaves those who are in."""

    def __init__(self, listening: socket.socket, crowd: Crowd, serve: Serve) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._crowd = crowd
        self._serve = serve
        self._in: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._loop.add_reader(listening, self._take)

    def close(self) -> None:
        """Listen no longer."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                visitor, peer = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # No descriptor is free. Who waits is taken when one is; asking at once would only heat the processor.
                self._loop.remove_reader(self._listening)
                self._again = self._loop.call_later(_PAUSE_SECONDS, self._reopen)
                return
            self._let_in(visitor, source_of(peer[0]))

    def _let_in(self, visitor: socket.socket, source: str) -> None:
        if not self._crowd.admit(source):
            visitor.close()
            return
        visitor.setblocking(False)
        task = self._loop.create_task(self._serve(visitor))
        self._in.add(task)

        def gone(over: asyncio.Task[None]) -> None:
            # One that was cancelled before it began had no chance to close it.
            visitor.close()
            self._in.discard(over)
            self._crowd.gone(source)

        task.add_done_callback(gone)

    def _reopen(self) -> None:
        self._again = None
        self._loop.add_reader(self._listening, self._take)


def _listening(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        door = socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        raise DoorNotOpened(address, error.strerror or str(error)) from None
    door.setblocking(False)
    keep_alive(door)
    return door
