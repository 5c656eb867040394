"""Ten thousand links of one gateway: written into its database as they would be, and pushed to it as a Hive does."""

import base64
import http.client
import json
import secrets
import ssl
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

from mosaic.adapters.clock import SystemClock
from mosaic.adapters.sql.engine import Database
from mosaic.adapters.sql.gateway import changes, hives, schema
from mosaic.core.tunnel_addresses import FIRST_NUMBER
from mosaic.crypto import hive_requests, signing
from mosaic.crypto.hive_requests import HiveRequest
from mosaic.crypto.tokens import hash_token, new_id
from mosaic.gateway import serve
from mosaic.gateway.config import GatewayConfig
from mosaic.gateway.parts import Parts
from mosaic.wire.links import DesiredLink, Register, Registered, TokenHash
from support.gateway_world import RunningGateway
from support.memory_parts import MemoryParts

_AT_ONCE = 1000


@dataclass
class Link:
    """A link as its Hive knows it."""

    id: str
    secret: str
    wanted: DesiredLink


@dataclass
class Hive:
    """A Hive that pushes on one connection."""

    url: str
    seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def push(self, link: Link, **changed: object) -> None:
        """Push the next revision of a link."""
        link.wanted = msgspec.structs.replace(link.wanted, revision=link.wanted.revision + 1, **changed)
        content = msgspec.json.encode(link.wanted)
        path = f"/v1/links/{link.id}"
        host = urlsplit(self.url).hostname or ""
        headers = hive_requests.sign(self.seed, HiveRequest("PUT", path, content, host), now_seconds=int(time.time()))
        self._ask("PUT", path, content, headers)

    def register(self, link: Link, mode: str = "userspace") -> Registered:
        """Register a link's tunnel, as its container would."""
        key = base64.b64encode(secrets.token_bytes(32)).decode() if mode != "tcp" else None
        asked = Register(secrets.token_hex(16), "1.1", mode, "1", key, [])
        content = msgspec.json.encode(asked)
        headers = {"Authorization": f"Bearer lk_{link.id}_{link.secret}"}
        return msgspec.json.decode(self._ask("POST", "/v1/links/register", content, headers), type=Registered)

    def _ask(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> bytes:
        place = urlsplit(self.url)
        connection = (
            http.client.HTTPSConnection(place.netloc, timeout=60, context=_no_trust())
            if place.scheme == "https"
            else http.client.HTTPConnection(place.netloc, timeout=60)
        )
        try:
            connection.request(method, path, content, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise SystemExit(f"the gateway answered {answer.status}: {body[:500]!r}")
        return body


def _no_trust() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class BenchParts(MemoryParts):
    """Those that are measured, in the place of those in memory."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._measured = parts

    @property
    def parts(self) -> Parts:
        """Return those that are measured."""
        return self._measured


def started(config: GatewayConfig, parts: Parts) -> RunningGateway:
    """Start a gateway of these parts in a thread; it answers when this returns."""
    return RunningGateway(config, SystemClock(), BenchParts(parts)).start()


def new_link(*names: str) -> Link:
    """Return a link that no gateway knows."""
    secret = secrets.token_hex(32)
    return Link(new_id(), secret, DesiredLink(0, "ada", list(names), [TokenHash(hash_token(secret))], "0.0", []))


def fill(config: GatewayConfig, hive: Hive, count: int) -> list[Link]:
    """Write as many registered links into the gateway's database, which is not running, and allow the Hive."""
    database = serve.open_database(config)
    serve.join(database, config)
    key, now_ns = signing.public_key(hive.seed), time.time_ns()
    made = [new_link(f"app{number}.filled.example.net") for number in range(count)]
    with database.write() as tx:
        hives.allow(tx, key, ["example.net"], vouches=True, now_ns=now_ns)
    for first in range(0, count, _AT_ONCE):
        _write(database, key, made[first : first + _AT_ONCE], first, config.name, now_ns)
    database.close()
    return made


def _write(database: Database, hive: str, some: list[Link], first: int, gateway: str, now_ns: int) -> None:
    with database.write() as tx:
        change = changes.next_change(tx)
        tx.execute(schema.links.insert(), [
            {"id": link.id, "hive": hive, "revision": 0, "wanted": msgspec.json.encode(link.wanted).decode(),
             "account": link.wanted.account, "epoch": link.wanted.epoch, "change": change} for link in some
        ])  # fmt: skip
        tx.execute(schema.names.insert(), [{"name": link.wanted.names[0], "link": link.id} for link in some])
        tokens = [{"link": link.id, "sha256": link.wanted.tokens[0].sha256} for link in some]
        tx.execute(schema.tokens.insert(), tokens)
        tx.execute(schema.registrations.insert(), [
            {"id": secrets.token_hex(16), "link": link.id, "n": change, "epoch": "1.1",
             "session": secrets.token_hex(16), "mode": "userspace",
             "public_key": base64.b64encode(secrets.token_bytes(32)).decode(),
             "number": FIRST_NUMBER + first + number, "tunnel_key": None, "token": link.wanted.tokens[0].sha256,
             "gateways": json.dumps([gateway]), "at_ns": now_ns} for number, link in enumerate(some)
        ])  # fmt: skip
        tx.execute(schema.counters.update().where(schema.counters.c.name == "next-number")
                   .values(value=FIRST_NUMBER + first + len(some)))  # fmt: skip
