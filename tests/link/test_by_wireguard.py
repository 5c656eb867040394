"""A link's tunnel by WireGuard: real wireguard-go at both ends, in places with a router at home between them."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import msgspec
import pytest

from mosaic.adapters.caddy_link import Place as CaddyPlace
from mosaic.adapters.wireguard.ip_words import table_of
from mosaic.adapters.wireguard.maker import Userspace
from mosaic.adapters.wireguard.neighbours import TunnelNetworkTaken
from mosaic.adapters.wireguard.tunnel import Tunnel
from mosaic.core.link_healing import Probe
from mosaic.core.peers import WantedPeer
from mosaic.core.public_key import PublicKey
from mosaic.core.public_key import parse as parse_key
from mosaic.link.by_wireguard import WireguardTunnel
from mosaic.link.parts import TunnelUndescribed
from mosaic.wire.links import Peer, PublicPort, Registered
from support.netns.hub import UP
from support.netns.inside import Inside, inside
from support.netns.loop_in_place import LoopInPlace, loop_in
from support.netns.place import Place
from support.netns.tunnel_ends import INTERFACE as GATEWAY_INTERFACE
from support.netns.tunnel_ends import PROBE_PORT, GatewayEnd, answers, passes, reaches
from support.netns.tunnel_network import GATEWAY_OUTER, TunnelNetwork, tunnel_network
from support.waiting import eventually

pytestmark = [pytest.mark.netns, pytest.mark.long]

INTERFACE = "mosaic-abcdefgh"
HOST = "gw.example.org"
ADDRESS = "10.100.1.0"
REGISTRATION = "5e55"
LONG_BYTES = 4 * 1024 * 1024


@dataclass
class World:
    """A link at home, and one or two gateways that run."""

    network: TunnelNetwork
    loop: LoopInPlace
    maker: Userspace
    link: WireguardTunnel
    inside: Inside
    second_inside: Inside

    @property
    def home(self) -> Place:
        return self.network.behind_link

    @property
    def key(self) -> PublicKey:
        return parse_key(self.link.public_key or "")

    def peer(self, end: GatewayEnd, name: str = "east", host: str = GATEWAY_OUTER) -> Peer:
        endpoint = f"{host}:{end.endpoint.rpartition(':')[2]}"
        return Peer(name, end.address, f"{host}:443", endpoint=endpoint, public_key=end.key.public)

    @property
    def east(self) -> Peer:
        return self.peer(self.network.gateway)

    @property
    def west(self) -> Peer:
        end = self.network.second_gateway
        return self.peer(end, "west", end.endpoint.rpartition(":")[0])

    def registered(self, *peers: Peer, address: str = ADDRESS, registration: str = REGISTRATION) -> Registered:
        """Have the gateways know the link by this address, and return what it is told."""
        wanted = WantedPeer(self.key, frozenset({ip_network(address)}))
        for end, known in ((self.network.gateway, self.inside), (self.network.second_gateway, self.second_inside)):
            end.do(lambda tunnel: tunnel.replace_all([wanted], {}))
            known.answers = {registration: 200}
        return Registered(
            registration, address, ["chat.example.org"], list(peers or [self.east]), probe_port=PROBE_PORT
        )

    def open(self, registered: Registered) -> CaddyPlace:
        return self.loop.ask(self.link.open(registered))

    def probe(self, peer: Peer) -> Probe:
        """Ask as the supervisor does."""

        async def ask() -> Probe:
            try:
                async with asyncio.timeout(2):
                    return await self.link.probe(peer)
            except TimeoutError:
                return Probe.SILENT

        return self.loop.ask(ask())

    def wait_for(self, probe: Probe, peer: Peer | None = None) -> None:
        eventually(lambda: self.probe(peer or self.east) is probe)

    def interfaces(self) -> str:
        return self.home.run("ip", "-brief", "address", "show")

    def mtu(self) -> str:
        words = self.home.run("ip", "link", "show", "dev", INTERFACE).split()
        return words[words.index("mtu") + 1]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Both gateways run; the link has opened nothing yet."""
    with tunnel_network(tmp_path) as network, ExitStack() as closing:
        insides = []
        for end in (network.gateway, network.second_gateway):
            end.start()
            insides.append(closing.enter_context(inside(end.place, end.address, PROBE_PORT)))
        loop = closing.enter_context(loop_in(network.behind_link))
        maker = Userspace(INTERFACE, log=tmp_path / "wireguard-go.log")
        made = World(network, loop, maker, WireguardTunnel(INTERFACE, maker), *insides)
        yield made
        loop.ask(made.link.close())


