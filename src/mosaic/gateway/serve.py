"""Running a gateway: open, serve until told to stop, close. Safe to kill at any moment.

Router and tunnels are opened by the caller, who holds `alone`. The API listens
only when all routes are there again.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import uvicorn

from mosaic import __version__
from mosaic.adapters import lock_file, log
from mosaic.adapters.clock import Clock, SystemClock
from mosaic.adapters.long_lived import LOOK_SECONDS, LongLived
from mosaic.adapters.small_http import answering
from mosaic.adapters.sql.engine import Database, Tx, open_sqlite, open_url
from mosaic.adapters.sql.gateway import changes, gateways, migrations, numbers
from mosaic.adapters.sql.gateway.changes import Changes
from mosaic.adapters.sql.gateway.gateways import GatewayAddresses
from mosaic.core.errors import MosaicError, Refused
from mosaic.gateway import metrics
from mosaic.gateway.api import build
from mosaic.gateway.config import GatewayConfig
from mosaic.gateway.parts import Parts
from mosaic.gateway.runtime import Gateway

BEAT_SECONDS = 3.0
HEAL_SECONDS = 30.0
REMEMBER_SECONDS = 60.0
SETTLE_SECONDS = 1.0
GIVE_WAY_SECONDS = 1.0
METRICS_SECONDS = 10.0
_RENEWED_SECONDS = 0.5
_SWITCH_SECONDS = 0.0002
"""While all is compared, a push waits this long at each of its statements for Python's lock; 5 ms are the default.

