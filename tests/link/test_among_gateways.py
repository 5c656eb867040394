"""Links at home and two gateways of one group, which are the programs: what a kill, a neighbour or a liar changes."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

import pytest

from mosaic.adapters.wireguard import ip_words
from mosaic.core.link_routes import TLS_PORT
from mosaic.crypto.tokens import hash_token
from mosaic.wire.links import TokenHash
from support.link_sites import ask_on, proxy_header
from support.netns.place import Place
from support.netns.places import kill_all, processes_of
from support.netns.tunnel_ends import GATEWAY_ADDRESS, says
from support.netns.tunnel_ends import reaches as connects
from support.netns.tunnel_network import GATEWAY_OUTER, SECOND_GATEWAY_OUTER
from support.netns.visits import downloads, stay_idle, uploads
from support.netns.whole_world import RunningLink, WholeWorld, echoes, whole_world
from support.waiting import eventually

pytestmark = [pytest.mark.netns, pytest.mark.acme, pytest.mark.long]

BOTH = (GATEWAY_OUTER, SECOND_GATEWAY_OUTER)
MIB = 1 << 20
CLAMP = """table ip clamp {
    chain on { type filter hook forward priority mangle; tcp flags syn tcp option maxseg size set 1240
    }
}"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeWorld]:
    with whole_world(tmp_path_factory.mktemp("world"), routers=["haproxy", "splice"]) as made:
        yield made


@pytest.fixture(scope="module")
def link(world: WholeWorld) -> RunningLink:
    """A link by WireGuard that is reached at both gateways."""
    running = world.start(world.publish("staying"), world.large_app(), LINK_MODE="userspace").wait_until_ready()
    eventually(lambda: all(world.is_reached(running.name, at=address) for address in BOTH), seen=running.log)
    return running


def test_when_every_process_of_a_gateway_is_killed_the_other_goes_on_and_it_comes_back(
    world: WholeWorld, link: RunningLink
) -> None:
    with world.web_socket(link.name, at=SECOND_GATEWAY_OUTER) as line:
        kill_all(world.gateway_place)
        world.gateways[0].kill()
        assert world.is_reached(link.name, at=SECOND_GATEWAY_OUTER)
        world.gateways[0].start()
        eventually(lambda: world.is_reached(link.name), seconds=120, seen=link.log)
        assert echoes(line, b"still here")


def test_a_home_that_gets_another_address_is_reached_again_and_its_web_socket_survives(
    world: WholeWorld, link: RunningLink
) -> None:
    with world.web_socket(link.name) as line:
        world.network.router.change_address("198.18.0.99")
        assert echoes(line, b"still here")
    eventually(lambda: all(world.is_reached(link.name, at=address) for address in BOTH), seconds=120, seen=link.log)


def test_megabytes_pass_whole_both_ways_and_idle_web_sockets_stay(world: WholeWorld, link: RunningLink) -> None:
    assert downloads(world, link.name, 32 * MIB)
    assert uploads(world, link.name, 32 * MIB)
    assert stay_idle(world, link.name, 50, lambda: downloads(world, link.name, MIB)) == 50


def test_a_link_reaches_no_other_link_whatever_it_changes_on_its_own_machine(
    world: WholeWorld, link: RunningLink
) -> None:
    home, hostile = world.another_home("hostile"), world.publish("hostile")
    attacker = world.start(hostile, world.app(home), at=home, LINK_MODE="userspace").wait_until_ready()
    interface, own = tunnel_of(home)
    _, other = tunnel_of(link.place)
    peers = home.run("wg", "show", interface, "peers").split()
    home.run("wg", "set", interface, "peer", peers[0], "allowed-ips", "10.100.0.0/16")
    home.run("ip", "route", "replace", "10.100.0.0/16", "dev", interface)
    home.run(*ip_words.route(interface, ip_network("10.100.0.0/16")))
    assert connects(world.gateway_place, other, TLS_PORT)
    assert not connects(home, other, TLS_PORT, seconds=2)
    home.run("ip", "address", "add", f"{other}/32", "dev", "lo")
    with overheard(world.gateway_place) as ear:
        says(home, b"as somebody else", (GATEWAY_ADDRESS, 9), source=other)
        says(home, b"as itself", (GATEWAY_ADDRESS, 9), source=own)
        heard = [ear.recv(65536)]
        while b"as itself" not in heard[-1]:
            heard.append(ear.recv(65536))
    assert not [packet for packet in heard if b"as somebody else" in packet]
    attacker.stop()


