"""What a gateway and a link let in by their tunnels: real ones, real filters, and who tries to get around them."""

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest

from mosaic.adapters import nftables
from mosaic.adapters.nftables import FilterRefused, GatewayFilter, LinkFilter
from mosaic.adapters.wireguard import ip_words
from mosaic.core.peers import WantedPeer
from support.netns.place import Place
from support.netns.tunnel_ends import (
    GATEWAY_ADDRESS,
    INTERFACE,
    PROBE_PORT,
    TUNNELS,
    End,
    answers,
    connect,
    hears,
    reaches,
    says,
)
from support.netns.tunnel_network import GATEWAY_OUTER, TunnelNetwork, tunnel_network

pytestmark = [pytest.mark.netns, pytest.mark.long]

GATEWAY_FILTER = GatewayFilter(INTERFACE, TUNNELS, frozenset({IPv4Address(GATEWAY_ADDRESS)}), PROBE_PORT)
DROPPED_SECONDS = 0.5
"""How long a connection is tried that is not to be accepted: long enough for one that would be, many times over."""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[TunnelNetwork]:
    """A gateway with two links, whose tunnels are made, and whose gateway has its filter."""
    with tunnel_network(tmp_path) as made:
        connect(made.gateway, made.link, made.neighbour)
        made.gateway.place.do(lambda: nftables.apply(nftables.gateway_rules(GATEWAY_FILTER)))
        yield made


def test_a_link_reaches_the_probe_and_nothing_else_of_its_gateway(network: TunnelNetwork) -> None:
    gateway, link = network.gateway.place, network.link.place
    with answers(gateway, "0.0.0.0", PROBE_PORT), answers(gateway, "0.0.0.0", 22):
        assert reaches(link, GATEWAY_ADDRESS, PROBE_PORT)
        assert not reaches(link, GATEWAY_ADDRESS, 22, seconds=DROPPED_SECONDS)
        # The other way the gateway's connections to a link are answered.
        with answers(link, network.link.address, 8450):
            assert reaches(gateway, network.link.address, 8450)
        # And it is the filter that held: without it the port is reached.
        gateway.do(lambda: nftables.remove(nftables.GATEWAY_TABLE))
        assert reaches(link, GATEWAY_ADDRESS, 22)


