"""UDP of raw ports: each visitor has a socket of his own to the service, whose address is looked up again and again."""

import asyncio
import socket

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from mosaic.adapters.raw_ports.flows import DatagramPort, Room
from mosaic.adapters.raw_ports.limits import Limits
from mosaic.core.errors import Refused
from mosaic.core.expose import RawPort
from mosaic.core.ids import LinkId
from mosaic.core.raw_ports import PortTarget

_FIRST_LOOK_SECONDS = 1.0
_LOOK_SECONDS = 10.0
# All come from the gateway, which has counted them by their true sources.
_LIMITS = Limits(flows=2048, flows_of_port=2048, flows_of_source=2048)


class DatagramsNotGuarded(Refused):
    """A list of allowed addresses cannot be kept for UDP."""

    code = "link-datagrams-not-guarded"

    def __init__(self) -> None:
        super().__init__(
            "LINK_ALLOW is set, and a link is not told who sends a datagram, so it could not keep to it",
            hint="leave LINK_ALLOW out, or the `udp://` part of EXPOSE",
        )


async def relay_datagrams(
    address: str, inner: int, port: RawPort, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
) -> None:
    """Pass on datagrams until cancelled. Raises DoorNotOpened."""
    where: str | None = None
    opened = DatagramPort([address], inner, _target(where, port), room=Room(_LIMITS), limits=_LIMITS)
    try:
        task_status.started()
        while True:
            now = await _address_of(port)
            # A DNS that does not answer moves nobody.
            if now is not None and now != where:
                where = now
                opened.lead(_target(where, port))
            await anyio.sleep(_LOOK_SECONDS if where else _FIRST_LOOK_SECONDS)
    finally:
        opened.close()


def _target(address: str | None, port: RawPort) -> PortTarget:
    # Its own link leads there; nobody asks which that is.
    return PortTarget(LinkId(""), address or "", port.port if address else 0)


async def _address_of(port: RawPort) -> str | None:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(port.service, port.port, type=socket.SOCK_DGRAM)
    except OSError:
        return None
    # IPv4 first: containers have it always, and services often listen at it alone.
    families = sorted(found, key=lambda one: one[0] != socket.AF_INET)
    return str(families[0][4][0]) if families else None
