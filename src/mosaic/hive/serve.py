"""Running a Hive: open, serve until told to stop, close. Safe to kill at any moment."""

import asyncio
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio
import uvicorn
from litestar import Litestar

from mosaic.adapters import lock_file, log, memory
from mosaic.adapters.clock import Clock, SystemClock
from mosaic.adapters.private_file import write_private
from mosaic.adapters.sql import accounts, migrations
from mosaic.adapters.sql.engine import Database, open_sqlite, open_url
from mosaic.core.errors import MosaicError, Refused
from mosaic.core.rewind import SALT_BITS
from mosaic.hive import (
    backing_up,
    device_upgrading,
    following,
    identity,
    public_front,
    refreshing,
    roll_call,
    scheduler,
    setup_code,
    tls,
)
from mosaic.hive.app import attach, build
from mosaic.hive.channel.socket import MAX_FRAME_BYTES
from mosaic.hive.config import HiveConfig
from mosaic.hive.links import own_gateway, proving, pushing
from mosaic.hive.runtime import Address, Hive
from mosaic.hive.tls import Certificate

_GRACE_SECONDS = 5
_PING_SECONDS = 25.0
_AGAIN_SECONDS = 5.0
_LOOK_SECONDS = 2.0
_CERTIFICATE_SECONDS = 3600.0
_BACKLOG = 512
_STOPS = (signal.SIGTERM, signal.SIGINT)


class PortTaken(Refused):
    """The address cannot be listened on."""

    code = "port-taken"

    def __init__(self, listen: str, port: int, reason: str) -> None:
        super().__init__(
            f"{listen}:{port} cannot be listened on: {reason}",
            hint="another Hive may be running; stop it, or choose another place with `--listen` and `--port`",
        )


class AlreadyRunning(Refused):
    """Another Hive uses the state folder."""

    code = "hive-running"

    def __init__(self, state: str) -> None:
        super().__init__(f"another Hive runs in {state}", hint="use that one, or stop it first")


def serve(config: HiveConfig) -> None:
    """Serve until SIGTERM or SIGINT. Raises what stands in the way of starting, before anything is listened on."""
    memory.prefer_small()
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        lock_file.held(config.state / "lock", lambda: AlreadyRunning(os.fspath(config.state))),
        listening(config) as listener,
    ):
        # One that was killed left its own.
        config.address_file.unlink(missing_ok=True)
        public_front.check(config)
        certificate = tls.certificate_for(config)
        with suppress(asyncio.CancelledError):
            asyncio.run(_serve(config, listener, certificate))


async def _serve(config: HiveConfig, listener: socket.socket, certificate: Certificate | None) -> None:
    _end_while_starting()
    port = listener.getsockname()[1]
    address = address_of(config, port, certificate)
    async with running(config, address) as hive:
        server = Server(uvicorn_config(attach(build(), hive), config, certificate), hive)
        # From here on connections wait for the server instead of being refused.
        listener.listen(_BACKLOG)
        async with public_front.fronting(config, port), anyio.create_task_group() as tasks:
            if certificate is not None:
                tasks.start_soon(_keep_certificate, config, certificate, server.config)
            write_private(config.address_file, f"{local_url(config, port, certificate)}\n".encode())
            log.info("hive_started", url=address.url, term=hive.term)
            try:
                await server.serve(sockets=[listener])
            finally:
                config.address_file.unlink(missing_ok=True)
                tasks.cancel_scope.cancel()
    log.info("hive_stopped")


def _end_while_starting() -> None:
    """Let a stop that is asked before the server takes it over end what was started, a front for one."""
    task = asyncio.current_task()
    if task is not None and threading.current_thread() is threading.main_thread():
        for number in _STOPS:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


@asynccontextmanager
async def running(config: HiveConfig, address: Address, *, clock: Clock | None = None) -> AsyncIterator[Hive]:
    """A Hive whose database is open and whose scheduler runs."""
    database = await anyio.to_thread.run_sync(open_database, config)
    hive: Hive | None = None
    try:
        key = identity.load_or_make(config.state / "hive.key")
        term = await anyio.to_thread.run_sync(_begin, config, database)
        hive = Hive(config, database, clock or SystemClock(), key, term=term, address=address)
        async with anyio.create_task_group() as tasks:
            await hive.in_thread(hive.imports.clear)
            await hive.in_thread(lambda: hive.bundles.clear_abandoned(now=time.time()))
            await roll_call.look(hive)
            await own_gateway.have(hive)
            tasks.start_soon(_keep_scheduling, hive)
            tasks.start_soon(following.keep, hive)
            tasks.start_soon(device_upgrading.keep, hive)
            tasks.start_soon(refreshing.keep, hive)
            tasks.start_soon(pushing.keep, hive)
            tasks.start_soon(proving.keep, hive)
            if config.backup_argv:
                tasks.start_soon(backing_up.keep, hive)
            yield hive
            tasks.cancel_scope.cancel()
    finally:
        if hive is not None:
            hive.stop_asking()
        database.close()