def test_one_link_does_not_reach_another_though_its_gateway_forwards(network: TunnelNetwork) -> None:
    gateway, link, neighbour = network.gateway, network.link, network.neighbour
    _route_to(neighbour, link)
    _route_to(link, neighbour)
    gateway.place.do(lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
    with answers(neighbour.place, neighbour.address, 8450):
        assert not reaches(link.place, neighbour.address, 8450, seconds=DROPPED_SECONDS)
        # Each of two belts holds: the filter alone,
        gateway.place.run(*ip_words.pass_on_again(INTERFACE, version=4))
        assert not reaches(link.place, neighbour.address, 8450, seconds=DROPPED_SECONDS)
        # and the rule for routes alone, where there is no filter;
        gateway.place.do(lambda: nftables.remove(nftables.GATEWAY_TABLE))
        gateway.place.run(*ip_words.pass_nothing_on(INTERFACE, version=4))
        assert not reaches(link.place, neighbour.address, 8450, seconds=DROPPED_SECONDS)
        # without both one link reaches another.
        gateway.place.run(*ip_words.pass_on_again(INTERFACE, version=4))
        assert reaches(link.place, neighbour.address, 8450)


def _route_to(end: End, other: End) -> None:
    """Do what the owner of a link may do at home: send the other's address into the tunnel, and take it from there."""
    gateway = next(iter(end.do(lambda tunnel: tunnel.peers())))
    networks = frozenset({ip_network(GATEWAY_ADDRESS), ip_network(other.address)})
    end.do(lambda tunnel: tunnel.put([WantedPeer(gateway, networks, None, 25)]))
    end.place.run(*ip_words.route(INTERFACE, ip_network(other.address)))


def test_a_link_cannot_speak_with_the_address_of_another(network: TunnelNetwork) -> None:
    gateway, link = network.gateway.place, network.link
    gateway.do(lambda: nftables.remove(nftables.GATEWAY_TABLE))
    with hears(gateway, GATEWAY_ADDRESS, PROBE_PORT) as ear:
        for source in (network.neighbour.address, GATEWAY_ADDRESS, "198.18.0.1"):
            says(link.place, b"not mine", (GATEWAY_ADDRESS, PROBE_PORT), source=source)
        says(link.place, b"mine", (GATEWAY_ADDRESS, PROBE_PORT))
        assert ear.recvfrom(100)[0] == b"mine"


def test_from_outside_nobody_speaks_with_the_address_of_a_link(network: TunnelNetwork) -> None:
    gateway, stranger = network.gateway.place, network.neighbour.place
    with hears(gateway, GATEWAY_OUTER, 4711) as ear:
        says(stranger, b"as a link", (GATEWAY_OUTER, 4711), source=network.link.address)
        says(stranger, b"as itself", (GATEWAY_OUTER, 4711))
        assert ear.recvfrom(100)[0] == b"as itself"
        gateway.do(lambda: nftables.remove(nftables.GATEWAY_TABLE))
        says(stranger, b"as a link", (GATEWAY_OUTER, 4711), source=network.link.address)
        assert ear.recvfrom(100)[0] == b"as a link"


def test_a_gateway_reaches_the_ports_of_a_link_that_it_shall_reach_and_no_other(network: TunnelNetwork) -> None:
    gateway, link = network.gateway.place, network.link
    rules = nftables.link_rules(LinkFilter(INTERFACE, frozenset({25565}), frozenset({5060})))
    link.place.do(lambda: nftables.apply(rules))
    with (
        answers(link.place, link.address, 8450),
        answers(link.place, link.address, 8451),
        answers(link.place, link.address, 25565),
        answers(link.place, link.address, 5432),
    ):
        assert [reaches(gateway, link.address, port) for port in (8450, 8451, 25565)] == [True] * 3
        assert not reaches(gateway, link.address, 5432, seconds=DROPPED_SECONDS)
        with hears(link.place, link.address, 5061) as wrong, hears(link.place, link.address, 5060) as right:
            says(gateway, b"no", (link.address, 5061))
            says(gateway, b"yes", (link.address, 5060))
            assert right.recv(100) == b"yes"
            wrong.setblocking(False)
            with pytest.raises(BlockingIOError):
                wrong.recv(100)
        # Again, with another set of ports: the table is replaced, not added to.
        link.place.do(lambda: nftables.apply(nftables.link_rules(LinkFilter(INTERFACE))))
        assert not reaches(gateway, link.address, 25565, seconds=DROPPED_SECONDS)


def test_a_gateway_does_not_reach_what_lies_behind_a_link(network: TunnelNetwork, tmp_path: Path) -> None:
    """As the database of an app beside the link's container, which forwards as Docker lets it."""
    gateway, link, app = network.gateway, network.link, Place("app", tmp_path)
    gateway.place.do(lambda: nftables.remove(nftables.GATEWAY_TABLE))
    try:
        hidden = network.behind_link.join(app).address
        # What a gateway of somebody else's could do: send anything into the tunnel.
        networks = frozenset({ip_network(link.address), ip_network(hidden)})
        gateway.do(lambda tunnel: tunnel.put([WantedPeer(link.key.public, networks)]))
        gateway.place.run("ip", "route", "add", hidden, "dev", INTERFACE)
        with answers(app, hidden, 5432):
            assert reaches(link.place, hidden, 5432)
            # The rule for routes holds alone, where a link has no nft;
            assert not reaches(gateway.place, hidden, 5432, seconds=DROPPED_SECONDS)
            # the filter holds alone;
            link.place.run(*ip_words.pass_on_again(INTERFACE, version=4))
            link.place.do(lambda: nftables.apply(nftables.link_rules(LinkFilter(INTERFACE))))
            assert not reaches(gateway.place, hidden, 5432, seconds=DROPPED_SECONDS)
            # and without both it would be reached.
            link.place.do(lambda: nftables.remove(nftables.LINK_TABLE))
            assert reaches(gateway.place, hidden, 5432)
    finally:
        app.close()


def test_rules_that_nft_does_not_take_change_nothing(network: TunnelNetwork) -> None:
    gateway = network.gateway.place
    before = gateway.run("nft", "list", "table", "inet", nftables.GATEWAY_TABLE)
    broken = nftables.absent(nftables.GATEWAY_TABLE) + "table inet x { nonsense }\n"
    with pytest.raises(FilterRefused):
        gateway.do(lambda: nftables.apply(broken))
    assert gateway.run("nft", "list", "table", "inet", nftables.GATEWAY_TABLE) == before
