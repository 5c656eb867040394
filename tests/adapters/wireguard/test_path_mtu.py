"""A tunnel finds out by itself what a line carries that tells nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.wireguard import path_mtu
from support.netns.tunnel_ends import INTERFACE, connect, passes
from support.netns.tunnel_network import TunnelNetwork, tunnel_network

pytestmark = [pytest.mark.netns, pytest.mark.long]

LONG_BYTES = 4 * 1024 * 1024


@pytest.fixture
def network(tmp_path: Path) -> Iterator[TunnelNetwork]:
    """One tunnel, made."""
    with tunnel_network(tmp_path) as made:
        connect(made.gateway, made.link)
        yield made


def settle(network: TunnelNetwork) -> int | None:
    return network.link.do(lambda tunnel: path_mtu.settle(tunnel, network.gateway.address, own=network.link.address))


def test_on_a_line_of_1500_bytes_nothing_is_made_shorter(network: TunnelNetwork) -> None:
    assert settle(network) == 1360


def test_on_a_line_of_1280_bytes_that_tells_nobody_much_is_carried_both_ways(network: TunnelNetwork) -> None:
    for hub in (network.internet, network.router):
        hub.lose_icmp()
    network.router.outer.set_longest_at_hub(1280)
    network.gateway_wire.set_longest_at_hub(1280)

    assert settle(network) == 1200
    assert "mtu 1200" in network.link.place.run("ip", "link", "show", "dev", INTERFACE)
    gateway, link = network.gateway, network.link
    assert passes(link.place, gateway.place, gateway.address, 8099, LONG_BYTES)
    assert passes(gateway.place, link.place, link.address, 8450, LONG_BYTES)


def test_where_nobody_answers_the_tunnel_is_left_as_it_is(network: TunnelNetwork) -> None:
    network.router.block_udp()
    assert settle(network) is None
    assert "mtu 1360" in network.link.place.run("ip", "link", "show", "dev", INTERFACE)
