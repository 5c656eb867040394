"""Raw ports: what comes to a port of the tunnel's address is passed, unread, to a service's port, and back."""

import contextlib
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from ipaddress import ip_network

import anyio
from anyio.abc import TaskGroup

from mosaic.adapters import log
from mosaic.adapters.pipes import Pipes
from mosaic.adapters.tcp_tunnel.served import accept_each
from mosaic.core.errors import MosaicError
from mosaic.core.expose import RawPort
from mosaic.link.relayed_datagrams import DatagramsNotGuarded, relay_datagrams
from mosaic.link.relayed_streams import StreamRelay
from mosaic.wire.links import PublicPort

_BACKLOG = 1024


def granted(wanted: Sequence[RawPort], given: Iterable[PublicPort]) -> list[tuple[RawPort, int]]:
    """Return the raw ports that the gateway gave, each with its port within the tunnel. Others are logged."""
    had = {(port.protocol, port.named or port.public): port for port in given}
    found = []
    for port in wanted:
        gift = had.get((port.protocol, port.public))
        if gift is None:
            log.warning("link_port_not_given", port=str(port), reason="its owner gave it none: `mosaic link port add`")
        else:
            log.info("link_port_given", port=str(port), public=gift.public)
            found.append((port, gift.inner))
    return found


@contextlib.asynccontextmanager
async def relaying(
    address: str, ports: Sequence[tuple[RawPort, int]], *, allowed: Sequence[str] = ()
) -> AsyncIterator[None]:
    """Pass on what comes to these ports of an address, while the block lasts. One that cannot be opened is logged.

    `allowed` are the networks of those who may visit; none is everybody.
    """
    pipes = Pipes()
    try:
        async with anyio.create_task_group() as tasks:
            for port, inner in ports:
                try:
                    await _open(tasks, address, inner, port, allowed=allowed, pipes=pipes)
                except OSError as error:
                    log.warning("link_port_not_opened", port=str(port), reason=error.strerror or str(error))
                except MosaicError as error:
                    log.warning("link_port_not_opened", port=str(port), reason=error.message)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
    finally:
        pipes.close()


async def _open(
    tasks: TaskGroup, address: str, inner: int, port: RawPort, *, allowed: Sequence[str], pipes: Pipes
) -> None:
    if port.protocol == "udp":
        if allowed:
            raise DatagramsNotGuarded
        await tasks.start(relay_datagrams, address, inner, port)
        return
    listening = socket.create_server((address, inner), backlog=_BACKLOG)
    listening.setblocking(False)
    relay = StreamRelay(port, [ip_network(one) for one in allowed], pipes)

    def taken(visitor: socket.socket, _: object) -> None:
        visitor.setblocking(False)
        tasks.start_soon(relay.pass_on, visitor)

    tasks.start_soon(accept_each, listening, taken)