Beside ten thousand links 1 in 100 pushes took longer than 45 ms with 1 ms, and 30 with this; bulk is as fast.
"""
_AGAIN_SECONDS = 1.0
_WATCH_SECONDS = 1.0
_GRACE_SECONDS = 5
_BACKLOG = 512
_FREEBIND = 15  # IP_FREEBIND of ip(7), which Python's socket does not name
_PROBE = "/probe/"
STOPS = (signal.SIGTERM, signal.SIGINT)


class GatewayAddressTaken(Refused):
    """The address cannot be listened on."""

    code = "gateway-address-taken"

    def __init__(self, listen: str, port: int, reason: str) -> None:
        super().__init__(
            f"{listen}:{port} cannot be listened on: {reason}",
            hint="another gateway may be running; stop it, or choose another place, see `mosaic gateway serve --help`",
        )


class GatewayRunning(Refused):
    """Another gateway uses the state folder."""

    code = "gateway-running"

    def __init__(self, state: str) -> None:
        super().__init__(f"another gateway runs in {state}", hint="use that one, or stop it first")


def serve(config: GatewayConfig, parts: Parts, is_stopped: Callable[[], bool] = lambda: False) -> None:
    """Serve until SIGTERM or SIGINT, or not at all if one came already. Raises what stands in the way of starting."""
    with listening(config.listen, config.port) as listener, contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(config, parts, listener, is_stopped))
    log.info("gateway_stopped", name=config.name)


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Have the state folder while the block runs, router and tunnels with it. Raises GatewayRunning."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_file.held(state / "lock", lambda: GatewayRunning(os.fspath(state))):
        yield


async def _serve(config: GatewayConfig, parts: Parts, listener: socket.socket, is_stopped: Callable[[], bool]) -> None:
    _cancel_by_signal()
    if is_stopped():
        return
    async with running(config, parts) as gateway, anyio.create_task_group() as tasks:
        server = Server(uvicorn_config(gateway))
        sys.setswitchinterval(_SWITCH_SECONDS)
        spared = LongLived(time.monotonic())
        spared.look(time.monotonic())
        tasks.start_soon(_repeat, gateway, "spare", lambda: spared.look(time.monotonic()), LOOK_SECONDS)
        listener.listen(_BACKLOG)
        log.info("gateway_started", name=config.name, port=listener.getsockname()[1], change=gateway.agent.seen)
        await server.serve(sockets=[listener])
        tasks.cancel_scope.cancel()


def _cancel_by_signal() -> None:
    """Have what is started end by the signals by which it is stopped later, so that what runs beside it ends too."""
    loop, starting = asyncio.get_running_loop(), asyncio.current_task()
    assert starting is not None
    for number in STOPS:
        loop.add_signal_handler(number, starting.cancel)


@asynccontextmanager
async def running(config: GatewayConfig, parts: Parts, *, clock: Clock | None = None) -> AsyncIterator[Gateway]:
    """A gateway that has joined its group, routes all that the database has, and keeps to it while the block runs."""
    database = await anyio.to_thread.run_sync(open_database, config)
    changed = Changes(database)
    try:
        gateway = Gateway(config, database, clock or SystemClock(), parts)
        agent = gateway.agent
        await gateway.in_thread(lambda: join(database, config))
        await gateway.in_thread(agent.beat)
        await gateway.in_thread(agent.heal)
        async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
            await _answer_probes(stack, gateway)
            tasks.start_soon(_watch, gateway, changed)
            tasks.start_soon(_repeat, gateway, "settle", agent.settle, SETTLE_SECONDS)
            tasks.start_soon(_repeat, gateway, "beat", agent.beat, BEAT_SECONDS)
            tasks.start_soon(_repeat, gateway, "give_way", agent.give_way, GIVE_WAY_SECONDS)
            tasks.start_soon(_repeat, gateway, "heal", agent.heal, HEAL_SECONDS)
            tasks.start_soon(_heal_renewed, gateway)
            tasks.start_soon(_repeat, gateway, "remember", agent.remember, REMEMBER_SECONDS)
            if config.metrics_listen is not None:
                await _answer_metrics(stack, tasks, gateway, config.metrics_listen)
            try:
                yield gateway
            finally:
                changed.stop()
                tasks.cancel_scope.cancel()
        for last in (agent.remember, agent.give_up):
            await _try(gateway, "stop", last)
    finally:
        changed.close()
        database.close()


def open_database(config: GatewayConfig) -> Database:
    """Open the group's database, with its tables brought up to date."""
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = open_url(config.database_url) if config.database_url else open_sqlite(config.state / "gateway.db")
    try:
        migrations.upgrade(database)
    except BaseException:  # raised again; nobody else has the database yet
        database.close()
        raise
    return database


def join(database: Database, config: GatewayConfig) -> int:
    """Write how this gateway is reached, and return its number. Raises NetworkDiffers, TooManyGateways."""
    about = GatewayAddresses(
        host=config.host,
        target=config.target or config.host,
        public=f"{config.host}:{config.tls_port}",
        addresses=list(config.addresses),
        endpoint=config.endpoint,
        public_key=config.public_key,
        tunnel=list(config.tunnel),
        version=__version__,
    )
    with database.write() as tx:
        # Two that start at the same moment must not take one number.
        changes.next_change(tx)
        numbers.keep_network(tx, config.network)
        return gateways.join(tx, config.name, about)


def listening(listen: str, port: int) -> socket.socket:
    """Return a socket that is bound, also to an address that is not there yet. Raises GatewayAddressTaken."""
    try:
        family, _, _, _, where = socket.getaddrinfo(listen, port, type=socket.SOCK_STREAM)[0]
        # Named, because asyncio turns off Nagle's delay only where the protocol says TCP.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.IPPROTO_IP, _FREEBIND, 1)
            listener.bind(where)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise GatewayAddressTaken(listen, port, error.strerror or str(error)) from error
    return listener


def uvicorn_config(gateway: Gateway) -> uvicorn.Config:
    """Return how the API is served. Its own HTTPS, which comes from this machine, says who asks."""
    config = gateway.config
    return uvicorn.Config(
        build(gateway),
        proxy_headers=True,
        # Who connects to an address of the machine's own comes from that very address.
        forwarded_allow_ips=["127.0.0.1", "::1", config.listen],
        ws="none",
        ssl_certfile=str(config.certificate) if config.certificate else None,
        ssl_keyfile=str(config.key) if config.key else None,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=30,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        lifespan="off",
    )


