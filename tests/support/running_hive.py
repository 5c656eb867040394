"""A real Hive on a free port of loopback, in a thread of the test's process, and its owner."""

import asyncio
import contextlib
import hashlib
import secrets
import socket
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TypedDict, TypeVar, Unpack
from unittest import mock

import uvicorn.server
from litestar import Litestar
from litestar.exceptions import LitestarDeprecationWarning

from mosaic.adapters.api_client import HiveClient
from mosaic.adapters.clock import Clock
from mosaic.core.ids import AccountId
from mosaic.crypto import account as account_keys
from mosaic.crypto import admission, envelope
from mosaic.crypto.account import Made, root_id_of
from mosaic.hive import serve
from mosaic.hive.app import attach, build
from mosaic.hive.config import HiveConfig, OwnGateway
from mosaic.hive.runtime import Hive
from mosaic.wire.account import NewAccountKeys
from mosaic.wire.api import (
    Admit,
    CatalogApp,
    Device,
    Event,
    Install,
    Installation,
    LoggedIn,
    Move,
    RestoreFromTrash,
    Setup,
    TrashEntry,
    Volume,
)  # fmt: skip
from mosaic.wire.approval import Approval
from mosaic.wire.enrol import JoinToken, NewJoinToken
from mosaic.wire.grants import PolicyGrant
from support.manual_clock import ManualClock
from support.migrated import write_migrated

T = TypeVar("T")
_LOOK_SECONDS = 0.005
PASSWORD = "correct horse"
PASSPHRASE = "abandon ability able about above absent"
SETUP_CODE = "aaaa-bbbb-cccc"
COMPOSE = """\
x-mosaic:
  title: Notes
  summary: A small app.
services:
  web:
    image: notes:1
"""


@cache
def made_keys() -> Made:
    """An account's keys, made once: the price of Argon2id is paid once a test run."""
    return account_keys.make(PASSPHRASE)


def write_app(catalog: Path, name: str = "notes", compose: str = COMPOSE) -> Path:
    """Write an app into a catalog folder and return its folder."""
    folder = catalog / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "docker-compose.yml").write_text(compose)
    return folder


_APPS: list[Litestar] = []
"""Applications that serve nobody at the moment. Building one takes longer than most tests."""


def _build() -> Litestar:
    with warnings.catch_warnings():
        # The Console's handlers name their dependencies in the older way.
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        return build()


