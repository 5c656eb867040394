"""The raw ports of a gateway (`gateway.parts.RawPorts`): sockets, splice(2), and one thread with an event loop.

It is told its ports by any thread and has them in memory alone: whoever starts
it gives them all again. Its connections end with its process.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import TypeAlias, TypeVar

from mosaic.adapters import log
from mosaic.adapters.loop_thread import LoopThread
from mosaic.adapters.pipes import Pipes
from mosaic.adapters.raw_ports.flows import DatagramPort, Room
from mosaic.adapters.raw_ports.limits import Limits, of_crowd
from mosaic.adapters.raw_ports.streams import StreamPort
from mosaic.adapters.splice_router.crowd import Crowd
from mosaic.adapters.splice_router.doors import DoorNotOpened
from mosaic.core.link_routes import Traffic
from mosaic.core.raw_ports import PortKey, PortTarget, key_name

T = TypeVar("T")
_OpenPort: TypeAlias = StreamPort | DatagramPort

_DONE_SECONDS = 20.0
EVERY_PORT = range(1, 65536)
EVERYWHERE = ("0.0.0.0",)  # noqa: S104 (a gateway is what the public reaches)


class RawPortRelay:
    """Relays from when it is made until it is closed. Threads may share it; used in a `with` block."""

    def __init__(
        self, hosts: Sequence[str] = EVERYWHERE, *, within: range = EVERY_PORT, limits: Limits | None = None
    ) -> None:
        """Open ports of this range at these addresses of the machine, when told to."""
        self._hosts = tuple(hosts)
        self._within = within
        self._limits = limits or Limits()
        self._ports: dict[PortKey, _OpenPort] = {}
        self._pipes = Pipes()
        self._crowd = Crowd(of_crowd(self._limits))
        self._room = Room(self._limits)
        self._loop = LoopThread("raw-ports", at_the_end=self._close_ports)

    def __enter__(self) -> "RawPortRelay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every port and end every connection. May be called twice."""
        self._loop.close()
        self._pipes.close()

    def put(self, ports: Mapping[PortKey, PortTarget]) -> None:
        """Open these, or lead them elsewhere from now on.

        One that another program of this machine has, or that is not of the range, is told in the log and not open
        after that: the others are, and who compares what is open with what shall be tries it again.
        """

        async def do() -> None:
            for key, target in ports.items():
                found = self._ports.get(key)
                if found is None:
                    self._open(key, target)
                elif found.target != target:
                    found.lead(target)

        self._do(do, None)

    def remove(self, ports: Collection[PortKey]) -> None:
        """Close these and end their connections. Ports that are not open are no error."""

        async def do() -> None:
            await _over([task for key in ports if key in self._ports for task in self._ports.pop(key).close()])

        self._do(do, None)

    def end_connections(self, addresses: Collection[str]) -> None:
        """End what is open to these tunnel addresses; the ports stay."""

        async def do() -> None:
            await _over([task for port in self._ports.values() for task in port.end_connections(addresses)])

        self._do(do, None)

    def there(self) -> dict[PortKey, PortTarget]:
        """Return all that are open."""

        async def do() -> dict[PortKey, PortTarget]:
            return {key: port.target for key, port in self._ports.items()}

        return self._do(do, {})

    def traffic(self) -> dict[PortKey, Traffic]:
        """Return what each port carried since it was opened."""

        async def do() -> dict[PortKey, Traffic]:
            return {key: port.traffic() for key, port in self._ports.items()}

        return self._do(do, {})

    def _open(self, key: PortKey, target: PortTarget) -> None:
        protocol, port = key
        if port not in self._within:
            # It was given before the operator named another range.
            log.warning("raw_port_not_opened", port=key_name(key), reason="it is not of the range of this gateway")
            return
        try:
            if protocol == "tcp":
                self._ports[key] = StreamPort(
                    self._hosts, port, target, crowd=self._crowd, limits=self._limits, pipes=self._pipes
                )
            else:
                self._ports[key] = DatagramPort(self._hosts, port, target, room=self._room, limits=self._limits)
        except DoorNotOpened as error:
            log.warning("raw_port_not_opened", port=key_name(key), reason=error.message)

    def _do(self, what: Callable[[], Coroutine[None, None, T]], when_closed: T) -> T:
        """Do it in the loop's thread and return when it is done. Raises TimeoutError."""
        return self._loop.do(what, when_closed=when_closed, seconds=_DONE_SECONDS)

    async def _close_ports(self) -> None:
        await _over([task for port in self._ports.values() for task in port.close()])
        self._ports.clear()


async def _over(tasks: Sequence[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks)