def open_database(config: HiveConfig) -> Database:
    """Open the configured database, with its tables brought up to date."""
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = open_url(config.database_url) if config.database_url else open_sqlite(config.state / "hive.db")
    try:
        migrations.upgrade(database)
    except BaseException:  # raised again; nobody else has the database yet
        database.close()
        raise
    return database


def _begin(config: HiveConfig, database: Database) -> int:
    with database.write() as tx:
        term = scheduler.begin_term(tx, secrets.randbits(SALT_BITS))
        new = accounts.count(tx) == 0
    if new:
        setup_code.offer(config.setup_code_file, config.setup_code)
    else:
        setup_code.withdraw(config.setup_code_file)
    return term


async def _keep_scheduling(hive: Hive) -> None:
    while True:
        try:
            await scheduler.run(hive)
        except MosaicError as error:
            log.warning("scheduler_paused", code=error.code, reason=error.message)
            await anyio.sleep(_AGAIN_SECONDS)


async def _keep_certificate(config: HiveConfig, served: Certificate, server: uvicorn.Config) -> None:
    """Look every hour whether the certificate is another, or has to be."""
    since = served.certificate.stat().st_mtime
    while True:
        await anyio.sleep(_CERTIFICATE_SECONDS)
        try:
            assert server.ssl is not None
            since = await anyio.to_thread.run_sync(tls.renewed, config, served, server.ssl, since)
        except (MosaicError, OSError) as error:
            log.warning("certificate_not_renewed", reason=str(error))


class Server(uvicorn.Server):
    """Uvicorn, which waits at its end for open event streams: they are told first."""

    def __init__(self, config: uvicorn.Config, hive: Hive) -> None:
        super().__init__(config)
        self._hive = hive
        self._told = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait to be told to stop. The inherited loop wakes ten times a second, for a date header that nobody reads."""
        await self.on_tick(0)
        while not self.should_exit:
            with anyio.move_on_after(_LOOK_SECONDS):
                await self._told.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT; unlike the inherited one, let the process end by itself afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in _STOPS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in _STOPS:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Stop accepting, and end what is open."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._told.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hive.closing.set()
        self._hive.news.wake()
        self._hive.connections.end_all()
        await super().shutdown(sockets)


def uvicorn_config(app: Litestar, config: HiveConfig, certificate: Certificate | None) -> uvicorn.Config:
    """Return how the application is served. Only behind its own front is it told by headers who asks, and how."""
    return uvicorn.Config(
        app,
        proxy_headers=config.acme is not None,
        forwarded_allow_ips="127.0.0.1",
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        ws_ping_interval=_PING_SECONDS,
        ws_ping_timeout=_PING_SECONDS,
        ssl_certfile=str(certificate.certificate) if certificate else None,
        ssl_keyfile=str(certificate.key) if certificate else None,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=30,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        lifespan="off",
    )


def address_of(config: HiveConfig, port: int, certificate: Certificate | None) -> Address:
    """Return how people and Devices reach the Hive."""
    url = config.url or local_url(config, port, certificate)
    return Address(url.rstrip("/"), certificate.ca_pem if certificate else None)


def local_url(config: HiveConfig, port: int, certificate: Certificate | None) -> str:
    """Return how this machine reaches the Hive."""
    anywhere = config.own_listen in ("0.0.0.0", "::")  # noqa: S104 (compared, not bound)
    host = "localhost" if anywhere else config.own_listen
    return f"{'https' if certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def listening(config: HiveConfig) -> socket.socket:
    """Return a socket that is bound to the configured address. Raises PortTaken."""
    try:
        family, _, _, _, where = socket.getaddrinfo(config.own_listen, config.port, type=socket.SOCK_STREAM)[0]
        # Named, because asyncio turns off Nagle's delay (40 ms a request) only where the protocol says TCP.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Connections inherit it: one whose other end has lost its power is noticed within three minutes.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 30), (socket.TCP_KEEPCNT, 4)):
                listener.setsockopt(socket.IPPROTO_TCP, option, value)
            listener.bind(where)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise PortTaken(config.own_listen, config.port, error.strerror or str(error)) from error
    return listener
