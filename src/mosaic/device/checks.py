"""What must be so before a Device can work, each with its remedy. Looks only; changes nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from mosaic.adapters import caddy, process
from mosaic.adapters.process import CommandFailed
from mosaic.core.engine_floor import ComposeMissing, require_compose, require_engine
from mosaic.core.errors import MosaicError, Refused
from mosaic.device.config import DeviceConfig
from mosaic.device.outside import Engine, Storage, ask
from mosaic.wire.storage import PoolState, StateRequest

STORAGE_WAIT_SECONDS = 60.0


class DriverDiffers(Refused):
    """The storage daemon is another Device's."""

    code = "driver-differs"

    def __init__(self, wanted: str, found: str) -> None:
        super().__init__(
            f"the storage daemon here has the volume driver {found}, and this Device uses {wanted}",
            hint="give each Device its own state folder, and its storage daemon with it",
        )


class PoolUnwell(Refused):
    """The storage daemon's file system cannot be used."""

    code = "pool-unwell"

    def __init__(self, pool: PoolState) -> None:
        reason = pool.problem
        super().__init__(
            reason.message if reason else f"the pool at {pool.path} cannot be used",
            hint=reason.hint if reason else "run `mosaic doctor`",
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What the checks found out on their way."""

    engine_version: str


async def require(config: DeviceConfig, engine: Engine, storage: Storage) -> Found:
    """Return when the Device can work.

    Raises:
        MosaicError: what is missing, with its remedy. A storage daemon that is just starting is waited for.
    """
    version = await check_engine(engine)
    await check_compose(engine)
    await _wait_for_storage(config, storage)
    return Found(version)


async def check_engine(engine: Engine) -> str:
    """Return the engine's version. Raises EngineSilent, EngineTooOld."""
    found = await engine.version()
    require_engine(found.version, found.api)
    return found.version


async def check_compose(engine: Engine) -> str:
    """Return the compose plugin's version. Raises ComposeMissing, ComposeTooOld, ProgramMissing."""
    try:
        version = await engine.compose_version()
    except CommandFailed as error:
        raise ComposeMissing from error
    require_compose(version)
    return version


async def check_storage(config: DeviceConfig, storage: Storage) -> str:
    """Return a sentence about the pool. Raises StorageSilent, DriverDiffers, PoolUnwell."""
    state = await ask(storage.state, StateRequest())
    if state.driver != config.driver:
        raise DriverDiffers(config.driver, state.driver)
    if state.pool.problem is not None:
        raise PoolUnwell(state.pool)
    return f"{state.pool.kind} pool at {state.pool.path}, {state.pool.free_bytes // 2**20} MiB free"


async def check_front(config: DeviceConfig) -> str:
    """Return Caddy's version. Raises ProgramMissing, CaddyTooOld."""
    printed = (await process.run_async(caddy.version(config.caddy), deadline_seconds=20)).text
    caddy.check_version(printed)
    return printed.split()[0]


async def doctor(config: DeviceConfig, engine: Engine, storage: Storage) -> str:
    """Run every check and return one line for each: what is so, or what is wrong and what to do."""

    async def check_storage_here() -> str:
        return await check_storage(config, storage)

    async def check_front_here() -> str:
        return await check_front(config)

    lines = [
        await _line("engine", lambda: check_engine(engine)),
        await _line("compose", lambda: check_compose(engine)),
        await _line("storage", check_storage_here),
    ]
    if config.front:
        lines.append(await _line("LAN front", check_front_here))
    return "\n".join(lines)


async def _line(what: str, check: Callable[[], Awaitable[str]]) -> str:
    try:
        return f"ok       {what}: {await check()}"
    except MosaicError as error:
        return f"problem  {what}: {error.message}\n         {error.hint}"


async def _wait_for_storage(config: DeviceConfig, storage: Storage) -> None:
    """Both are often started at once; the daemon may be making its pool."""
    deadline = anyio.current_time() + STORAGE_WAIT_SECONDS
    while True:
        try:
            await check_storage(config, storage)
        except (DriverDiffers, PoolUnwell):
            raise
        except MosaicError:
            if anyio.current_time() > deadline:
                raise
            await anyio.sleep(0.1)
        else:
            return
