"""A public TCP port: each connection is joined with one to the tunnel, after a head that says whose it is.

The head (PROXY protocol 2) is always sent: a link tells its service or not, as
EXPOSE says, and keeps its list of allowed addresses by it.
"""

import asyncio
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from mosaic.adapters.pipes import Pipes
from mosaic.adapters.raw_ports.limits import Limits
from mosaic.adapters.splice_router.crowd import Crowd
from mosaic.adapters.splice_router.doors import Door, opened
from mosaic.adapters.splice_router.means import connected, head_for
from mosaic.adapters.splicing import Carried, splice
from mosaic.core.link_routes import Traffic
from mosaic.core.raw_ports import PortTarget


@dataclass(eq=False, slots=True)
class _Passage:
    """One visitor who is led somewhere."""

    address: str
    task: asyncio.Task[None]
    carried: Carried = field(default_factory=Carried)


class StreamPort:
    """In a running loop, and not for threads."""

    def __init__(
        self, hosts: Sequence[str], port: int, target: PortTarget, *, crowd: Crowd, limits: Limits, pipes: Pipes
    ) -> None:
        """Listen at the port of each of these addresses. Raises DoorNotOpened, and then listens at none."""
        self._target = target
        self._limits = limits
        self._pipes = pipes
        self._passages: set[_Passage] = set()
        self._over = Traffic()
        self._is_closed = False
        self._doors = [Door(listening, crowd, self._serve) for listening in opened([(host, port) for host in hosts])]

    @property
    def target(self) -> PortTarget:
        """Where it leads."""
        return self._target

    def lead(self, target: PortTarget) -> None:
        """Lead who comes from now on there; who is there already stays where he is."""
        self._target = target

    def close(self) -> list[asyncio.Task[None]]:
        """Listen no longer and end every connection; return what is waited for."""
        self._is_closed = True
        for door in self._doors:
            door.close()
        return self._ended(list(self._passages))

    def end_connections(self, addresses: Collection[str]) -> list[asyncio.Task[None]]:
        """End those that lead to one of these; return what is waited for."""
        return self._ended([one for one in self._passages if one.address in addresses])

    def traffic(self) -> Traffic:
        """Return what it carried since it was opened."""
        return Traffic(
            open=len(self._passages),
            opened=self._over.opened,
            received_bytes=self._over.received_bytes + sum(one.carried.to_other for one in self._passages),
            sent_bytes=self._over.sent_bytes + sum(one.carried.to_one for one in self._passages),
        )

    def _ended(self, passages: Sequence[_Passage]) -> list[asyncio.Task[None]]:
        for one in passages:
            one.task.cancel()
        return [one.task for one in passages]

    async def _serve(self, visitor: socket.socket) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a visitor is served in a task")
        # Who was accepted in the instant before it was closed begins after it.
        if self._is_closed or len(self._passages) >= self._limits.connections_of_port:
            visitor.close()
            return
        target = self._target
        passage = _Passage(target.address, task)
        self._passages.add(passage)
        self._count(opened=1)
        try:
            await self._pass(visitor, target, passage.carried)
        except OSError:
            return
        finally:
            visitor.close()
            self._passages.discard(passage)
            self._count(received_bytes=passage.carried.to_other, sent_bytes=passage.carried.to_one)

    async def _pass(self, visitor: socket.socket, target: PortTarget, carried: Carried) -> None:
        head = head_for(visitor)
        tunnel = await connected(target.address, target.port, self._limits.connect_seconds)
        if tunnel is not None:
            await splice(
                visitor,
                tunnel,
                pipes=self._pipes,
                carried=carried,
                first_to_other=head,
                idle_seconds=self._limits.idle_seconds,
            )

    def _count(self, *, opened: int = 0, received_bytes: int = 0, sent_bytes: int = 0) -> None:
        self._over = Traffic(
            opened=self._over.opened + opened,
            received_bytes=self._over.received_bytes + received_bytes,
            sent_bytes=self._over.sent_bytes + sent_bytes,
        )