def test_a_link_at_home_and_its_gateway_reach_each_other_and_caddy_believes_the_gateway_alone(world: World) -> None:
    place = world.open(world.registered())
    assert place == CaddyPlace((ADDRESS,), (f"{world.network.gateway.address}/32",))
    world.wait_for(Probe.GOOD)
    assert set(world.inside.asked) == {ADDRESS}
    with answers(world.home, ADDRESS, place.tls_port):
        assert reaches(world.network.gateway.place, ADDRESS, place.tls_port)


def test_nothing_but_what_is_for_caddy_and_the_raw_ports_is_let_in(world: World) -> None:
    given = world.registered()
    world.open(msgspec.structs.replace(given, ports=[PublicPort("tcp", 25565, 9000)]))
    world.wait_for(Probe.GOOD)
    gateway = world.network.gateway.place
    with answers(world.home, ADDRESS, 9000), answers(world.home, ADDRESS, 5432):
        assert reaches(gateway, ADDRESS, 9000)
        assert not reaches(gateway, ADDRESS, 5432, seconds=1)
    # It was taken from the link, and from nobody else after it.
    world.open(given)
    with answers(world.home, ADDRESS, 9000):
        assert not reaches(gateway, ADDRESS, 9000, seconds=1)


@pytest.mark.parametrize(("status", "probe"), [(409, Probe.SUPERSEDED), (404, Probe.UNKNOWN), (500, Probe.SILENT)])
def test_what_the_gateway_says_of_the_registration_is_heard(world: World, status: int, probe: Probe) -> None:
    world.open(world.registered())
    world.wait_for(Probe.GOOD)
    world.inside.answers[REGISTRATION] = status
    assert world.probe(world.east) is probe


def test_a_line_that_carries_little_and_tells_nobody_is_found_out_with_the_first_answer(world: World) -> None:
    for hub in (world.network.internet, world.network.router):
        hub.lose_icmp()
    world.network.router.outer.set_longest_at_hub(1280)
    world.network.gateway_wire.set_longest_at_hub(1280)
    place = world.open(world.registered())
    world.wait_for(Probe.GOOD)
    eventually(lambda: world.mtu() == "1200")
    gateway = world.network.gateway
    assert passes(gateway.place, world.home, ADDRESS, place.tls_port, LONG_BYTES)


def test_a_line_that_carries_less_after_a_silence_is_found_out_again(world: World) -> None:
    world.open(world.registered())
    world.wait_for(Probe.GOOD)
    eventually(lambda: world.mtu() == "1360")
    for hub in (world.network.internet, world.network.router):
        hub.lose_icmp()
    world.network.router.block_udp()
    world.wait_for(Probe.SILENT)
    world.network.router.outer.set_longest_at_hub(1280)
    world.network.gateway_wire.set_longest_at_hub(1280)
    world.network.router.block_udp(blocked=False)
    world.wait_for(Probe.GOOD)
    eventually(lambda: world.mtu() == "1200")


def test_a_wireguard_go_that_is_killed_is_made_again_with_its_sessions_peers(world: World) -> None:
    world.open(world.registered(world.east, world.west))
    world.wait_for(Probe.GOOD)
    first = world.maker.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    eventually(lambda: world.maker.pid not in (None, first))
    world.wait_for(Probe.GOOD)
    world.wait_for(Probe.GOOD, world.west)


def test_a_gateway_whose_name_leads_elsewhere_is_found_by_a_new_handshake(world: World) -> None:
    world.home.knows({HOST: GATEWAY_OUTER})
    east = world.peer(world.network.gateway, host=HOST)
    world.open(world.registered(east))
    world.wait_for(Probe.GOOD, east)
    world.network.gateway_wire.move("198.18.0.77")
    world.wait_for(Probe.SILENT, east)
    world.home.knows({HOST: "198.18.0.77"})
    world.loop.ask(world.link.renew(["east"]))
    world.wait_for(Probe.GOOD, east)


def test_a_gateway_whose_name_has_no_address_yet_is_found_later_and_does_not_hinder_the_other(world: World) -> None:
    world.home.knows({})
    west = world.peer(world.network.second_gateway, "west", host=HOST)
    world.open(world.registered(world.east, west))
    world.wait_for(Probe.GOOD)
    assert world.probe(west) is Probe.SILENT
    world.home.knows({HOST: world.network.second_gateway.endpoint.rpartition(":")[0]})
    world.loop.ask(world.link.renew(["west"]))
    world.wait_for(Probe.GOOD, west)


