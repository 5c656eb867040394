"""Running the storage daemon: `mosaic storage serve`.

It outlives the Device, and a restart of it disturbs no running container. It
is ready when the control socket answers.
"""

import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from mosaic.adapters import lock_file, readiness, signals
from mosaic.adapters.clock import Clock, SystemClock
from mosaic.adapters.memory import LOOK_SECONDS, Thrift
from mosaic.core.errors import Conflict, MosaicError, Refused
from mosaic.storage import control, docker_volumes, driver_spec, log, memory, plugin
from mosaic.storage.books import Books
from mosaic.storage.config import StorageConfig
from mosaic.storage.daemon import Daemon
from mosaic.storage.pool import Pool, open_pool
from mosaic.storage.unix_http import UnixServer
from mosaic.storage.upstreams import Upstreams
from mosaic.wire.plugin import CONTENT_TYPE

_STOP_SECONDS = 5.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class AlreadyRunning(Conflict):
    """Another daemon uses the state folder."""

    code = "storage-already-running"

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"another storage daemon uses {state}", hint="stop it first, or choose another folder with `--state`"
        )


class StateMissing(Refused):
    """The state folder does not exist."""

    code = "state-missing"

    def __init__(self, state: Path) -> None:
        super().__init__(f"there is no folder {state}", hint=f"make it: mkdir -p {state}")


def serve(config: StorageConfig) -> None:
    """Serve until SIGTERM or SIGINT; call it in the main thread. May be killed at any time.

    Raises:
        AlreadyRunning: the state folder is in use.
        Refused: the pool cannot be opened; the message says why and what to do.
    """
    memory.prefer_small()
    with signals.woken_by(signal.SIGTERM, signal.SIGINT) as told, serving(config):
        readiness.tell_ready()
        _wait(told)


def _wait(told: socket.socket) -> None:
    """Return at the first signal. What a start or a transfer ran through is let go of meanwhile."""
    thrift = Thrift()
    told.settimeout(LOOK_SECONDS)
    while True:
        try:
            told.recv(1)
        except TimeoutError:
            thrift.look()
        else:
            return


@contextlib.contextmanager
def serving(config: StorageConfig, *, boot: str | None = None, clock: Clock | None = None) -> Iterator[Daemon]:
    """Serve while the block runs. `boot` names this boot of the machine; None asks the kernel. `clock` tells nights."""
    if not config.state.is_dir():
        raise StateMissing(config.state)
    with contextlib.ExitStack() as opened:
        opened.enter_context(lock_file.held(config.state / "storage.lock", lambda: AlreadyRunning(config.state)))
        books = Books(config.state / "storage.db")
        opened.callback(books.close)
        pool = open_pool(config)
        boot = boot or _BOOT_ID.read_text().strip()
        daemon = Daemon(config, books, pool, Upstreams(books.upstream()), boot, clock=clock or SystemClock())
        opened.callback(_close_unused, daemon, pool)
        if books.boot() != boot:
            docker_volumes.forget_mounts(daemon)
            books.put_boot(boot)
        daemon.recover()
        opened.callback(daemon.stop, _STOP_SECONDS)
        engine = UnixServer(config.plugin_socket, plugin.routes(daemon), content_type=CONTENT_TYPE)
        device = UnixServer(config.control_socket, control.routes(daemon), content_type="application/json")
        for server in (engine, device):
            server.start()
            opened.callback(server.stop)
        if config.specs is not None:
            driver_spec.tell(config.specs, config.driver)
        if books.shared.items():
            # Loaded only where something is shared.
            from mosaic.storage.stores.sharing import resume

            resume(daemon)
        log.info("storage_started", driver=config.driver, pool=str(pool.path), volumes=len(daemon.volumes))
        yield daemon
    log.info("storage_stopped", driver=config.driver)


def _close_unused(daemon: Daemon, pool: Pool) -> None:
    """Unmount the pool when no container can be using it."""
    if any(docker.mount_ids for docker in docker_volumes.every(daemon)):
        return
    try:
        pool.close()
    except (MosaicError, OSError) as error:
        # Somebody looks into it, with a shell for instance. The next start adopts the mount.
        log.info("pool_left_mounted", reason=str(error))
