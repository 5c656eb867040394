"""Gateways with real databases and real HTTP, the Hives that push to them, and links that register."""

import asyncio
import base64
import contextlib
import hashlib
import secrets
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol, TypeVar
from unittest import mock

import httpx2
import msgspec
import uvicorn.server

from mosaic.adapters.clock import Clock
from mosaic.adapters.sql.engine import Database
from mosaic.adapters.sql.gateway import hives
from mosaic.core.ids import LinkId
from mosaic.crypto import hive_requests, signing
from mosaic.crypto.hive_requests import HiveRequest
from mosaic.crypto.tokens import hash_token, new_id
from mosaic.gateway import serve
from mosaic.gateway.config import GatewayConfig
from mosaic.gateway.runtime import Gateway
from mosaic.wire.links import DesiredLink, Leave, LinkStanding, Mode, PublicPort, Register, Registered, TokenHash
from mosaic.wire.problem import Problem
from support.manual_clock import ManualClock
from support.memory_parts import MemoryParts

T = TypeVar("T")
DOMAIN = "apps.example.net"
_LOOK_SECONDS = 0.005


class Refusal(Exception):
    """An answer that is a problem."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(f"{status} {problem.code}: {problem.detail}")
        self.status = status
        self.code = problem.code


class RunningGateway:
    """One gateway in a thread. `stop` ends it well; `kill` has it stop without a word to its group."""

    def __init__(self, config: GatewayConfig, clock: ManualClock, parts: MemoryParts | None = None) -> None:
        self.config = config
        self.clock = clock
        self.parts = parts or MemoryParts()
        self.url = ""
        self.gateway: Gateway | None = None
        self._server: serve.Server | None = None
        self._thread: threading.Thread | None = None
        self._failed: list[BaseException] = []

    def start(self) -> "RunningGateway":
        """Start it, and return when it answers."""
        ready = threading.Event()

        async def run() -> None:
            with serve.listening("127.0.0.1", 0) as listener:
                self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                async with serve.running(self.config, self.parts.parts, clock=self.clock) as gateway:
                    self.gateway = gateway
                    self._server = _Server(serve.uvicorn_config(gateway))
                    self._loop = asyncio.get_running_loop()
                    listener.listen()
                    ready.set()
                    await self._server.serve(sockets=[listener])

        def thread() -> None:
            try:
                asyncio.run(run())
            except BaseException as error:  # raised where it is started, or stopped
                self._failed.append(error)
                ready.set()

        self._thread = threading.Thread(target=thread, daemon=True)
        self._thread.start()
        assert ready.wait(60)
        self._raise_what_failed()
        return self

    def stop(self) -> None:
        """Stop it."""
        if self._server is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._server.stop)
            self._thread.join(60)
            assert not self._thread.is_alive()
            self._server = self._thread = None
        self._raise_what_failed()

    def kill(self) -> None:
        """End it without its last words: what it would have written at its end is not."""
        assert self.gateway is not None
        agent = self.gateway.agent
        with mock.patch.object(agent, "give_up"), mock.patch.object(agent, "remember"):
            self.stop()

    def do(self, what: Callable[[Gateway], Coroutine[None, None, T]]) -> T:
        """Ask the gateway itself, in its own loop."""
        assert self.gateway is not None
        return asyncio.run_coroutine_threadsafe(what(self.gateway), self._loop).result(30)

    @property
    def running(self) -> Gateway:
        assert self.gateway is not None
        return self.gateway

    def probe(self, registration: str) -> int:
        """Ask as a link does through its tunnel."""
        where = f"http://127.0.0.1:{self.running.probe_port}/probe/{registration}"
        return httpx2.get(where, trust_env=False).status_code

    def _raise_what_failed(self) -> None:
        if self._failed:
            raise self._failed.pop()


class _Server(serve.Server):
    """Asks often whether it is over, because tests wait for it."""

    async def main_loop(self) -> None:
        while not self.should_exit:
            await asyncio.sleep(_LOOK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        hasty = SimpleNamespace(**{**vars(asyncio), "sleep": lambda _: asyncio.sleep(_LOOK_SECONDS)})
        with mock.patch.object(uvicorn.server, "asyncio", hasty):
            await super().shutdown(sockets)


class HasUrl(Protocol):
    """A gateway, wherever it runs."""

    @property
    def url(self) -> str:
        """Where its API is."""


@dataclass
class PushingHive:
    """A Hive with its key, and what it pushed."""

    clock: Clock
    seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def key(self) -> str:
        return signing.public_key(self.seed)

    def allow(self, database: Database, *domains: str, vouches: bool = True) -> None:
        """Be allowed by the operator."""
        with database.write() as tx:
            hives.allow(tx, self.key, domains, vouches=vouches, now_ns=self.clock.wall_ns())

    def ask(self, at: HasUrl, method: str, path: str, body: msgspec.Struct | None = None) -> bytes:
        """Send a signed request and return the answer's body. Raises Refusal."""
        content = msgspec.json.encode(body) if body is not None else b""
        return self.send(at, HiveRequest(method, path, content), self.headers(method, path, content))

    def headers(self, method: str, path: str, content: bytes = b"", gateway: str = "127.0.0.1") -> dict[str, str]:
        """Sign a request."""
        now = self.clock.wall_ns() // 10**9
        return hive_requests.sign(self.seed, HiveRequest(method, path, content, gateway), now_seconds=now)

    def send(self, at: HasUrl, request: HiveRequest, headers: dict[str, str]) -> bytes:
        """Send what was signed, perhaps for something else."""
        return send(at, request.method, request.path, request.body, headers)

    def push(self, at: HasUrl, link: "MadeLink", **changes: object) -> LinkStanding:
        """Push what is wanted of a link, as its next revision."""
        link.wanted = msgspec.structs.replace(link.wanted, revision=link.wanted.revision + 1, **changes)
        return self.push_again(at, link)

    def push_again(self, at: HasUrl, link: "MadeLink") -> LinkStanding:
        """Push the same."""
        return msgspec.json.decode(self.ask(at, "PUT", f"/v1/links/{link.id}", link.wanted), type=LinkStanding)

    def remove(self, at: HasUrl, link: "MadeLink") -> None:
        self.ask(at, "DELETE", f"/v1/links/{link.id}")

    def links(self, at: HasUrl) -> list[LinkStanding]:
        return msgspec.json.decode(self.ask(at, "GET", "/v1/links"), type=list[LinkStanding])


