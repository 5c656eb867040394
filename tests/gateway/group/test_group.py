"""Two gateways over one database: each has every link, hears of what the other was told, and goes on when it dies."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NoReturn
from unittest import mock

import pytest

from mosaic.adapters.sql.engine import Database, DatabaseUnavailable
from mosaic.adapters.sql.gateway import changes, links, schema
from mosaic.core.ids import LinkId
from mosaic.core.registering import DRAIN_NS
from mosaic.gateway import metrics, overview
from mosaic.gateway.overview import Overview
from mosaic.gateway.registering import MOST_AT_ONCE
from mosaic.wire.links import Registered, TokenHash
from support.gateway_world import DOMAIN, MadeLink, PushingHive, Refusal, RunningGateway, make_link, start
from support.manual_clock import ManualClock
from support.memory_parts import MemoryParts
from support.waiting import eventually

pytestmark = pytest.mark.long

NAME = f"a.{DOMAIN}"


def has(gateway: RunningGateway, routes: dict[str, str], keys: set[str]) -> bool:
    return gateway.parts.router.addresses() == routes and set(gateway.parts.peers.seen()) == keys


def routed(gateway: RunningGateway) -> bool:
    return NAME in gateway.parts.router.addresses()


def wanted_link(hive: PushingHive, gateway: RunningGateway) -> MadeLink:
    """Return a link that an allowed Hive wants, as it told this gateway."""
    hive.allow(gateway.running.database, DOMAIN)
    link = make_link(NAME)
    hive.push(gateway, link)
    return link


def test_two_gateways_on_one_database_both_have_each_link(
    starts: Callable[..., RunningGateway], hive: PushingHive
) -> None:
    one = starts("one")
    hive.allow(one.running.database, DOMAIN)
    before, after = make_link(NAME), make_link(f"b.{DOMAIN}")
    hive.push(one, before)
    early = start(before)
    given = early.register(one)
    two = starts("two")
    hive.push(two, after)
    later = start(after)
    both = later.register(two)
    routes = {NAME: given.address, f"b.{DOMAIN}": both.address}
    for gateway in (one, two):
        eventually(partial(has, gateway, routes, {early.key, later.key}))
    assert {peer.name for peer in both.peers} == {"one", "two"}
    assert {peer.inner_address for peer in both.peers} == {"10.100.0.1", "10.100.0.2"}
    assert {peer.name for peer in early.register(one).peers} == {"one", "two"}, "it is told of the second"


def test_what_is_removed_at_one_gateway_is_gone_from_the_other_when_that_is_answered(
    starts: Callable[..., RunningGateway], hive: PushingHive
) -> None:
    one, two = starts("one"), starts("two")
    link = wanted_link(hive, one)
    start(link).register(one)
    eventually(lambda: NAME in two.parts.router.addresses())
    visit = two.parts.router.visit(NAME)
    hive.remove(one, link)
    assert two.parts.router.addresses() == {}
    assert two.parts.peers.seen() == {}
    assert visit is not None
    assert not visit.open


def test_a_token_that_is_revoked_at_one_gateway_opens_nothing_at_the_other(
    starts: Callable[..., RunningGateway], hive: PushingHive
) -> None:
    one, two = starts("one"), starts("two")
    link = wanted_link(hive, one)
    session = start(link)
    session.register(two)
    hive.push(one, link, tokens=[TokenHash("0" * 64)])
    with pytest.raises(Refusal, match="401 link-token-unknown"):
        session.register(two)
    eventually(lambda: two.parts.router.addresses() == {})
    eventually(lambda: two.parts.peers.seen() == {})


def test_a_gateway_that_dies_gives_its_lease_up_and_links_are_told_of_the_others(
    starts: Callable[..., RunningGateway], hive: PushingHive, clock: ManualClock
) -> None:
    one, two, three = (starts(name) for name in ("one", "two", "three"))
    link = wanted_link(hive, one)
    session = start(link)
    told = {peer.name for peer in session.register(one).peers}
    assert len(told) == 2
    by_name = {"one": one, "two": two, "three": three}
    victim = sorted(told)[0]
    others = sorted(set(by_name) - {victim})
    by_name.pop(victim).kill()
    asked = by_name[others[0]]
    assert {peer.name for peer in session.register(asked).peers} == told, "its lease lasts"
    clock.advance(11)
    for name in others:
        by_name[name].running.agent.beat()
    assert {peer.name for peer in session.register(asked).peers} == set(others)
    for name in others:
        eventually(partial(routed, by_name[name]))
    hive.remove(asked, link)


def test_a_gateway_that_is_stopped_is_named_no_more_at_once(
    starts: Callable[..., RunningGateway], hive: PushingHive
) -> None:
    one, two = starts("one"), starts("two")
    link = wanted_link(hive, one)
    two.stop()
    assert [peer.name for peer in start(link).register(one).peers] == ["one"]


def test_a_gateway_that_is_started_again_has_all_routes_and_peers_with_endpoints(
    starts: Callable[..., RunningGateway], hive: PushingHive
) -> None:
    one = starts("one")
    hive.allow(one.running.database, DOMAIN)
    sessions = []
    for number in range(3):
        link = make_link(f"n{number}.{DOMAIN}")
        hive.push(one, link)
        sessions.append(start(link))
        sessions[-1].register(one)
        one.parts.peers.hear(sessions[-1].key, f"203.0.113.{number}:4000")
    quiet = make_link(f"tcp.{DOMAIN}")
    hive.push(one, quiet)
    start(quiet, mode="tcp").register(one)
    one.running.agent.remember()
    routes, peers, tunnels = one.parts.router.addresses(), one.parts.peers.seen(), one.parts.tunnels.there()
    one.kill()
    again = starts("one", MemoryParts())
    assert again.parts.router.addresses() == routes
    assert again.parts.peers.seen() == peers
    assert again.parts.tunnels.there() == tunnels
    assert len(routes) == 4
    assert {peer.endpoint for peer in peers.values()} == {f"203.0.113.{number}:4000" for number in range(3)}


def test_a_router_that_outlived_its_gateway_loses_what_was_removed_meanwhile(
    starts: Callable[..., RunningGateway], hive: PushingHive
) -> None:
    one, two = starts("one"), starts("two")
    link = wanted_link(hive, one)
    start(link).register(one)
    eventually(lambda: NAME in one.parts.router.addresses())
    visit = one.parts.router.visit(NAME)
    one.stop()
    assert NAME in one.parts.router.addresses(), "visitors go on while a gateway is away"
    hive.remove(two, link)
    again = starts("one", one.parts)
    assert again.parts.router.addresses() == {}
    assert again.parts.peers.seen() == {}
    assert visit is not None
    assert not visit.open


@pytest.mark.parametrize("written", [True, False])
def test_what_drained_while_a_gateway_was_away_is_ended_when_it_comes_back(
    starts: Callable[..., RunningGateway], hive: PushingHive, clock: ManualClock, written: bool
) -> None:
    one, two = starts("one"), starts("two")
    link = wanted_link(hive, one)
    start(link).register(one)
    visit = one.parts.router.visit(NAME)
    given = start(link).register(one)
    one.kill()
    clock.advance(DRAIN_NS / 1e9 + 1)
    if written:
        two.running.agent.catch_up()
        two.running.agent.settle()
    assert visit is not None
    assert visit.open
    again = starts("one", one.parts)
    assert again.parts.router.addresses() == {NAME: given.address}
    assert not visit.open


def test_drift_is_healed(starts: Callable[..., RunningGateway], hive: PushingHive) -> None:
    one = starts("one")
    hive.allow(one.running.database, DOMAIN)
    for name in ("a", "b", "c"):
        link = make_link(f"{name}.{DOMAIN}")
        hive.push(one, link)
        start(link, mode="tcp" if name == "c" else "kernel").register(one)
    routes, peers, tunnels = one.parts.router.addresses(), one.parts.peers.seen(), one.parts.tunnels.there()
    one.parts.router.drift({"evil.example.com": "10.100.9.9", f"a.{DOMAIN}": "10.100.9.9"}, [f"b.{DOMAIN}"])
    visit = one.parts.router.visit(f"a.{DOMAIN}")
    one.parts.peers.remove(list(peers)[:1])
    one.parts.tunnels.remove(list(tunnels))
    one.running.agent.heal()
    assert one.parts.router.addresses() == routes
    assert one.parts.peers.seen() == peers
    assert one.parts.tunnels.there() == tunnels
    assert visit is not None
    assert not visit.open, "it led to an address that is nobody's"


def test_what_is_changed_while_a_gateway_compares_is_kept(
    starts: Callable[..., RunningGateway], hive: PushingHive, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = starts("one")
    hive.allow(one.running.database, DOMAIN)
    there = {name: make_link(f"{name}.{DOMAIN}") for name in ("stays", "moves", "leaves")}
    for link in there.values():
        hive.push(one, link)
        start(link).register(one)
    given: list[Registered] = []

    look = overview.read

    def read(database: Database, gateway: str, known: Mapping[LinkId, int] | None, *, now_ns: int) -> Overview:
        found = look(database, gateway, known, now_ns=now_ns)
        if not given:
            come = make_link(f"comes.{DOMAIN}")
            hive.push(one, come)
            given.append(start(come).register(one))
            given.append(start(there["moves"]).register(one))
            hive.remove(one, there["leaves"])
        return found

    def seen() -> dict[str, str]:
        found = look_at_router()
        if len(given) == 2:
            # When the router has been looked at, too.
            given.append(start(there["moves"]).register(one))
        return found

    monkeypatch.setattr("mosaic.gateway.agent.overview.read", read)
    before = one.parts.router.addresses()
    look_at_router = one.parts.router.addresses
    monkeypatch.setattr(one.parts.router, "addresses", seen)
    one.running.agent.heal()
    assert len(given) == 3
    after = {f"stays.{DOMAIN}": before[f"stays.{DOMAIN}"]}
    after |= {f"comes.{DOMAIN}": given[0].address, f"moves.{DOMAIN}": given[2].address}
    assert one.parts.router.addresses() == after
    one.running.agent.heal()
    assert one.parts.router.addresses() == after


def test_a_database_that_went_back_in_time_is_read_whole(
    starts: Callable[..., RunningGateway], hive: PushingHive
) -> None:
    one = starts("one")
    link = wanted_link(hive, one)
    given = start(link).register(one)
    with one.running.database.write() as tx:
        older = changes.newest(tx) - 1
        tx.execute(schema.counters.update().where(schema.counters.c.name == "change").values(value=older))
        tx.execute(schema.names.update().values(name=f"before.{DOMAIN}"))
    one.running.agent.heal()
    assert one.parts.router.addresses() == {f"before.{DOMAIN}": given.address}


def test_a_router_that_was_started_again_is_filled_again(
    starts: Callable[..., RunningGateway], hive: PushingHive
) -> None:
    one = starts("one")
    link = wanted_link(hive, one)
    given = start(link).register(one)
    one.parts.router.restart()
    one.running.agent.heal()
    assert one.parts.router.addresses() == {NAME: given.address}


def test_a_removal_that_a_living_gateway_does_not_confirm_is_asked_for_again(
    starts: Callable[..., RunningGateway], hive: PushingHive, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = starts("one"), starts("two")
    link = wanted_link(hive, one)
    eventually(lambda: two.running.agent.seen >= one.running.agent.seen)
    monkeypatch.setattr("mosaic.gateway.runtime.TOLD_SECONDS", 0.2)
    with monkeypatch.context() as deaf:
        deaf.setattr(two.running.agent, "catch_up", lambda: two.running.agent.seen)
        deaf.setattr(two.running.agent, "heal", lambda: two.running.agent.seen)
        with pytest.raises(Refusal, match="503 gateways-not-told"):
            hive.remove(one, link)
    monkeypatch.undo()
    hive.remove(one, link)
    with two.running.database.read() as tx:
        found = links.get(tx, LinkId(link.id))
    assert found is not None
    assert found.removed


def test_metrics_say_what_is_routed_and_what_links_carried(
    starts: Callable[..., RunningGateway], hive: PushingHive
) -> None:
    one = starts("one")
    link = wanted_link(hive, one)
    start(link).register(one)
    one.parts.router.visit(NAME, received=7, sent=9)
    one.running.agent.remember()
    with one.running.database.read() as tx:
        sums = metrics.sums(tx, now_ns=one.clock.wall_ns())
    lines = metrics.page(one.running.agent, sums).decode().splitlines()
    assert "mosaic_gateway_links 1" in lines
    assert f'mosaic_link_bytes_total{{link="{link.id}",direction="sent"}} 9' in lines


def test_a_link_that_registers_at_one_gateway_after_the_other_is_held_up_by_all_together(
    starts: Callable[..., RunningGateway], hive: PushingHive, clock: ManualClock
) -> None:
    group = [starts(name) for name in ("one", "two", "three")]
    hive.allow(group[0].running.database, DOMAIN)
    link = make_link(f"a.{DOMAIN}")
    hive.push(group[0], link)
    for number in range(MOST_AT_ONCE):
        start(link).register(group[number % 3])
    for one in group:
        with pytest.raises(Refusal, match="429 link-registers-too-often"):
            start(link).register(one)
    clock.advance(61)
    group[0].running.agent.settle()
    start(link).register(group[0])


@contextlib.contextmanager
def without_database(gateway: RunningGateway) -> Iterator[None]:
    """Have a gateway not reach its database."""

    def away() -> NoReturn:
        raise DatabaseUnavailable("elsewhere", "it is away")

    database = gateway.running.database
    with mock.patch.object(database, "read", away), mock.patch.object(database, "write", away):
        yield


def test_a_gateway_that_is_cut_off_goes_on_for_an_hour_and_routes_nothing_after_that_until_it_hears_again(
    starts: Callable[..., RunningGateway], hive: PushingHive, clock: ManualClock
) -> None:
    one, two = starts("one"), starts("two")
    link = wanted_link(hive, one)
    session = start(link)
    session.register(one)
    eventually(partial(has, two, one.parts.router.addresses(), {session.key}))
    two.running.agent.beat()
    visit = two.parts.router.visit(NAME)
    assert visit is not None
    with without_database(two):
        clock.advance(3500)
        two.running.agent.give_way()
        assert routed(two)
        assert visit.open
        clock.advance(3700)
        two.running.agent.give_way()
        assert has(two, {}, set())
        assert not visit.open
        assert two.probe(session.register(one).registration) == 404
    eventually(partial(has, two, one.parts.router.addresses(), {session.key}))
    assert routed(one)


def test_a_gateway_alone_goes_on_without_its_database(
    starts: Callable[..., RunningGateway], hive: PushingHive, clock: ManualClock
) -> None:
    one = starts("one")
    link = wanted_link(hive, one)
    start(link).register(one)
    with without_database(one):
        clock.advance(36_000)
        one.running.agent.give_way()
        assert routed(one)


def test_what_was_revoked_while_a_gateway_was_cut_off_is_not_routed_when_it_hears_again(
    starts: Callable[..., RunningGateway], hive: PushingHive, clock: ManualClock
) -> None:
    one, two = starts("one"), starts("two")
    link, other = wanted_link(hive, one), make_link(f"b.{DOMAIN}")
    hive.push(one, other)
    start(link).register(one)
    there = start(other)
    given = there.register(one)
    eventually(lambda: len(two.parts.router.addresses()) == 2)
    with without_database(two):
        clock.advance(60)
        hive.remove(one, link)
        assert routed(two)
    eventually(partial(has, two, {f"b.{DOMAIN}": given.address}, {there.key}))
