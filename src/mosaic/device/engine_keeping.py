"""Isolated mode in a container: having the container of the Device's own engine run.

The machine's engine starts it again when it ends by itself. It does not when
somebody killed or removed it, and then the Device does. One that runs is left
alone, whatever it was made of: the apps in it would end with it.
"""

from functools import partial
from pathlib import Path

import anyio

from mosaic.adapters import log
from mosaic.adapters.docker import standing
from mosaic.adapters.docker.api import Api
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.adapters.unix_http import accepts
from mosaic.core.device_container import Container
from mosaic.core.errors import MosaicError, Refused
from mosaic.device.config import DEFAULT_ENGINE
from mosaic.device.outside import ask

_LOOK_SECONDS = 3.0


class EngineStale(Refused):
    """The Device's own engine is another version's, or was given something else."""

    code = "engine-stale"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the container {name} runs, and this version of Mosaic would make it otherwise",
            hint=f"`docker rm --force {name}` when the apps may be away for a moment: the Device makes it anew",
        )


class EngineEnded(Refused):
    """The container of the Device's own engine does not run."""

    code = "engine-ended"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the container {name} does not run",
            hint=f"the Device starts it by itself; if it does not, `docker logs {name}` says why",
        )


async def keep_running(container: Container, address: str) -> None:
    """Have the machine's engine run the container whenever nobody answers at its engine's address, until cancelled."""
    machines, engine_socket = DockerEngine(DEFAULT_ENGINE), Path(address.removeprefix("unix://"))
    told = ""
    while True:
        await anyio.sleep(_LOOK_SECONDS)
        if await ask(accepts, engine_socket):
            told = ""
            continue
        try:
            if not await machines.images([container.image]):
                await machines.pull(container.image)
            if await ask(partial(standing.stand_unless_running, Api(DEFAULT_ENGINE), container)):
                log.warning("own_engine_started", container=container.name)
        except MosaicError as error:
            if error.message != told:
                log.warning("own_engine_not_started", code=error.code, reason=error.message, hint=error.hint)
            told = error.message


async def give_up(container: Container) -> None:
    """End the container: this Device was removed. What cannot be done is logged; uninstalling does it."""
    try:
        await ask(standing.remove, Api(DEFAULT_ENGINE), container)
    except MosaicError as error:
        log.warning("own_engine_not_ended", code=error.code, reason=error.message, hint=error.hint)


async def check_container(container: Container) -> str:
    """Say what runs. Raises EngineStale, EngineEnded, and what the machine's engine says."""
    match await ask(standing.runs_as, Api(DEFAULT_ENGINE), container):
        case None:
            raise EngineEnded(container.name)
        case False:
            raise EngineStale(container.name)
    return f"{container.name} runs {container.image}"