@dataclass
class MadeLink:
    """A link as its Hive and Device know it. `secret` is that of its newest token."""

    wanted: DesiredLink
    secret: str
    id: LinkId = field(default_factory=lambda: LinkId(new_id()))

    @property
    def token(self) -> str:
        return f"lk_{self.id}_{self.secret}"


@dataclass
class Session:
    """One start of a link's container."""

    link: MadeLink
    token: str
    session: str = field(default_factory=lambda: secrets.token_hex(16))
    key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    epoch: str = "1.1"
    mode: Mode = "userspace"

    def register(self, at: HasUrl, *names: str) -> Registered:
        """Register. Raises Refusal."""
        key = None if self.mode == "tcp" else self.key
        body = Register(self.session, self.epoch, self.mode, "1", key, list(names))
        return msgspec.json.decode(self._post(at, "register", body), type=Registered)

    def leave(self, at: HasUrl, registration: str) -> None:
        self._post(at, "leave", Leave(registration))

    def _post(self, at: HasUrl, verb: str, body: msgspec.Struct) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return send(at, "POST", f"/v1/links/{verb}", msgspec.json.encode(body), headers)


def make_link(*names: str, ports: list[PublicPort] | None = None) -> MadeLink:
    """A link that was not pushed yet."""
    secret = secrets.token_hex(32)
    return MadeLink(DesiredLink(0, "ada", list(names), [TokenHash(hash_token(secret))], "0.0", ports or []), secret)


def start(link: MadeLink, **how: object) -> Session:
    """Start a link's container with its newest token."""
    session = Session(link, link.token)
    for name, value in how.items():
        setattr(session, name, value)
    return session


def send(at: HasUrl, method: str, path: str, content: bytes, headers: dict[str, str]) -> bytes:
    """Ask by HTTP. Raises Refusal."""
    answer = httpx2.request(
        method, f"{at.url}{path}", content=content, headers={"Content-Type": "application/json", **headers},
        trust_env=False, timeout=60, verify=not at.url.startswith("https:"),  # nobody vouches for an address
    )  # fmt: skip
    if answer.is_success:
        return answer.content
    raise Refusal(answer.status_code, msgspec.json.decode(answer.content, type=Problem))


def config_of(folder: Path, name: str = "one", *, database_url: str | None = None) -> GatewayConfig:
    """Return how a test's gateway is set up."""
    key = base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()
    return GatewayConfig(
        state=folder / name,
        name=name,
        host=f"{name}.gw.example.net",
        target="gw.example.net",
        addresses=(f"198.51.100.{len(name)}",),
        database_url=database_url or f"sqlite:///{folder}/group.db",
        probe_listen="127.0.0.1",
        probe_port=0,
        endpoint=f"{name}.gw.example.net:51820",
        public_key=key,
        tunnel=(f"tcp://{name}.gw.example.net:8942",),
    )


@contextlib.contextmanager
def running_gateway(
    config: GatewayConfig, clock: ManualClock, parts: MemoryParts | None = None
) -> Iterator[RunningGateway]:
    """A gateway that is stopped at the end."""
    running = RunningGateway(config, clock, parts)
    running.start()
    try:
        yield running
    finally:
        running.stop()
