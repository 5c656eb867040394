"""Isolated mode: keeping the ports that apps publish in the Device's own engine open on the machine.

The engine has a network of its own. Each port that a container publishes
there is opened here and lent to the engine's container, which leads whoever
connects to it; it goes on doing so while the Device is replaced. A port is
taken back when nothing publishes it any more.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

import anyio

from mosaic.adapters import log
from mosaic.adapters.docker.sights import Container
from mosaic.adapters.port_lending import PortLending, PortNotLent
from mosaic.core.errors import MosaicError
from mosaic.core.lent_port import LentPort
from mosaic.device.bell import Bell
from mosaic.device.lookout import RETRY_SECONDS, SETTLE_SECONDS
from mosaic.device.outside import Engine, ask

_LOOK_SECONDS = 30.0
"""Also without an event: the container may have been replaced, and knows no port then."""


async def keep_lent(engine: Engine, lending: PortLending, *, label: str) -> None:
    """Lend what containers with the label publish, and take back the rest, until cancelled."""
    bell = Bell()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch, engine, label, bell.ring)
        told, pause = "", RETRY_SECONDS
        while True:
            problem = await _catch_up(engine, lending, label)
            if problem is not None and problem.message != told:
                log.warning("port_not_lent", code=problem.code, reason=problem.message)
            told = problem.message if problem is not None else ""
            await bell.wait(pause if problem is not None else _LOOK_SECONDS)
            # A port that another program keeps for itself is not asked for all the time.
            pause = min(2 * pause, _LOOK_SECONDS) if problem is not None else RETRY_SECONDS
            await anyio.sleep(SETTLE_SECONDS)


def published(containers: Iterable[Container]) -> frozenset[LentPort]:
    """Return the ports that containers publish, as they are opened on the machine."""
    found: set[LentPort] = set()
    for container in containers:
        for port in container.ports:
            host = port.host_ip or "0.0.0.0"  # noqa: S104 (as it was published)
            # SCTP is led nowhere.
            match port.protocol:
                case "tcp":
                    found.add(LentPort("tcp", host, port.host_port))
                case "udp":
                    found.add(LentPort("udp", host, port.host_port))
    return frozenset(found)


async def lent_pairs(lending: PortLending | None) -> set[tuple[str, int]]:
    """Return the (protocol, port) pairs that are open on the machine for this Device's apps; none without isolation."""
    if lending is None:
        return set()
    try:
        return {(port.protocol, port.port) for port in await ask(lending.lent)}
    except PortNotLent:
        return set()


async def _catch_up(engine: Engine, lending: PortLending, label: str) -> MosaicError | None:
    """Make lent what is published. Returns the last problem; one port's keeps no other one closed."""
    try:
        wanted, lent = published(await engine.containers(label)), await ask(lending.lent)
    except MosaicError as error:
        return error
    problem: MosaicError | None = None
    for change, ports in ((lending.end, lent - wanted), (lending.lend, wanted - lent)):
        for port in sorted(ports):
            try:
                await ask(change, port)
            except PortNotLent as error:
                problem = error
    return problem


async def _watch(engine: Engine, label: str, on_change: Callable[[], None]) -> None:
    while True:
        # What is wrong with the engine is said by whoever looks.
        with suppress(MosaicError):
            await engine.watch(label, on_change)
        await anyio.sleep(RETRY_SECONDS)
        on_change()