def test_a_gateway_that_came_since_is_reached_as_well_and_the_session_before_goes_on(world: World) -> None:
    world.open(world.registered())
    world.wait_for(Probe.GOOD)
    before = world.network.gateway.do(Tunnel.peers)[world.key].last_handshake
    world.open(Registered(REGISTRATION, ADDRESS, [], [world.east, world.west], probe_port=PROBE_PORT))
    world.wait_for(Probe.GOOD, world.west)
    world.wait_for(Probe.GOOD)
    assert world.network.gateway.do(Tunnel.peers)[world.key].last_handshake == before


def test_another_registration_has_another_address_and_nothing_is_left_of_the_one_before(world: World) -> None:
    world.open(world.registered())
    world.wait_for(Probe.GOOD)
    place = world.open(world.registered(address="10.100.1.9", registration="6666"))
    assert place.addresses == ("10.100.1.9",)
    world.wait_for(Probe.GOOD)
    assert ADDRESS not in world.interfaces()
    rules = world.home.run("ip", "rule", "show")
    assert (rules.count(INTERFACE), rules.count(table_of(INTERFACE)), ADDRESS in rules) == (1, 1, False)


def test_once_closed_nothing_is_left_and_closing_again_is_no_mistake(world: World) -> None:
    world.open(world.registered())
    world.wait_for(Probe.GOOD)
    world.loop.ask(world.link.close())
    assert INTERFACE not in world.interfaces()
    assert INTERFACE not in world.home.run("ip", "rule", "show")
    assert world.home.run("nft", "list", "tables") == ""
    assert world.probe(world.east) is Probe.SILENT
    world.loop.ask(world.link.close())


def test_no_private_key_is_in_the_words_or_the_environment_of_wireguard_go(world: World) -> None:
    world.home.do(lambda: os.environ.setdefault("LINK_TOKEN", "s3cret"))
    try:
        world.open(world.registered())
    finally:
        del os.environ["LINK_TOKEN"]
    assert world.maker.pid is not None
    running = Path(f"/proc/{world.maker.pid}")
    assert (running / "cmdline").read_bytes().split(b"\0")[:-1] == [
        b"wireguard-go",
        b"--foreground",
        INTERFACE.encode(),
    ]
    assert b"s3cret" not in (running / "environ").read_bytes()


@pytest.mark.parametrize("claimed", ["172.18.0.9", "127.0.0.9", "9.9.9.9"])
def test_a_gateway_that_says_an_address_of_the_apps_own_network_gets_no_route_there(world: World, claimed: str) -> None:
    world.home.run("ip", "address", "add", "172.18.0.2/16", "dev", UP)
    given = world.registered(msgspec.structs.replace(world.east, inner_address=claimed))
    with pytest.raises(TunnelNetworkTaken):
        world.open(given)
    with pytest.raises(TunnelNetworkTaken):
        world.open(world.registered(address=claimed))
    assert INTERFACE not in world.interfaces()


def test_a_gateway_gets_nothing_that_the_link_sends_by_its_default_route_whatever_address_it_says(world: World) -> None:
    service, port = "192.168.77.5", 5432
    # Many machines drop what came by another interface than they would answer by.
    world.home.do(lambda: Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("1"))
    gateway = world.network.gateway.place
    gateway.run("ip", "address", "add", service, "dev", GATEWAY_INTERFACE)
    claimed = msgspec.structs.replace(world.east, inner_address=service)
    with inside(gateway, service, PROBE_PORT) as asked, answers(gateway, service, port):
        asked.answers = {REGISTRATION: 200}
        world.open(world.registered(claimed))
        # The tunnel is as good as any, and what is for the service does not go there.
        world.wait_for(Probe.GOOD, claimed)
        assert INTERFACE not in world.home.run("ip", "route", "get", service)
        assert INTERFACE in world.home.run("ip", "route", "get", service, "from", ADDRESS)
        assert not reaches(world.home, service, port, seconds=1)
    # Nor does the tunnel's own address lead anywhere else.
    assert not world.home.succeeds("ip", "route", "get", GATEWAY_OUTER, "from", ADDRESS)
    world.loop.ask(world.link.close())
    assert table_of(INTERFACE) not in world.home.run("ip", "rule", "show")
    assert table_of(INTERFACE) not in world.home.run("ip", "route", "show", "table", "all")


@pytest.mark.parametrize("lacks", ["public_key", "endpoint"])
def test_a_registration_without_what_wireguard_needs_is_refused(world: World, lacks: str) -> None:
    peer = msgspec.structs.replace(world.east, **{lacks: None})
    with pytest.raises(TunnelUndescribed):
        world.open(world.registered(peer))
