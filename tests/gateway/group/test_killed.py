"""A gateway that is killed at any transaction, or any word to its router, ends where one that was not does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mosaic.core.ids import LinkId
from mosaic.core.registering import DRAIN_NS
from mosaic.crypto.tokens import hash_token
from mosaic.gateway.parts import Peer, PortKey, PortTarget
from mosaic.wire.links import DesiredLink, PublicPort, Register, TokenHash
from support.gateway_world import DOMAIN
from support.kill_points import Killed, KillPoints
from support.local_gateway import LocalGateway, open_group
from support.manual_clock import ManualClock

pytestmark = pytest.mark.long
A, B, C = (LinkId(letter * 12) for letter in "abc")
OLD, NEW = "o" * 43, "n" * 43
_KEYS = {one: f"{one * 42}A=" for one in "KLM"}


def story(gateway: LocalGateway, clock: ManualClock) -> list[Callable[[], object]]:
    """Return what happens; each step is tried again by whoever asked for it until it is answered."""

    given: dict[str, str] = {}

    def wanted(revision: int, *names: str, secret: str = OLD, ports: tuple[PublicPort, ...] = ()) -> DesiredLink:
        full = [f"{name}.{DOMAIN}" for name in names]
        return DesiredLink(revision, "ada", full, [TokenHash(hash_token(secret))], "0.0", list(ports))

    def register(link: LinkId, key: str | None, session: str, secret: str = OLD) -> Callable[[], object]:
        asked = Register(session * 32, "1.1", "tcp" if key is None else "kernel", "1", _KEYS[key] if key else None)

        def come() -> None:
            given[link] = gateway.register(f"lk_{link}_{secret}", asked).registration.id

        return come

    return [
        gateway.allow,
        lambda: gateway.push(A, wanted(1, "a", "www")),
        register(A, "K", "1"),
        lambda: gateway.push(B, wanted(1, "b", ports=(PublicPort("tcp", 0, 8460),))),
        register(B, None, "2"),
        register(A, "L", "3"),
        lambda: gateway.push(C, wanted(1, "c")),
        register(C, None, "5"),
        lambda: gateway.push(A, wanted(2, "a", secret=NEW)),
        register(A, "M", "4", NEW),
        lambda: gateway.remove(B),
        lambda: gateway.leave(f"lk_{C}_{OLD}", given[C]),
        lambda: clock.advance(DRAIN_NS / 1e9 + 1),
        lambda: gateway.agent.beat(),
        lambda: gateway.agent.settle(),
        lambda: gateway.agent.remember(),
    ]


@dataclass(frozen=True)
class End:
    """What router and tunnels have."""

    routes: dict[str, str]
    peers: dict[str, Peer]
    tunnels: set[str]
    ports: dict[PortKey, PortTarget]


def end_of(folder: Path, kills: KillPoints, at: int | None) -> End:
    """Return what router and tunnels have after the story, of which one point was the last that a process passed."""
    clock = ManualClock()
    database = open_group(folder / f"{at}.db", kills)
    gateway = LocalGateway("one", database, clock, kills)
    kills.passed, kills.at = 0, at
    for step in story(gateway, clock):
        for _ in range(3):
            try:
                step()
                break
            except Killed:
                gateway.restart()
    parts = gateway.parts
    database.close()
    tunnels = {tunnel.address for tunnel in parts.tunnels.there().values()}
    return End(parts.router.addresses(), parts.peers.seen(), tunnels, parts.ports.there())


def test_a_kill_between_any_two_transactions_changes_nothing_in_the_end(tmp_path: Path) -> None:
    kills = KillPoints()
    expected = end_of(tmp_path, kills, None)
    points = kills.passed
    assert points > 40
    assert set(expected.routes) == {f"a.{DOMAIN}"}
    assert len(expected.peers) == 1
    assert not expected.tunnels | expected.ports.keys()
    for at in range(1, points + 1):
        assert end_of(tmp_path, kills, at) == expected, f"killed at point {at}"
