"""How long what was revoked at one gateway of a group goes on at another: two gateways as they are, one PostgreSQL."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from results.line import report

from mosaic.crypto.tokens import hash_token
from mosaic.wire.links import TokenHash
from support.gateway_process import GatewayProcess, gateway_process
from support.gateway_world import DOMAIN, MadeLink, PushingHive, make_link, start
from support.postgres import new_database, postgres_server
from support.tcp_link import GREETING, ends, reaches, tcp_link, visit
from support.waiting import eventually

_OVERLAP_SECONDS = 2.0

Revoke = Callable[[PushingHive, GatewayProcess, MadeLink], float]
"""Takes a link's right away at a gateway; returns the instant (`time.time`) from which it has none."""


def measure(folder: Path, *, quick: bool) -> None:
    """Print a line for each way in which a link loses its right, and each router; each is the longest of some."""
    rounds = 2 if quick else 5
    ways: dict[str, Revoke] = {"removed": _removed, "token revoked": _revoked, "token's end": _ended}
    with postgres_server() as server:
        for router in ("splice", "haproxy"):
            database = new_database(server)
            with contextlib.ExitStack() as stack:
                one, two = (
                    stack.enter_context(
                        gateway_process(folder, "--database", database, "--router", router, name=f"{name}-{router}")
                    )
                    for name in ("one", "two")
                )
                hive = one.allow()
                for what, revoke in ways.items():
                    took = [_took(hive, one, two, revoke) for _ in range(rounds)]
                    name = f"link {what} at one gateway until cut and refused at the other, {router}"
                    report(f"{name}, longest of {rounds}", max(took), "s", goal="value<=5")


def _took(hive: PushingHive, asked: GatewayProcess, other: GatewayProcess, revoke: Revoke) -> float:
    link = make_link(f"{time.time_ns()}.{DOMAIN}")
    (name,) = link.wanted.names
    hive.push(asked, link)
    given = start(link, mode="tcp").register(asked)
    with tcp_link(given, gateway=other.name):
        eventually(lambda: reaches(other.tls, name))
        visitor = visit(other.tls, name)
        if visitor.take(len(GREETING)) != GREETING:
            raise SystemExit("the link does not answer")
        since = revoke(hive, asked, link)
        if not ends(visitor):
            raise SystemExit("what was open goes on")
        eventually(lambda: not reaches(other.tls, name))
        return time.time() - since


def _removed(hive: PushingHive, asked: GatewayProcess, link: MadeLink) -> float:
    since = time.time()
    hive.remove(asked, link)
    return since


def _revoked(hive: PushingHive, asked: GatewayProcess, link: MadeLink) -> float:
    since = time.time()
    hive.push(asked, link, tokens=[TokenHash("0" * 64)])
    return since


def _ended(hive: PushingHive, asked: GatewayProcess, link: MadeLink) -> float:
    until = time.time() + _OVERLAP_SECONDS
    hive.push(asked, link, tokens=[TokenHash(hash_token(link.secret), until), TokenHash("0" * 64)])
    return until