def test_nobody_is_believed_to_be_another_visitor(world: WholeWorld, link: RunningLink) -> None:
    # Before a hello, a header of the PROXY protocol is closed like whatever is no hello.
    for at in BOTH:
        with connected(world.visitor, at, 443) as line:
            line.sendall(proxy_header("192.0.2.66"))
            assert line.recv(1) == b""
    # At the link's own end it is believed from its gateways alone.
    _, address = tunnel_of(link.place)
    with connected(link.place, address, TLS_PORT) as line:
        line.sendall(proxy_header("192.0.2.66") + bytes(64))
        with suppress(ConnectionResetError):
            assert line.recv(1) == b""
    asked = world.start(world.publish("asked"), world.app()).wait_until_ready()
    with world.line(asked.name) as secure:
        told = ask_on(secure, asked.name, "/", headers={"X-Forwarded-For": "192.0.2.66"}).told("x-forwarded-for")
    assert told == world.network.neighbour_wire.address
    asked.stop()


def test_a_revoked_token_ends_its_link_at_every_gateway_and_what_visitors_had_open(world: WholeWorld) -> None:
    made = world.publish("revoked")
    running = world.start(made, world.app(), LINK_MODE="tcp").wait_until_ready()
    eventually(lambda: all(world.is_reached(running.name, at=at) for at in BOTH), seen=running.log)
    with world.web_socket(running.name) as line:
        world.change(made, tokens=[TokenHash(hash_token("another" * 8))])
        eventually(lambda: not any(world.is_reached(running.name, at=at) for at in BOTH))
        with suppress(OSError):
            assert line.recv(1) == b""
    assert running.child.wait(120) == 3, running.log()
    assert "error: " in running.log().splitlines()[-2]


def test_a_line_of_1280_bytes_that_tells_nobody_carries_much_both_ways(world: WholeWorld) -> None:
    home = world.another_home("narrow")
    world.routers["narrow"].outer.set_longest(1280)
    for hub in (world.routers["narrow"], world.network.internet):
        hub.lose_icmp()
    # As routers of such lines do for TCP: what goes by no tunnel is not what is tried out.
    world.routers["narrow"].filter(CLAMP)
    running = world.start(world.publish("narrow"), world.large_app(home), at=home, LINK_MODE="userspace")
    running.wait_until_ready()
    eventually(lambda: "mtu 1200" in home.run("ip", "link", "show", "dev", tunnel_of(home)[0]), seen=running.log)
    assert downloads(world, running.name, 4 * MIB)
    assert uploads(world, running.name, 4 * MIB)
    world.network.internet.lose_icmp(lost=False)
    running.stop()


def test_a_home_that_lets_no_udp_out_is_served_by_tcp(world: WholeWorld) -> None:
    home = world.another_home("mute")
    world.routers["mute"].block_udp()
    running = world.start(world.publish("mute"), world.app(home), at=home).wait_until_ready("tcp")
    eventually(lambda: all(world.is_reached(running.name, at=at) for at in BOTH), seen=running.log)
    running.stop()


def test_no_secret_is_in_a_log_or_in_the_words_of_a_process(world: WholeWorld, link: RunningLink) -> None:
    logs = [path for path in world.folder.rglob("*.log") if path.is_file()]
    secrets = [made.secret.encode() for made in world.published]
    assert secrets
    for place in (world.home, world.gateway_place):
        for pid in processes_of(place):
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                assert not [secret for secret in secrets if secret in words], words
    for path in logs:
        assert not [secret for secret in secrets if secret in path.read_bytes()], path


def tunnel_of(place: Place) -> tuple[str, str]:
    """Return interface and address of the link's tunnel that is at this place."""
    line = next(line for line in place.run("ip", "-brief", "address").splitlines() if line.startswith("mosaic-"))
    interface, _, address = line.split()[:3]
    return interface, address.partition("/")[0]


def connected(place: Place, address: str, port: int) -> socket.socket:
    """Connect from there."""
    return place.do(lambda: socket.create_connection((address, port), 60))


def overheard(place: Place) -> socket.socket:
    """Return what hears every packet that comes out of a gateway's tunnels, before any filter."""
    ear = place.do(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)))
    place.do(lambda: ear.bind(("mosaic0", 0x0800)))
    ear.settimeout(60)
    return ear
