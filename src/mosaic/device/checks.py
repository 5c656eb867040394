"""What a Device needs of its machine: one list of small checks, each a true sentence or what is wrong and the remedy.

A start ends with the first required check that does not hold; the others are
said, and the Device works as well as it can. `mosaic doctor`, the Console and
`mosaic device doctor` make the same checks at any time. They look only.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from mosaic.adapters import caddy, log, process
from mosaic.adapters.caddy import Caddy, CaddySilent
from mosaic.adapters.caddy_https import SERVER
from mosaic.adapters.clock import Clock
from mosaic.adapters.process import CommandFailed
from mosaic.core.engine_floor import ComposeMissing, require_compose, require_engine
from mosaic.core.errors import MosaicError, Refused
from mosaic.device import machine_checks
from mosaic.device.config import DEFAULT_ENGINE, DeviceConfig
from mosaic.device.front_folder import FrontEnded, FrontFolder
from mosaic.device.hive_check import HiveAddress, check_clock, check_way
from mosaic.device.outside import Engine, Storage, ask
from mosaic.wire.storage import PoolState, StateRequest

STORAGE_WAIT_SECONDS = 60.0
FRONT_WAIT_SECONDS = 5.0


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
class Check:
    """`look` returns a sentence about what is so, or raises a MosaicError with the remedy."""

    name: str
    look: Callable[[], Awaitable[str]]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `hint` is empty when it holds."""

    name: str
    held: bool
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What the checks found out on their way."""

    engine_version: str


def all_checks(
    config: DeviceConfig, engine: Engine, storage: Storage | None, hive: HiveAddress | None, clock: Clock
) -> list[Check]:
    """Return every check that applies. Without a storage daemon here, or a Hive, theirs do not."""
    checks = [
        *_engine_checks(config, engine),
        Check("compose", lambda: check_compose(engine), required=True),
        Check("btrfs", lambda: ask(machine_checks.check_btrfs)),
        Check("overlay", lambda: ask(machine_checks.check_overlay)),
        Check("disk space", lambda: _check_room(config, engine)),
    ]
    if storage is not None:
        checks += [
            Check("storage", lambda: check_storage(config, storage), required=True),
            Check("volume driver", lambda: ask(machine_checks.check_driver, config.driver, config.plugins)),
            Check("freezer", lambda: _check_freezer(storage)),
        ]
    if storage is not None and config.front is not None:
        checks.append(Check("LAN front", partial(check_front, FrontFolder(config.front), config.caddy)))
    if hive is not None:
        checks += [Check("way to the Hive", lambda: check_way(hive)), Check("clock", lambda: check_clock(hive, clock))]
    return checks


def _engine_checks(config: DeviceConfig, engine: Engine) -> list[Check]:
    """Return the checks of every engine that this Device has to do with: in isolated mode there are two."""
    if config.lent_ports is None:
        return [Check("engine", lambda: check_engine(engine), required=True)]
    # Not at the top: most Devices have no need of them.
    from mosaic.adapters.docker.engine import DockerEngine
    from mosaic.device.engine_keeping import check_container

    machines, container = DockerEngine(DEFAULT_ENGINE), config.own_engine
    checks = [
        Check("own engine", lambda: check_engine(engine), required=True),
        Check("machine's engine", lambda: check_engine(machines)),
    ]
    if container is not None:
        checks.append(Check("own engine's container", lambda: check_container(container)))
    return checks


async def require(config: DeviceConfig, engine: Engine, storage: Storage) -> Found:
    """Return when the Device can work.

    Raises:
        MosaicError: what is missing, with its remedy. A storage daemon that is just starting is waited for.
    """
    version = await check_engine(engine)
    await check_compose(engine)
    await _wait_for_storage(config, storage)
    return Found(version)


async def make(checks: Sequence[Check]) -> list[Checked]:
    """Make the checks beside one another, and return what each found, in their order."""
    found: dict[str, Checked] = {}

    async def one(check: Check) -> None:
        found[check.name] = await _made(check)

    async with anyio.create_task_group() as tasks:
        for check in checks:
            tasks.start_soon(one, check)
    return [found[check.name] for check in checks]


async def say(checks: Sequence[Check]) -> None:
    """Make those that no start waits for, and log what they found."""
    for one in await make([check for check in checks if not check.required]):
        if one.held:
            log.info("check_held", check=one.name, found=one.detail)
        else:
            log.warning("check_failed", check=one.name, reason=one.detail, hint=one.hint)


def lines(found: Sequence[Checked]) -> str:
    """Return one line for each check, and its remedy beneath where there is one."""
    width = max((len(one.name) for one in found), default=0) + 2
    said = [f"{'✓' if one.held else '✗'} {one.name + ':':<{width}}{one.detail}" for one in found]
    return "\n".join(f"{line}\n  {one.hint}" if one.hint else line for line, one in zip(said, found, strict=True))


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
    count = len(state.volumes)
    held = "1 volume" if count == 1 else f"{count} volumes"
    kind = " in plain folders" if state.pool.kind == "folders" else ""
    return f"{held}{kind} at {state.pool.path}, {machine_checks.gibibytes(state.pool.free_bytes)} of the pool free"


async def check_front(place: FrontFolder, binary: str) -> str:
    """Return a sentence about the front. Raises CaddySilent, or why: FrontEnded, ProgramMissing, CaddyTooOld."""
    try:
        port = await _front_port(place)
    except CaddySilent:
        if place.is_ended:
            raise FrontEnded from None
        caddy.check_version((await process.run_async(caddy.version(binary), deadline_seconds=20)).text)
        raise
    if port is None:
        return "Caddy answers, and no Device has told it a port"
    secure = await ask(Caddy(place.admin).port, SERVER)
    return f"Caddy answers at port {port}" + (f", and by HTTPS at {secure}" if secure is not None else "")


async def _front_port(place: FrontFolder) -> int | None:
    """One that has just ended, or just begins, is waited for: somebody starts it."""
    deadline = anyio.current_time() + FRONT_WAIT_SECONDS
    while True:
        try:
            return await ask(Caddy(place.admin).port)
        except CaddySilent:
            if anyio.current_time() > deadline or place.is_ended:
                raise
            await anyio.sleep(0.1)


async def _check_room(config: DeviceConfig, engine: Engine) -> str:
    folders: list[Path] = [config.state]
    # That it does not answer is the engine's own line.
    with suppress(MosaicError):
        folders.append(await engine.root_folder())
    return await ask(machine_checks.check_room, folders)


async def _check_freezer(storage: Storage) -> str:
    state = await ask(storage.state, StateRequest())
    return await ask(machine_checks.check_freezer, is_needed=state.pool.kind == "folders")


async def _made(check: Check) -> Checked:
    try:
        return Checked(check.name, True, await check.look())
    except MosaicError as error:
        return Checked(check.name, False, error.message, error.hint)
    except OSError as error:
        # No check may end the Device that makes it.
        said = f"this could not be looked at: {error.strerror or error}"
        return Checked(check.name, False, said, "run `mosaic doctor` as root on the machine itself")


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