class Server(uvicorn.Server):
    """Uvicorn, which lets the process end by itself after a signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT, where this is the main thread."""
        loop = asyncio.get_running_loop()
        try:
            for number in STOPS:
                loop.add_signal_handler(number, self.stop)
        except (RuntimeError, ValueError):
            # In another thread there are no signals.
            yield
            return
        try:
            yield
        finally:
            for number in STOPS:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Stop accepting, and end what is open."""
        self.force_exit = self.should_exit
        self.should_exit = True


async def _answer_probes(stack: AsyncExitStack, gateway: Gateway) -> None:
    config = gateway.config
    number = next(row.number for row in await gateway.read(gateways.every) if row.name == config.name)
    listen = config.probe_listen or config.network.address(number)
    listener = stack.enter_context(listening(listen, config.probe_port))

    def answer(path: str) -> tuple[int, bytes]:
        return gateway.agent.probe(path[len(_PROBE) :]) if path.startswith(_PROBE) else 404, b""

    gateway.probe_port = listener.getsockname()[1]
    await stack.enter_async_context(answering(listener, answer))


async def _answer_metrics(
    stack: AsyncExitStack, tasks: anyio.abc.TaskGroup, gateway: Gateway, where: tuple[str, int]
) -> None:
    listener = stack.enter_context(listening(*where))
    page = b""

    def draw() -> None:
        nonlocal page
        page = metrics.page(gateway.agent, gateway.look(_sums(gateway.clock)))

    await gateway.in_thread(draw)
    gateway.metrics_port = listener.getsockname()[1]
    tasks.start_soon(_repeat, gateway, "metrics", draw, METRICS_SECONDS)
    await stack.enter_async_context(answering(listener, lambda path: (200, page) if path == "/metrics" else (404, b"")))


def _sums(clock: Clock) -> Callable[[Tx], metrics.Sums]:
    return lambda tx: metrics.sums(tx, now_ns=clock.wall_ns())


async def _watch(gateway: Gateway, changed: Changes) -> None:
    """Carry out what other gateways wrote, as soon as they did."""
    while True:
        if not await _try(gateway, "watch", lambda: _follow(gateway, changed)):
            await anyio.sleep(_WATCH_SECONDS)


def _follow(gateway: Gateway, changed: Changes) -> None:
    if changed.wait(gateway.agent.seen, seconds=_WATCH_SECONDS) > gateway.agent.seen:
        gateway.agent.catch_up()


async def _heal_renewed(gateway: Gateway) -> None:
    """Compare all as soon as a router or an interface was started again."""
    renewed = gateway.parts.renewed
    while True:
        await anyio.sleep(_RENEWED_SECONDS)
        if renewed.is_set():
            renewed.clear()
            if not await _try(gateway, "heal", gateway.agent.heal):
                renewed.set()


async def _repeat(gateway: Gateway, what: str, call: Callable[[], object], seconds: float) -> None:
    """Call it that often; what failed is tried again sooner, at first."""
    pause = seconds
    while True:
        await anyio.sleep(pause)
        went_well = await _try(gateway, what, call)
        pause = seconds if went_well else min(seconds, _AGAIN_SECONDS if pause == seconds else pause * 2)


async def _try(gateway: Gateway, what: str, call: Callable[[], object]) -> bool:
    """Return whether it went well. What is routed stays as it is where the database or a part does not answer."""
    try:
        await gateway.in_thread(call)
    except (MosaicError, OSError) as error:
        reason = error.message if isinstance(error, MosaicError) else str(error)
        log.warning("gateway_paused", what=what, reason=reason)
        return False
    return True
