"""A link that another gateway is to carry: with its token and its domains, and back again."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mosaic.core.errors import Conflict, MosaicError, NotFound
from mosaic.wire.link_api import AddGateway, AddLink, Link, LinkGateway, LinkMove, MoveLink
from mosaic.wire.link_export import LinkExport, SignedLinkExport
from mosaic.wire.links import DesiredLink
from support.link_world import LinkWorld, link_world
from support.pushed_gateway import BASE, link_gateway
from support.pushed_gateway import LinkGateway as Gateway
from support.waiting import eventually

pytestmark = pytest.mark.long

DOMAIN = "notes.example.com"
OTHER_BASE = "homes.example.org"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with link_world(tmp_path) as made:
        yield made


@contextlib.contextmanager
def other_gateway(world: LinkWorld, *domains: str) -> Iterator[Gateway]:
    """Use another gateway beside the first."""
    with link_gateway("gw2", *domains) as other:
        other.now = world.gateway.now
        other.allowed.add(world.own().key.public)
        with world.owner.client() as client:
            client.send("POST", "/api/link-gateways", AddGateway(other.url), LinkGateway)
        yield other


@pytest.fixture
def other(world: LinkWorld) -> Iterator[Gateway]:
    with other_gateway(world, OTHER_BASE) as made:
        yield made


def planned(world: LinkWorld, to: str = "gw2") -> LinkMove:
    with world.owner.client() as client:
        return client.get("/api/installations/notes/link/move", LinkMove, query={"gateway": to})


def moved(world: LinkWorld, to: str = "gw2") -> Link:
    with world.owner.client() as client:
        return client.send("POST", "/api/installations/notes/link/move", MoveLink(to), Link)


def made_link(world: LinkWorld) -> DesiredLink:
    """Make the link with a proved domain, and return what its gateway has."""
    world.write_txt(DOMAIN)
    with world.owner.client() as client:
        wish = AddLink([DOMAIN], "brave-otter", "gw")
        link = client.send("PUT", "/api/installations/notes/link", wish, Link)
    eventually(lambda: world.link().token_known and world.link().gateways[0].taken)
    return world.at_gateway(link)


def told(world: LinkWorld) -> tuple[str, list[str]] | None:
    """Return which gateway and names the Device is told."""
    assigned = world.device.assigned("notes")
    return (assigned.link.gateway, assigned.link.names) if assigned is not None and assigned.link is not None else None


def test_a_link_goes_to_another_gateway_with_its_token_and_domains_and_nothing_is_left_at_the_first(
    world: LinkWorld, other: Gateway
) -> None:
    before, new = made_link(world), f"notes.brave-otter.{OTHER_BASE}"
    plan = planned(world)
    assert plan.renamed == [(f"notes.brave-otter.{BASE}", new)] and plan.kept == plan.dns == [DOMAIN]
    assert (plan.leaves, plan.gateway, plan.told, plan.target) == ("gw", "gw2", new, "gw2.example.net")
    link = moved(world)
    assert [name.name for name in link.names] == [new, DOMAIN] and [one.gateway for one in link.gateways] == ["gw2"]
    eventually(lambda: link.id in other.links)
    has = other.links[link.id]
    assert (set(has.names), has.tokens, has.epoch) == ({new, DOMAIN}, before.tokens, before.epoch)
    eventually(lambda: (world.at_gateway(link).names, world.at_gateway(link).tokens) == ([], []))
    eventually(lambda: told(world) == (other.url, [new, DOMAIN]))
    eventually(lambda: world.link().leaving == [])
    assert world.told()[-1] == "link-moved" and world.gateway.deleted == []


def test_a_link_comes_back_to_a_gateway_that_it_left_and_ends_at_both_when_it_is_removed(
    world: LinkWorld, other: Gateway
) -> None:
    made_link(world)
    link = moved(world)
    eventually(lambda: link.id in other.links and world.at_gateway(link).names == [])
    back = moved(world, "gw")
    assert back.names[0].name == f"notes.brave-otter.{BASE}"
    eventually(lambda: set(world.at_gateway(link).names) == {DOMAIN, back.names[0].name})
    eventually(lambda: other.links[link.id].names == [])
    world.remove()
    eventually(lambda: world.gateway.deleted == other.deleted == [link.id])


def test_names_are_kept_where_the_other_gateway_gives_out_the_same_domain(world: LinkWorld) -> None:
    with other_gateway(world, BASE) as other:
        before = made_link(world)
        assert planned(world).renamed == []
        link = moved(world)
        eventually(lambda: link.id in other.links and world.at_gateway(link).names == [])
        assert (other.links[link.id].names, other.links[link.id].tokens) == (before.names, before.tokens)


def test_a_link_leaves_a_gateway_that_is_gone_which_can_then_be_given_up(world: LinkWorld, other: Gateway) -> None:
    made_link(world)
    world.gateway.stop()
    link = moved(world)
    eventually(lambda: link.id in other.links)
    assert world.link().leaving == ["gw"]
    with world.owner.client() as client:
        client.order("DELETE", "/api/link-gateways/gw")
    assert world.link().leaving == []
    world.remove()
    eventually(lambda: other.deleted == [link.id])


def test_a_gateway_that_a_link_left_takes_it_in_from_a_file_as_a_later_one(world: LinkWorld, other: Gateway) -> None:
    made_link(world)
    link = moved(world)
    eventually(lambda: world.at_gateway(link).names == [])
    with world.owner.client() as client:
        signed = client.get("/api/link-export", SignedLinkExport)
    (exported,) = msgspec.json.decode(signed.export, type=LinkExport).links
    assert exported.wanted.revision > world.at_gateway(link).revision and DOMAIN in exported.wanted.names
    # Nobody takes it for a gateway that lost something, whoever compares.
    before = len(world.gateway.put)
    world.look(seconds=120)
    world.look(seconds=120)
    assert len(world.gateway.put) == before


def test_a_gateway_that_took_a_link_in_from_a_file_is_told_that_it_left_when_the_link_changes(
    world: LinkWorld, other: Gateway
) -> None:
    made_link(world)
    link = moved(world)
    eventually(lambda: world.at_gateway(link).names == [] and link.id in other.links)
    with world.owner.client() as client:
        signed = client.get("/api/link-export", SignedLinkExport)
        (exported,) = msgspec.json.decode(signed.export, type=LinkExport).links
        world.gateway.links[link.id] = exported.wanted
        client.order("DELETE", f"/api/installations/notes/link?domain={DOMAIN}")
    eventually(lambda: world.at_gateway(link).names == [])
    eventually(lambda: other.links[link.id].names == [f"notes.brave-otter.{OTHER_BASE}"])


@pytest.mark.parametrize(("to", "code"), [("nowhere", "gateway-unknown"), ("gw", "link-is-there")])
def test_a_move_to_where_nothing_can_be_moved_changes_nothing(
    world: LinkWorld, other: Gateway, to: str, code: str
) -> None:
    before = made_link(world)
    for act in (planned, moved):
        with pytest.raises((Conflict, NotFound)) as refused:
            act(world, to)
        assert refused.value.code == code
    assert world.link().gateways[0].gateway == "gw" and other.links == {}
    assert world.gateway.links[world.link().id] == before


def test_a_move_to_a_gateway_that_does_not_answer_or_lets_nobody_in_changes_nothing(
    world: LinkWorld, other: Gateway
) -> None:
    made_link(world)
    other.allowed.clear()
    with pytest.raises(MosaicError) as refused:
        moved(world)
    assert refused.value.code == "hive-not-allowed"
    other.stop()
    with pytest.raises(MosaicError) as refused:
        moved(world)
    assert refused.value.code == "gateway-silent"
    assert world.link().gateways[0].gateway == "gw" and "link-moved" not in world.told()