class _Server(serve.Server):
    """Ends as soon as its connections have: the inherited one looks ten times a second, first after a tenth."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hasty = SimpleNamespace(**{**vars(asyncio), "sleep": lambda _: asyncio.sleep(_LOOK_SECONDS)})
        with mock.patch.object(uvicorn.server, "asyncio", hasty):
            await super().shutdown(sockets)


class RunningHive:
    """One run of a Hive. `stop` and `start` again what is in the same state folder."""

    def __init__(self, config: HiveConfig, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.url = ""
        self.hive: Hive | None = None
        self._app: Litestar | None = None
        self._server: serve.Server | None = None
        self._thread: threading.Thread | None = None
        self._clients: dict[str, HiveClient] = {}
        self._failed: list[BaseException] = []

    def start(self) -> None:
        """Start it, and return when it answers."""
        ready = threading.Event()

        async def run() -> None:
            with serve.listening(self.config) as listener:
                address = serve.address_of(self.config, listener.getsockname()[1], None)
                async with serve.running(self.config, address, clock=self.clock) as hive:
                    self.url, self.hive = address.url, hive
                    self._app = _APPS.pop() if _APPS else _build()
                    self._server = _Server(serve.uvicorn_config(attach(self._app, hive), self.config, None), hive)
                    self._loop = asyncio.get_running_loop()
                    listener.listen()
                    ready.set()
                    await self._server.serve(sockets=[listener])

        def thread() -> None:
            try:
                asyncio.run(run())
            except BaseException as error:  # raised where the Hive is started, or stopped
                self._failed.append(error)
                ready.set()

        self._thread = threading.Thread(target=thread, daemon=True)
        self._thread.start()
        assert ready.wait(60)
        self._raise_what_failed()

    def stop(self) -> None:
        """Stop it."""
        if self._server is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._server.stop)
            self._thread.join(60)
            assert not self._thread.is_alive()
            self._server = self._thread = None

        if self._app is not None:
            _APPS.append(self._app)
            self._app = None
        for client in self._clients.values():
            client.__exit__(None, None, None)
        self._clients = {}
        self._raise_what_failed()

    def _raise_what_failed(self) -> None:
        if self._failed:
            raise self._failed.pop()

    def ask(self, question: Callable[[Hive], Coroutine[None, None, T]]) -> T:
        """Ask the Hive itself, in its own loop."""
        assert self.hive is not None
        return asyncio.run_coroutine_threadsafe(question(self.hive), self._loop).result(20)

    def client_of(self, token: str) -> HiveClient:
        """Return the open client with this token."""
        if token not in self._clients:
            self._clients[token] = HiveClient(self.url, token=token)
        return self._clients[token]

    def set_up(self) -> "Owner":
        """Make the account, with its passphrase set."""
        made = made_keys()
        with HiveClient(self.url) as client:
            wish = Setup(SETUP_CODE, "ada", PASSWORD, made.new)
            logged_in = client.send("POST", "/api/setup", wish, LoggedIn)
        return Owner(self, logged_in)


class InstallWish(TypedDict, total=False):
    """What `Install` says beside the app."""

    name: str
    device: str
    config: dict[str, str]
    dry_run: bool
    grant: PolicyGrant
    approval: Approval


class RestoreWish(TypedDict, total=False):
    """What `RestoreFromTrash` says."""

    device: str | None
    name: str | None
    force: bool
    lose_seconds: float | None


class MoveWish(TypedDict, total=False):
    """What `Move` says beside where to."""

    force: bool
    lose_seconds: float | None


@dataclass
class Owner:
    """Who has the account: asks the API, and signs with the owner's key."""

    hive: RunningHive
    logged_in: LoggedIn

    @property
    def keys(self) -> NewAccountKeys:
        return made_keys().new

    @contextlib.contextmanager
    def client(self) -> Iterator[HiveClient]:
        """The owner's client, kept open: making one reads all the authorities of the machine."""
        yield self.hive.client_of(self.logged_in.token)

    def join_token(self, name: str = "", *, admitted: bool = True) -> JoinToken:
        """Make a join token; one that carries the admission unless told otherwise."""
        secret = secrets.token_urlsafe(24)
        hashed = hashlib.sha256(secret.encode()).hexdigest()
        seed = made_keys().opened.owner_seed
        signed = admission.admit(seed, account=self.logged_in.account, subject=hashed) if admitted else None
        with self.client() as client:
            client.order("POST", "/api/devices/join-tokens", NewJoinToken(hashed, name, signed))
            key = client.identity().key
        fingerprint = hashlib.sha256(bytes.fromhex(key)).hexdigest()
        return JoinToken(self.hive.url, fingerprint, secret, name)

    def admit(self, device: str) -> Device:
        """Admit a Device by its id or name, and wrap the root key to it."""
        opened = made_keys().opened
        with self.client() as client:
            found = client.get(f"/api/devices/{device}", Device)
            signed = admission.admit(opened.owner_seed, account=self.logged_in.account, subject=found.device)
            root = envelope.wrap_root_for_device(
                opened.root, wrapping_key=found.wrapping_key, owner_seed=opened.owner_seed
            )
            admit = Admit(signed, root, root_id_of(opened.root))
            return client.send("POST", f"/api/devices/{device}/admit", admit, Device)

    def devices(self) -> list[Device]:
        with self.client() as client:
            return client.get("/api/devices", list[Device])

    def catalog(self) -> list[CatalogApp]:
        with self.client() as client:
            return client.get("/api/catalog", list[CatalogApp])

    def install(self, app: str = "notes", **wish: Unpack[InstallWish]) -> Installation:
        """Install an app."""
        with self.client() as client:
            return client.send("POST", "/api/installations", Install(app, **wish), Installation)

    def installation(self, name: str = "notes") -> Installation:
        with self.client() as client:
            return client.get(f"/api/installations/{name}", Installation)

    def do(self, verb: str, name: str = "notes") -> Installation:
        """Start, stop or restart it, or cancel its move."""
        with self.client() as client:
            return client.send("POST", f"/api/installations/{name}/{verb}", None, Installation)

    def move(self, to: str, name: str = "notes", **wish: Unpack[MoveWish]) -> Installation:
        """Begin a move."""
        with self.client() as client:
            return client.send("POST", f"/api/installations/{name}/move", Move(to, **wish), Installation)

    def uninstall(self, name: str = "notes") -> TrashEntry:
        with self.client() as client:
            return client.send("DELETE", f"/api/installations/{name}", None, TrashEntry)

    def trash(self) -> list[TrashEntry]:
        with self.client() as client:
            return client.get("/api/trash", list[TrashEntry])

    def restore(self, installation: str, **wish: Unpack[RestoreWish]) -> Installation:
        """Bring it back from the trash."""
        with self.client() as client:
            body = RestoreFromTrash(**wish)
            return client.send("POST", f"/api/trash/{installation}/restore", body, Installation)

    def volumes(self) -> list[Volume]:
        with self.client() as client:
            return client.get("/api/volumes", list[Volume])

    def happened(self) -> list[Event]:
        """Return the account's newest events, from the database."""
        from mosaic.adapters.sql import events
        from mosaic.adapters.sql.engine import open_sqlite

        database = open_sqlite(self.hive.config.state / "hive.db")
        with contextlib.closing(database), database.read() as tx:
            return events.after(tx, AccountId(self.logged_in.account), 0, limit=10_000)


@contextlib.contextmanager
def running_hive(
    folder: Path,
    *,
    clock: Clock | None = None,
    database_url: str | None = None,
    resolvers: tuple[str, ...] = (),
    own_gateway: OwnGateway | None = None,
    port: int = 0,
) -> Iterator[RunningHive]:
    """A Hive with one app in its catalog, that is stopped at the end. Without `clock` time stands still at noon.

    Started again it is elsewhere, unless it has a port.
    """
    write_app(folder / "catalog")
    config = HiveConfig(
        state=folder / "hive",
        machine="the-hive's-machine",
        port=port,
        catalogs=(folder / "catalog",),
        setup_code=SETUP_CODE,
        database_url=database_url,
        resolvers=resolvers,
        own_gateway=own_gateway,
    )
    if database_url is None:
        write_migrated(config.state / "hive.db")
    running = RunningHive(config, clock or ManualClock())
    running.start()
    try:
        yield running
    finally:
        running.stop()
