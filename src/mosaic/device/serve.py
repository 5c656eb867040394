"""Running a Device until it is told to stop."""

import random
import secrets
import signal
from functools import partial

import anyio
from anyio import to_thread

from mosaic.adapters import lock_file, log, memory
from mosaic.adapters.clock import SystemClock
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.adapters.storage_client import StorageClient
from mosaic.core.errors import MosaicError, Refused
from mosaic.core.ids import SessionId
from mosaic.core.session import SessionSuperseded
from mosaic.device import checks, identity
from mosaic.device.config import DeviceConfig
from mosaic.device.device import Device
from mosaic.device.upgrading.form import Preparer

_THREADS = 12


class AlreadyRunning(Refused):
    """Another process runs from this state folder."""

    code = "device-already-running"

    def __init__(self, config: DeviceConfig) -> None:
        super().__init__(
            f"a Device already runs from {config.state}",
            hint="stop it first, or give the second Device a state folder of its own with `--state`",
        )


def serve(config: DeviceConfig, *, preparer: Preparer | None = None) -> None:
    """Run the Device until SIGTERM or SIGINT, then return. Apps keep running.

    `preparer` brings other versions of the Device here; without one it is not upgraded by itself.

    Raises:
        NotEnrolled: the state folder has no identity; `mosaic.device.enrol.enrol` makes one.
        AlreadyRunning: another process runs from the state folder.
        SessionSuperseded: a newer process with this identity talks to the Hive; our apps were stopped.
        TurnedAway: the Device was removed from its account.
        MosaicError: a start-up check failed, with its remedy.
    """
    memory.prefer_small()
    found = identity.load(config.identity)
    with lock_file.held(config.state / "device.lock", lambda: AlreadyRunning(config)):
        # Errors leave the event loop as a value: out of its task groups they would come wrapped.
        ended = anyio.run(partial(_serve, config, found, preparer))
    if ended is not None:
        raise ended


async def _serve(config: DeviceConfig, found: identity.Identity, preparer: Preparer | None) -> MosaicError | None:
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    engine, storage = DockerEngine(config.engine), StorageClient(config.storage_socket)
    ending: list[MosaicError] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
        tasks.start_soon(_stay_small)
        try:
            checked = await checks.require(config, engine, storage)
            device = Device(
                config,
                found,
                SessionId(secrets.token_hex(16)),
                engine=engine,
                storage=storage,
                clock=SystemClock(),
                draw=random.random,
                engine_version=checked.engine_version,
                preparer=preparer,
            )
            log.info("device_started", device=found.device, name=found.name, engine=checked.engine_version)
            await device.run()
        except MosaicError as error:
            ending.append(error)
            level = log.error if isinstance(error, SessionSuperseded) else log.warning
            level("device_ends", code=error.code, reason=error.message, hint=error.hint)
        tasks.cancel_scope.cancel()
    log.info("device_stopped")
    return ending[0] if ending else None


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("device_stopping", signal=signal.Signals(number).name)
            scope.cancel()
            return


async def _stay_small() -> None:
    """Let go of what the start or a task ran through, once it is over."""
    thrift = memory.Thrift()
    while True:
        await anyio.sleep(memory.LOOK_SECONDS)
        thrift.look()
