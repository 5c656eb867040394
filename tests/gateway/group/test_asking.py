"""What a gateway promises to Hives and links, over real HTTP, with its router in memory."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import hives, sightings
from mosaic.core.link_routes import Traffic
from mosaic.core.registering import DRAIN_NS
from mosaic.crypto.hive_requests import HiveRequest
from mosaic.crypto.tokens import hash_token
from mosaic.gateway import pushing, serve
from mosaic.gateway.limits import PER_LINK, PER_SOURCE_REFUSED
from mosaic.gateway.parts import PortTarget
from mosaic.wire.links import GatewayAbout, PublicPort, TokenHash
from support.gateway_world import (
    DOMAIN,
    PushingHive,
    Refusal,
    RunningGateway,
    config_of,
    make_link,
    running_gateway,
    send,
    start,
)
from support.manual_clock import ManualClock

pytestmark = pytest.mark.long


@pytest.fixture(name="hive")
def _hive(allowed: PushingHive) -> PushingHive:
    return allowed


@pytest.fixture
def stranger(gateway: RunningGateway, clock: ManualClock) -> PushingHive:
    """Another allowed Hive, with a domain of its own."""
    made = PushingHive(clock)
    made.allow(gateway.running.database, "others.example.org")
    return made


def test_a_link_that_registers_is_routed(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"notes.{DOMAIN}", "notes.example.com")
    hive.push(gateway, link)
    session = start(link)
    given = session.register(gateway, f"notes.{DOMAIN}")
    assert given.address == "10.100.1.0"
    assert sorted(given.names) == sorted(link.wanted.names)
    (peer,) = given.peers
    assert (peer.name, peer.inner_address, peer.endpoint) == ("one", "10.100.0.1", "one.gw.example.net:51820")
    assert gateway.parts.router.addresses() == dict.fromkeys(link.wanted.names, given.address)
    assert {key: peer.address for key, peer in gateway.parts.peers.seen().items()} == {session.key: given.address}


def test_a_link_in_tcp_mode_gets_a_loopback_address_and_a_key(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"notes.{DOMAIN}")
    hive.push(gateway, link)
    given = start(link, mode="tcp").register(gateway)
    (tunnel,) = gateway.parts.tunnels.there().values()
    assert (given.address, given.tunnel_key) == (tunnel.address, tunnel.key) == ("127.64.1.0", given.tunnel_key)
    assert gateway.parts.router.addresses() == {f"notes.{DOMAIN}": "127.64.1.0"}
    assert tunnel.key not in repr(given) + repr(tunnel)


def test_a_token_opens_its_link_alone(gateway: RunningGateway, hive: PushingHive) -> None:
    mine, other = make_link(f"a.{DOMAIN}"), make_link(f"b.{DOMAIN}")
    hive.push(gateway, mine)
    hive.push(gateway, other)
    with pytest.raises(Refusal, match="401 link-token-unknown"):
        start(mine, token=f"lk_{other.id}_{mine.secret}").register(gateway)
    with pytest.raises(Refusal, match="403 name-not-of-link"):
        start(mine).register(gateway, f"b.{DOMAIN}")
    given = start(mine).register(gateway)
    start(other).leave(gateway, given.registration)
    assert gateway.parts.router.addresses() == {f"a.{DOMAIN}": given.address}


@pytest.mark.parametrize("token", ["", "nonsense", "lk_aaaaaaaaaaaa_" + "0" * 64, "lk_" + "x" * 5000])
def test_no_token_and_a_wrong_one_are_told_the_same(gateway: RunningGateway, hive: PushingHive, token: str) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    with pytest.raises(Refusal, match="401 link-token-unknown"):
        start(link, token=token).register(gateway)


def test_registering_again_changes_nothing(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    session = start(link)
    first = session.register(gateway)
    visit = gateway.parts.router.visit(f"a.{DOMAIN}")
    assert session.register(gateway) == first
    assert visit is not None
    assert visit.open


def test_a_revoked_token_ends_its_tunnel_and_connections_at_once(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    session = start(link)
    given = session.register(gateway)
    visit = gateway.parts.router.visit(f"a.{DOMAIN}")
    hive.push(gateway, link, tokens=[TokenHash(hash_token("another" * 9))])
    assert gateway.parts.router.addresses() == {}
    assert gateway.parts.peers.seen() == {}
    assert visit is not None
    assert not visit.open
    assert gateway.probe(given.registration) == 404
    with pytest.raises(Refusal, match="401 link-token-unknown"):
        session.register(gateway)


def test_a_removed_link_is_gone_and_does_not_come_back(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    start(link).register(gateway)
    visit = gateway.parts.router.visit(f"a.{DOMAIN}")
    hive.remove(gateway, link)
    hive.remove(gateway, link)
    assert gateway.parts.router.addresses() == {}
    assert visit is not None
    assert not visit.open
    with pytest.raises(Refusal, match="409 link-removed"):
        hive.push(gateway, link)
    hive.push(gateway, make_link(f"a.{DOMAIN}"))


def test_rotation_overlaps_and_the_old_token_ends_with_its_time(
    gateway: RunningGateway, hive: PushingHive, clock: ManualClock
) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    old = start(link)
    old.register(gateway)
    new = "n" * 43
    until = clock.wall_ns() / 1e9 + 600
    hive.push(gateway, link, tokens=[TokenHash(link.wanted.tokens[0].sha256, until), TokenHash(hash_token(new))])
    assert gateway.parts.router.addresses() != {}
    clock.advance(601)
    gateway.running.agent.settle()
    assert gateway.parts.router.addresses() == {}
    with pytest.raises(Refusal, match="401"):
        old.register(gateway)
    given = start(link, token=f"lk_{link.id}_{new}").register(gateway)
    assert gateway.parts.router.addresses() == {f"a.{DOMAIN}": given.address}


def test_a_lower_epoch_is_refused(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    given = start(link, epoch="2.3").register(gateway)
    for epoch in ("2.2", "1.9"):
        with pytest.raises(Refusal, match="409 link-superseded"):
            start(link, epoch=epoch).register(gateway)
    assert gateway.parts.router.addresses() == {f"a.{DOMAIN}": given.address}


def test_a_hive_that_raises_the_epoch_ends_the_earlier_holder(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    start(link, epoch="1.4").register(gateway)
    hive.push(gateway, link, epoch="1.5")
    assert gateway.parts.router.addresses() == {}
    assert start(link, epoch="1.5").register(gateway).address != "10.100.1.0"


def test_the_newest_session_wins_and_the_old_ones_probe_says_so(
    gateway: RunningGateway, hive: PushingHive, clock: ManualClock
) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    old, new = start(link), start(link)
    first = old.register(gateway)
    visit = gateway.parts.router.visit(f"a.{DOMAIN}")
    second = new.register(gateway)
    assert gateway.parts.router.addresses() == {f"a.{DOMAIN}": second.address}
    assert (gateway.probe(first.registration), gateway.probe(second.registration)) == (409, 200)
    assert gateway.probe("0" * 32) == 404
    with pytest.raises(Refusal, match="409 link-superseded"):
        old.register(gateway)
    assert visit is not None
    assert visit.open, "what is open drains"
    assert set(gateway.parts.peers.seen()) == {old.key, new.key}
    clock.advance(DRAIN_NS / 1e9 + 1)
    gateway.running.agent.settle()
    assert not visit.open
    assert set(gateway.parts.peers.seen()) == {new.key}


def test_a_later_epoch_cuts_what_the_earlier_holder_serves(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    first = start(link, epoch="1.1").register(gateway)
    visit = gateway.parts.router.visit(f"a.{DOMAIN}")
    start(link, epoch="1.2").register(gateway)
    assert visit is not None
    assert not visit.open
    assert gateway.probe(first.registration) == 409, "its tunnel is there a while, so that it hears of it"


def test_another_links_public_key_is_refused(gateway: RunningGateway, hive: PushingHive) -> None:
    victim, thief = make_link(f"a.{DOMAIN}"), make_link(f"b.{DOMAIN}")
    hive.push(gateway, victim)
    hive.push(gateway, thief)
    session = start(victim)
    given = session.register(gateway)
    with pytest.raises(Refusal, match="409 link-key-taken"):
        start(thief, key=session.key).register(gateway)
    with pytest.raises(Refusal, match="409 link-key-taken"):
        start(thief, key=gateway.config.public_key).register(gateway)
    assert gateway.parts.peers.seen()[session.key].address == given.address


@pytest.mark.parametrize("key", ["", "short", "A" * 43 + "=", "A" * 44, "!" * 44])
def test_what_is_no_public_key_is_refused(gateway: RunningGateway, hive: PushingHive, key: str) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    with pytest.raises(Refusal, match="422 register-unreadable"):
        start(link, key=key).register(gateway)


def test_a_name_of_another_hive_is_refused_and_nothing_is_changed(
    gateway: RunningGateway, hive: PushingHive, stranger: PushingHive
) -> None:
    mine, theirs = make_link("www.example.com"), make_link("shop.others.example.org")
    hive.push(gateway, mine)
    stranger.push(gateway, theirs)
    before = stranger.links(gateway)
    with pytest.raises(Refusal, match="409 name-of-another"):
        stranger.push(gateway, theirs, names=["new.others.example.org", "www.example.com"])
    with pytest.raises(Refusal, match="403 name-not-of-hive"):
        stranger.push(gateway, theirs, names=["new.others.example.org", f"x.{DOMAIN}"])
    with pytest.raises(Refusal, match="409 link-of-another"):
        stranger.push(gateway, mine)
    with pytest.raises(Refusal, match="409 link-of-another"):
        stranger.remove(gateway, mine)
    assert stranger.links(gateway) == before
    assert [one.names for one in hive.links(gateway)] == [["www.example.com"]]


def test_a_name_that_goes_to_another_link_takes_no_connection_along(gateway: RunningGateway, hive: PushingHive) -> None:
    first, second = make_link(f"a.{DOMAIN}", f"keep.{DOMAIN}"), make_link(f"b.{DOMAIN}")
    hive.push(gateway, first)
    hive.push(gateway, second)
    start(first).register(gateway)
    there = start(second).register(gateway)
    moving, staying = (gateway.parts.router.visit(f"{one}.{DOMAIN}") for one in ("a", "keep"))
    hive.push(gateway, first, names=[f"keep.{DOMAIN}"])
    hive.push(gateway, second, names=[f"a.{DOMAIN}", f"b.{DOMAIN}"])
    assert gateway.parts.router.addresses()[f"a.{DOMAIN}"] == there.address
    assert moving is not None
    assert staying is not None
    assert (moving.open, staying.open) == (False, True)


def test_an_older_revision_and_another_one_of_the_same_number_are_refused(
    gateway: RunningGateway, hive: PushingHive
) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    old = link.wanted
    hive.push(gateway, link, names=[f"b.{DOMAIN}"])
    assert hive.push_again(gateway, link).names == [f"b.{DOMAIN}"]
    link.wanted = old
    with pytest.raises(Refusal, match="409 link-revision-old"):
        hive.push_again(gateway, link)
    link.wanted = msgspec.structs.replace(old, revision=2)
    with pytest.raises(Refusal, match="409 link-revision-old"):
        hive.push_again(gateway, link)
    assert [one.names for one in hive.links(gateway)] == [[f"b.{DOMAIN}"]]


def test_a_recorded_request_changes_nothing_when_it_is_sent_again(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    path = f"/v1/links/{link.id}"
    first = msgspec.json.encode(msgspec.structs.replace(link.wanted, revision=1))
    made = HiveRequest("PUT", path, first), hive.headers("PUT", path, first)
    hive.send(gateway, *made)
    link.wanted = msgspec.structs.replace(link.wanted, revision=1)
    hive.push(gateway, link, tokens=[])
    with pytest.raises(Refusal, match="409 link-revision-old"):
        hive.send(gateway, *made)
    hive.remove(gateway, link)
    with pytest.raises(Refusal, match="409 link-removed"):
        hive.send(gateway, *made)
    assert hive.links(gateway) == []


def test_a_late_request_is_refused(gateway: RunningGateway, hive: PushingHive, clock: ManualClock) -> None:
    headers = hive.headers("GET", "/v1/links")
    clock.advance(301)
    with pytest.raises(Refusal, match="401 hive-request-late"):
        hive.send(gateway, HiveRequest("GET", "/v1/links"), headers)


@pytest.mark.parametrize("meant", ["gw.example.org", "one.gw.example.net.evil.example", "192.0.2.7", ""])
def test_what_was_sent_to_another_gateway_is_refused_when_it_is_passed_on(
    gateway: RunningGateway, hive: PushingHive, meant: str
) -> None:
    link = make_link(f"a.{DOMAIN}")
    path = f"/v1/links/{link.id}"
    body = msgspec.json.encode(msgspec.structs.replace(link.wanted, revision=1))
    with pytest.raises(Refusal, match="401 hive-request-elsewhere"):
        hive.send(gateway, HiveRequest("PUT", path, body), hive.headers("PUT", path, body, meant))
    assert hive.links(gateway) == []


@pytest.mark.parametrize("own", ["one.gw.example.net", "GW.example.net.", "198.51.100.3", "127.0.0.1"])
def test_a_gateway_is_meant_by_its_name_its_target_and_its_addresses(
    gateway: RunningGateway, hive: PushingHive, own: str
) -> None:
    hive.send(gateway, HiveRequest("GET", "/v1/links"), hive.headers("GET", "/v1/links", gateway=own))


def test_what_was_signed_for_something_else_is_refused(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    path = f"/v1/links/{link.id}"
    listing = hive.headers("GET", "/v1/links")
    body = msgspec.json.encode(link.wanted)
    swapped = msgspec.json.encode(msgspec.structs.replace(link.wanted, revision=9, names=[]))
    for request, headers in (
        (HiveRequest("DELETE", path), listing),
        (HiveRequest("GET", "/v1/links?all=1"), listing),
        (HiveRequest("PUT", path, swapped), hive.headers("PUT", path, body)),
        (HiveRequest("GET", "/v1/links"), {**listing, "Mosaic-Time": str(int(listing["Mosaic-Time"]) + 1)}),
        (HiveRequest("GET", "/v1/links"), {**listing, "Mosaic-Signature": "00" * 64}),
        (HiveRequest("GET", "/v1/links"), {}),
    ):
        with pytest.raises(Refusal, match="401 hive-request-unsigned"):
            hive.send(gateway, request, headers)
    assert [one.names for one in hive.links(gateway)] == [[f"a.{DOMAIN}"]]


def test_a_hive_that_is_not_allowed_is_refused(gateway: RunningGateway, clock: ManualClock) -> None:
    with pytest.raises(Refusal, match="403 hive-not-allowed"):
        PushingHive(clock).links(gateway)


def test_a_hive_that_is_disallowed_while_it_asks_is_refused(
    gateway: RunningGateway, hive: PushingHive, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = pushing.put

    def put_too_late(tx: Tx, *words: Any, **options: Any) -> None:
        hives.forget(tx, hive.key)
        put(tx, *words, **options)

    monkeypatch.setattr(pushing, "put", put_too_late)
    with pytest.raises(Refusal, match="403 hive-not-allowed"):
        hive.push(gateway, make_link(f"a.{DOMAIN}"))
    assert hive.links(gateway) == []


def test_a_gateway_describes_its_group(gateway: RunningGateway, hive: PushingHive, stranger: PushingHive) -> None:
    about = msgspec.json.decode(hive.ask(gateway, "GET", "/v1/gateway"), type=GatewayAbout)
    assert (about.target, about.domains, about.gateways) == ("gw.example.net", [DOMAIN], ["one"])


def test_names_of_the_gateway_itself_are_refused(gateway: RunningGateway, hive: PushingHive) -> None:
    for name in ("gw.example.net", "one.gw.example.net", "x.gw.example.net"):
        with pytest.raises(Refusal, match="403 name-not-of-hive"):
            hive.push(gateway, make_link(name))


def test_raw_ports_are_chosen_kept_and_no_two_links_have_one(gateway: RunningGateway, hive: PushingHive) -> None:
    ports = [PublicPort("tcp", 0, 8460, 5432), PublicPort("udp", 20000, 8461), PublicPort("tcp", 0, 8462, 25565)]
    link = make_link(f"a.{DOMAIN}", ports=ports)
    standing = hive.push(gateway, link)
    # What EXPOSE calls it is taken where the gateway may have it.
    had = [PublicPort("tcp", 20000, 8460, 5432), PublicPort("tcp", 25565, 8462, 25565), PublicPort("udp", 20000, 8461)]
    assert standing.ports == had
    given = start(link).register(gateway)
    assert given.ports == had
    assert gateway.parts.ports.there()["tcp", 20000] == PortTarget(link.id, given.address, 8460)
    assert hive.push(gateway, link, ports=ports[:1]).ports == had[:1]
    assert set(gateway.parts.ports.there()) == {("tcp", 20000)}


def test_a_port_that_cannot_be_had_holds_nothing_else_up_and_is_had_when_it_is_free(
    gateway: RunningGateway, hive: PushingHive
) -> None:
    first = make_link(f"a.{DOMAIN}", ports=[PublicPort("tcp", 20000, 8460)])
    hive.push(gateway, first)
    second = make_link(f"b.{DOMAIN}", ports=[PublicPort("tcp", 20000, 8460), PublicPort("tcp", 22, 8461)])
    standing = hive.push(gateway, second)
    assert (standing.names, standing.ports) == ([f"b.{DOMAIN}"], [])
    start(second).register(gateway)
    assert gateway.parts.ports.there() == {}
    hive.remove(gateway, first)
    assert hive.push_again(gateway, second).ports == [PublicPort("tcp", 20000, 8460)]
    assert set(gateway.parts.ports.there()) == {("tcp", 20000)}


def test_a_port_that_another_program_of_the_machine_has_is_told_to_the_hive_until_it_is_open(
    gateway: RunningGateway, hive: PushingHive
) -> None:
    gateway.parts.ports.others.add(("tcp", 20000))
    ports = [PublicPort("tcp", 20000, 8460), PublicPort("udp", 20000, 8461)]
    link = make_link(f"a.{DOMAIN}", ports=ports)
    assert hive.push(gateway, link).closed == [], "nothing is to be open before the link is there"
    start(link).register(gateway)
    assert hive.links(gateway)[0].closed == [8460]
    assert hive.push_again(gateway, link).closed == [8460]
    gateway.parts.ports.others.clear()
    gateway.running.agent.heal()
    assert hive.links(gateway)[0].closed == []


def test_a_port_that_goes_to_another_link_takes_no_connection_along_and_a_later_holder_cuts_it(
    gateway: RunningGateway, hive: PushingHive
) -> None:
    wish = [PublicPort("tcp", 20000, 8460)]
    link, heir = make_link(ports=wish), make_link(ports=wish)
    hive.push(gateway, link)
    hive.push(gateway, heir)
    ports = gateway.parts.ports
    earlier = start(link, epoch="1.1").register(gateway)
    start(heir).register(gateway)
    ports.carried["tcp", 20000] = Traffic(received_bytes=70, sent_bytes=30)
    later = start(link, epoch="1.2").register(gateway)
    assert earlier.address in ports.cut
    assert ports.there()["tcp", 20000].address == later.address
    hive.push(gateway, link, ports=[])
    # What was opened anew has carried nothing; what it carried before is written down.
    assert ports.carried == {}
    hive.push_again(gateway, heir)
    assert ports.there()["tcp", 20000].link == heir.id
    gateway.running.agent.remember()
    standing = {one.id: (one.received_bytes, one.sent_bytes) for one in hive.links(gateway)}
    assert standing == {link.id: (70, 30), heir.id: (0, 0)}


@pytest.mark.parametrize(
    "ports",
    [
        [PublicPort("tcp", 0, 8443)],
        [PublicPort("tcp", 0, 22)],
        [PublicPort("tcp", 0, 8460), PublicPort("udp", 0, 8460)],
        [PublicPort("tcp", 0, 8460)] * 21,
    ],
)
def test_a_port_within_the_tunnel_is_one_of_those_for_raw_ports(
    gateway: RunningGateway, hive: PushingHive, ports: list[PublicPort]
) -> None:
    with pytest.raises(Refusal, match="desired-link-unreadable"):
        hive.push(gateway, make_link(ports=ports))


def test_a_gateway_without_raw_ports_says_so(gateway: RunningGateway, hive: PushingHive) -> None:
    about = msgspec.json.decode(hive.ask(gateway, "GET", "/v1/gateway"), type=GatewayAbout)
    assert about.port_range == (20000, 29999)
    gateway.running.parts = replace(gateway.running.parts, ports=None)
    about = msgspec.json.decode(hive.ask(gateway, "GET", "/v1/gateway"), type=GatewayAbout)
    assert about.port_range is None
    assert hive.push(gateway, make_link(ports=[PublicPort("tcp", 0, 8460)])).ports == []


def test_a_link_that_leaves_is_routed_no_more_and_may_come_again(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    session = start(link)
    given = session.register(gateway)
    session.leave(gateway, given.registration)
    session.leave(gateway, given.registration)
    assert gateway.parts.router.addresses() == {}
    assert session.register(gateway).address != given.address


def test_a_freed_address_is_given_out_again_after_an_hour(
    gateway: RunningGateway, hive: PushingHive, clock: ManualClock
) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    session = start(link)
    given = session.register(gateway)
    session.leave(gateway, given.registration)
    again = session.register(gateway)
    session.leave(gateway, again.registration)
    clock.advance(3601)
    assert session.register(gateway).address == given.address != again.address


def test_a_link_that_registers_again_and_again_uses_up_few_addresses(
    gateway: RunningGateway, hive: PushingHive, clock: ManualClock
) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    given = set()
    for _ in range(6):
        given |= {start(link).register(gateway).address for _ in range(PER_LINK)}
        clock.advance(61)
        gateway.running.agent.settle()
    assert len(given) <= 3 * PER_LINK


def test_a_link_is_given_its_own_address_again_and_nobody_else_is(
    gateway: RunningGateway, hive: PushingHive, clock: ManualClock
) -> None:
    link, other = make_link(f"a.{DOMAIN}"), make_link(f"b.{DOMAIN}")
    hive.push(gateway, link)
    hive.push(gateway, other)
    session = start(link)
    given = session.register(gateway)
    session.leave(gateway, given.registration)
    clock.advance(61)
    assert start(other).register(gateway).address != given.address
    assert session.register(gateway).address == given.address


def test_an_address_that_another_link_had_meanwhile_is_not_the_first_ones_any_more(
    gateway: RunningGateway, hive: PushingHive, clock: ManualClock
) -> None:
    link, other = make_link(f"a.{DOMAIN}"), make_link(f"b.{DOMAIN}")
    hive.push(gateway, link)
    hive.push(gateway, other)
    first, second = start(link), start(other)
    given = first.register(gateway)
    first.leave(gateway, given.registration)
    clock.advance(3601)
    taken = second.register(gateway)
    assert taken.address == given.address
    second.leave(gateway, taken.registration)
    clock.advance(61)
    assert first.register(gateway).address != given.address


def test_a_link_that_registers_again_and_again_is_held_up_and_others_are_not(
    gateway: RunningGateway, hive: PushingHive, clock: ManualClock
) -> None:
    link, other = make_link(f"a.{DOMAIN}"), make_link(f"b.{DOMAIN}")
    hive.push(gateway, link)
    hive.push(gateway, other)
    session = start(link)
    for _ in range(PER_LINK):
        session.register(gateway)
    with pytest.raises(Refusal, match="429 link-registers-too-often"):
        session.register(gateway)
    start(other).register(gateway)
    clock.advance(61)
    session.register(gateway)


def test_whoever_guesses_tokens_is_held_up(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    for _ in range(PER_SOURCE_REFUSED):
        with contextlib.suppress(Refusal):
            start(link, token=f"lk_{link.id}_{'0' * 64}").register(gateway)
    with pytest.raises(Refusal, match="429 asked-too-often"):
        start(link).register(gateway)


def test_visitors_are_told_apart_where_the_api_listens_at_an_address_of_the_machine(
    tmp_path: Path, clock: ManualClock
) -> None:
    # The gateway's own HTTPS comes from there then; all would share its limits.
    with running_gateway(replace(config_of(tmp_path), listen="192.0.2.7"), clock) as made:
        assert "192.0.2.7" in serve.uvicorn_config(made.running).forwarded_allow_ips


def test_a_body_that_is_none_and_one_that_is_too_large_change_nothing(
    gateway: RunningGateway, hive: PushingHive
) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    bearer = {"Authorization": f"Bearer {link.token}"}
    with pytest.raises(Refusal, match="400 invalid"):
        send(gateway, "POST", "/v1/links/register", b'{"session": 1}', bearer)
    path = f"/v1/links/{link.id}"
    large = b'{"a": "' + b"x" * 200_000 + b'"}'
    with pytest.raises(Refusal, match="413"):
        hive.send(gateway, HiveRequest("PUT", path, large), hive.headers("PUT", path, large))
    assert [one.names for one in hive.links(gateway)] == [[f"a.{DOMAIN}"]]


def test_what_a_link_carried_is_kept_over_restarts_of_gateway_and_router(
    gateway: RunningGateway, hive: PushingHive, clock: ManualClock
) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    given = start(link).register(gateway)
    gateway.parts.router.visit(f"a.{DOMAIN}", received=100, sent=1000)
    gateway.running.agent.remember()
    gateway.parts.router.visit(f"a.{DOMAIN}", received=1, sent=2)
    gateway.probe(given.registration)
    gateway.stop()
    gateway.parts.router.restart()
    gateway.start()
    gateway.parts.router.visit(f"a.{DOMAIN}", received=10, sent=20)
    gateway.running.agent.remember()
    (standing,) = hive.links(gateway)
    assert (standing.received_bytes, standing.sent_bytes) == (111, 1022)
    assert standing.seen == clock.wall_ns() / 1e9


def test_of_a_removed_link_nothing_stays_of_what_it_carried(gateway: RunningGateway, hive: PushingHive) -> None:
    link = make_link(f"a.{DOMAIN}")
    hive.push(gateway, link)
    start(link).register(gateway)
    gateway.parts.router.visit(f"a.{DOMAIN}", received=1, sent=2)
    gateway.running.agent.remember()
    gateway.parts.router.visit(f"a.{DOMAIN}", received=1, sent=2)
    hive.remove(gateway, link)
    gateway.running.agent.remember()
    with gateway.running.database.read() as tx:
        assert sightings.total(tx) == {}
