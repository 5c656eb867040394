"""A public UDP port: each source has a socket of its own to the tunnel, so that answers find their way back.

What is known of UDP is who sent and whether he was answered. So a flow that was
answered is kept while either side speaks, and one that was not gives way:
sources can be forged, and a flood of them shall not turn away who is here.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mosaic.adapters.raw_ports import asked_at
from mosaic.adapters.raw_ports.asked_at import LONGEST_DATAGRAM, Ancillary
from mosaic.adapters.raw_ports.limits import Limits
from mosaic.adapters.splice_router.crowd import source_of
from mosaic.adapters.splice_router.doors import Address, DoorNotOpened
from mosaic.core.link_routes import Traffic
from mosaic.core.raw_ports import PortTarget

_AT_ONCE = 64
_LOOKS = 4
"""So many times in the shortest silence the flows are looked through for those that are over."""

_Key: TypeAlias = tuple[int, Address]
"""Which of our sockets, and who."""


@dataclass(slots=True)
class Room:
    """How many flows all ports of a gateway have, in all and by source."""

    limits: Limits
    in_all: int = 0
    _of_source: Counter[str] = field(default_factory=Counter)

    def is_full_for(self, source: str) -> bool:
        """Whether this source has as many as it may."""
        return self._of_source[source] >= self.limits.flows_of_source

    def take(self, source: str) -> None:
        """Count one in."""
        self.in_all += 1
        self._of_source[source] += 1

    def leave(self, source: str) -> None:
        """Count one out."""
        self.in_all -= 1
        self._of_source[source] -= 1
        if not self._of_source[source]:
            del self._of_source[source]


@dataclass(eq=False, slots=True)
class _Flow:
    """What one source says and is answered. `inside` is connected to the tunnel."""

    key: _Key
    source: str
    at: socket.socket
    ancillary: Ancillary
    inside: socket.socket
    spoke_at: float
    is_answered: bool = False


class DatagramPort:
    """In a running loop, and not for threads."""

    def __init__(self, hosts: Sequence[str], port: int, target: PortTarget, *, room: Room, limits: Limits) -> None:
        """Take what comes to the port of each of these addresses. Raises DoorNotOpened, and then takes none."""
        self._loop = asyncio.get_running_loop()
        self._target = target
        self._room = room
        self._limits = limits
        self._unanswered: dict[_Key, _Flow] = {}
        self._answered: dict[_Key, _Flow] = {}
        self._opened = self._received_bytes = self._sent_bytes = 0
        self._sockets = _opened([(host, port) for host in hosts])
        for number, each in enumerate(self._sockets):
            self._loop.add_reader(each, self._come, number)
        self._timer = self._loop.call_later(self._look_seconds, self._look)

    @property
    def target(self) -> PortTarget:
        """Where it leads."""
        return self._target

    def lead(self, target: PortTarget) -> None:
        """Lead all that comes from now on there: datagrams know of no connection that could stay."""
        self._target = target
        self._end_all()

    def close(self) -> list[asyncio.Task[None]]:
        """Take nothing any more. There is nothing to wait for."""
        self._timer.cancel()
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
        self._end_all()
        return []

    def end_connections(self, addresses: Collection[str]) -> list[asyncio.Task[None]]:
        """Forget its flows when it leads to one of these."""
        if self._target.address in addresses:
            self._end_all()
        return []

    def traffic(self) -> Traffic:
        """Return what it carried since it was opened; open is who was answered."""
        return Traffic(len(self._answered), self._opened, self._received_bytes, self._sent_bytes)

    @property
    def _look_seconds(self) -> float:
        return min(self._limits.unanswered_seconds, self._limits.silent_seconds) / _LOOKS

    def _come(self, number: int) -> None:
        at = self._sockets[number]
        with contextlib.suppress(BlockingIOError):
            for _ in range(_AT_ONCE):
                try:
                    said, sender, ancillary = asked_at.received(at)
                except ConnectionError:
                    continue  # what somebody earlier was sent did not arrive
                self._received_bytes += len(said)
                flow = self._flow((number, sender), at, ancillary)
                if flow is not None:
                    flow.spoke_at = self._loop.time()
                    _say(flow.inside, said)

    def _flow(self, key: _Key, at: socket.socket, ancillary: Ancillary) -> _Flow | None:
        """Return the flow of who sent, a new one if there is room."""
        flow = self._answered.get(key) or self._unanswered.get(key)
        if flow is not None:
            # He may ask at another address of this machine now, and is answered from there.
            flow.ancillary = ancillary
            return flow
        source = source_of(key[1][0])
        if self._room.is_full_for(source) or not self._have_room():
            return None
        inside = _connected(self._target)
        if inside is None:
            return None
        flow = _Flow(key, source, at, ancillary, inside, self._loop.time())
        self._room.take(source)
        self._opened += 1
        self._unanswered[key] = flow
        self._loop.add_reader(inside, self._answer, flow)
        return flow

    def _have_room(self) -> bool:
        limits = self._limits
        is_full = (
            len(self._unanswered) + len(self._answered) >= limits.flows_of_port or self._room.in_all >= limits.flows
        )
        if is_full and self._unanswered:
            self._end(next(iter(self._unanswered.values())))
            return True
        return not is_full

    def _answer(self, flow: _Flow) -> None:
        for _ in range(_AT_ONCE):
            try:
                said = flow.inside.recv(LONGEST_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # nobody listens there now; somebody may later
            flow.spoke_at = self._loop.time()
            self._sent_bytes += len(said)
            if not flow.is_answered:
                flow.is_answered = True
                del self._unanswered[flow.key]
                self._answered[flow.key] = flow
            with contextlib.suppress(OSError):
                asked_at.answer(flow.at, said, flow.key[1], flow.ancillary)

    def _look(self) -> None:
        """End the flows that were silent for long."""
        now = self._loop.time()
        for flows, seconds in (
            (self._unanswered, self._limits.unanswered_seconds),
            (self._answered, self._limits.silent_seconds),
        ):
            for flow in [one for one in flows.values() if now - one.spoke_at >= seconds]:
                self._end(flow)
        self._timer = self._loop.call_later(self._look_seconds, self._look)

    def _end(self, flow: _Flow) -> None:
        self._loop.remove_reader(flow.inside)
        flow.inside.close()
        self._room.leave(flow.source)
        (self._answered if flow.is_answered else self._unanswered).pop(flow.key, None)

    def _end_all(self) -> None:
        for flow in [*self._unanswered.values(), *self._answered.values()]:
            self._end(flow)


def _connected(target: PortTarget) -> socket.socket | None:
    """Return a socket that is connected there; None where that cannot be, port 0 among it, or none can be had."""
    if not target.port:
        return None
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    try:
        inside = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except OSError:
        return None
    try:
        inside.connect((target.address, target.port))
    except OSError:
        inside.close()
        return None
    return inside


def _say(inside: socket.socket, said: bytes) -> None:
    """Send it, or lose it. What is told of an earlier one that did not arrive is no word of this one."""
    for _ in range(2):
        try:
            inside.send(said)
        except ConnectionError:
            continue
        except OSError:
            return
        return


def _opened(addresses: Sequence[Address]) -> list[socket.socket]:
    made: list[socket.socket] = []
    try:
        for address in addresses:
            made.append(asked_at.opened(address))
    except DoorNotOpened:
        for each in made:
            each.close()
        raise
    return made
