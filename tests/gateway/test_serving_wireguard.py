"""`mosaic gateway serve` with WireGuard and HAProxy, in a network of its own: who is reached, and what a kill ends."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from mosaic.adapters import nftables, process
from mosaic.adapters.child_log import MOST_BYTES
from mosaic.core.expose import RawPort
from mosaic.core.expose import parse as parse_expose
from mosaic.core.link_routes import TLS_PORT
from mosaic.core.peers import WantedPeer
from mosaic.core.public_key import parse
from mosaic.gateway.carrying.wireguard import LOG_FILE
from mosaic.link.relaying import granted, relaying
from mosaic.wire.links import PublicPort
from support.gateway_process import GatewayProcess, gateway_process
from support.gateway_world import DOMAIN, make_link, start
from support.link_sites import proxy_header
from support.netns.loop_in_place import loop_in
from support.netns.place import Place
from support.netns.places import processes_called
from support.netns.tunnel_ends import GATEWAY_ADDRESS, PROBE_PORT, End, answers
from support.netns.tunnel_ends import reaches as connects
from support.netns.tunnel_network import GATEWAY_OUTER, TunnelNetwork, tunnel_network
from support.raw_ports_world import Datagrams
from support.streams import SECONDS, Stream
from support.tcp_link import ends, reaches, visit
from support.waiting import eventually

pytestmark = [pytest.mark.netns, pytest.mark.acme, pytest.mark.long]

NAME = f"notes.{DOMAIN}"
PORT = 443
LOCAL = "127.0.0.1"
RAW = [PublicPort("tcp", 21001, 8460, 25), PublicPort("udp", 21002, 8461, 53)]


@dataclass
class World:
    """A gateway on the internet, a link at home that it knows, and a visitor elsewhere."""

    network: TunnelNetwork
    place: Place
    gateway: GatewayProcess
    link: End

    @property
    def visitor(self) -> Place:
        return self.network.neighbour.place

    def is_reached(self) -> bool:
        """Whether a visitor is answered by the link."""
        with suppress(OSError):
            return self.visitor.do(lambda: reaches(PORT, NAME, GATEWAY_OUTER))
        return False


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All of it, and the link is reached."""
    folder = tmp_path_factory.mktemp("wireguard")
    with tunnel_network(folder) as network:
        place = network.gateway.place

        def at_place(words: list[str], *, log: Path) -> process.Child:
            return place.do(lambda: process.spawn(words, log=log))

        options = [
            *("--router", "haproxy", "--public-host", GATEWAY_OUTER, "--wireguard-port", "51820"),
            *("--listen-tls", f"{GATEWAY_OUTER}:{PORT}", "--ports", "21000-21009"),
        ]
        with gateway_process(folder, *options, start=at_place) as gateway:
            link = place.do(lambda: _registered(gateway, network))
            with _answering(link.place, link.address):
                made = World(network, place, gateway, link)
                eventually(made.is_reached)
                yield made


def test_an_open_connection_survives_a_gateway_that_is_killed(world: World) -> None:
    with world.visitor.do(lambda: visit(PORT, NAME, GATEWAY_OUTER)) as staying:
        assert staying.take(4) == b"tls:"
        world.gateway.kill()
        assert world.is_reached()
        world.gateway.start()
        assert world.is_reached()
        staying.send(b"still here")
        assert b"still here" in _until(staying.socket, b"still here")


def test_a_wireguard_that_is_killed_is_made_again_with_its_peers(world: World) -> None:
    world.gateway.kill()
    world.gateway.start()
    # Without its interface nothing for the tunnels may leave by the default route, in plain sight.
    assert "unreachable 10.100.0.0/22" in world.place.run("ip", "route", "show", "type", "unreachable")
    _kill_program(world.place, "wireguard-go")
    eventually(world.is_reached)


def test_an_haproxy_that_is_killed_comes_back_with_its_routes(world: World) -> None:
    with world.visitor.do(lambda: visit(PORT, NAME, GATEWAY_OUTER)) as staying:
        assert staying.take(4) == b"tls:"
        _kill_program(world.place, "haproxy")
        assert ends(staying)
    eventually(world.is_reached)


def test_a_link_reaches_the_probe_and_nothing_else_even_after_all_rules_were_flushed(world: World) -> None:
    link = world.link.place
    with answers(world.place, "0.0.0.0", 22):
        assert connects(link, GATEWAY_ADDRESS, PROBE_PORT)
        assert not connects(link, GATEWAY_ADDRESS, 22, seconds=0.5)
        world.place.run("nft", "flush", "ruleset")
        eventually(lambda: world.place.succeeds("nft", "list", "table", "inet", nftables.GATEWAY_TABLE))
        assert not connects(link, GATEWAY_ADDRESS, 22, seconds=0.5)


def test_rules_that_somebody_emptied_or_added_to_are_put_in_place_again(world: World) -> None:
    link = world.link.place
    with answers(world.place, "0.0.0.0", 22):
        world.place.run("nft", "flush", "table", "inet", nftables.GATEWAY_TABLE)
        eventually(lambda: not connects(link, GATEWAY_ADDRESS, 22, seconds=0.5))
        world.place.run("nft", "insert", "rule", "inet", nftables.GATEWAY_TABLE, "within", "accept")
        eventually(lambda: not connects(link, GATEWAY_ADDRESS, 22, seconds=0.5))
        assert connects(link, GATEWAY_ADDRESS, PROBE_PORT)


def test_the_log_of_wireguard_is_kept_small(world: World) -> None:
    log = world.gateway.state / LOG_FILE
    with log.open("ab") as said:
        said.write(b"x" * MOST_BYTES + b"\n")
    eventually(lambda: log.stat().st_size < MOST_BYTES)


def test_what_was_started_is_gone_when_a_gateway_is_stopped(world: World) -> None:
    world.gateway.stop()
    _require_nothing(world.place)
    world.gateway.start()
    eventually(world.is_reached)


def test_nothing_is_left_of_a_gateway_whose_port_is_anothers(world: World) -> None:
    world.gateway.stop()
    with world.place.do(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("0.0.0.0", 51820))
        with pytest.raises(AssertionError, match="another program has UDP port 51820"):
            world.gateway.start()
    _require_nothing(world.place)
    world.gateway.start()
    eventually(world.is_reached)


def test_raw_ports_lead_through_the_tunnel_and_tell_a_service_who_visits(world: World) -> None:
    home = world.link.place
    with ExitStack() as closing:
        mail = closing.enter_context(home.do(lambda: socket.create_server((LOCAL, 0))))
        names = closing.enter_context(home.do(lambda: Datagrams(LOCAL)).socket)
        exposed = parse_expose(
            f"tcp+proxy://25:{LOCAL}:{mail.getsockname()[1]} udp://53:{LOCAL}:{names.getsockname()[1]}"
        )
        closing.enter_context(loop_in(home)).start(_relay(world.link.address, granted(exposed.ports, RAW)))
        mail.settimeout(SECONDS)
        names.settimeout(0.5)
        asking = closing.enter_context(world.visitor.do(lambda: Datagrams("0.0.0.0")).socket)
        asking.settimeout(0.5)
        eventually(lambda: _is_answered(asking, names, (GATEWAY_OUTER, RAW[1].public)))
        place = (GATEWAY_OUTER, RAW[0].public)
        visitor = closing.enter_context(Stream(world.visitor.do(lambda: socket.create_connection(place, SECONDS))))
        service = closing.enter_context(Stream(mail.accept()[0]))
        head = proxy_header(*visitor.here, visitor.there)
        assert service.take(len(head)) == head
        sending = visitor.send_beside(b"x" * 3_000_000)
        assert service.take(3_000_000) == b"x" * 3_000_000
        sending.join()
        service.send(b"done")
        assert visitor.take(4) == b"done"


async def _relay(address: str, ports: list[tuple[RawPort, int]]) -> None:
    async with relaying(address, ports):
        await asyncio.Event().wait()


def _is_answered(asking: socket.socket, service: socket.socket, place: tuple[str, int]) -> bool:
    """Whether a datagram comes through, whole, and its answer back."""
    said = os.urandom(4000)
    asking.sendto(said, place)
    with suppress(OSError):
        heard, who = service.recvfrom(65535)
        service.sendto(heard[::-1], who)
        return asking.recvfrom(65535) == (said[::-1], place)
    return False


def _registered(gateway: GatewayProcess, network: TunnelNetwork) -> End:
    """Have a link registered, and its end made."""
    hive, link = gateway.allow(), make_link(NAME, ports=RAW)
    hive.push(gateway, link)
    end = network.link
    given = start(link, key=end.key.public).register(gateway)
    assert given.address == end.address
    (peer,) = given.peers
    assert peer.public_key is not None and peer.tunnel
    wanted = WantedPeer(parse(peer.public_key), frozenset({ip_network(peer.inner_address)}), peer.endpoint, 25)
    end.start()
    end.do(lambda tunnel: tunnel.replace_all([wanted], {}))
    return end


def _require_nothing(place: Place) -> None:
    """Fail where something of a gateway is there still."""
    assert not place.succeeds("ip", "link", "show", "mosaic0")
    assert not place.succeeds("nft", "list", "table", "inet", nftables.GATEWAY_TABLE)
    assert processes_called(place, "haproxy") == []
    assert place.run("ip", "route", "show", "type", "unreachable") == ""


@contextmanager
def _answering(place: Place, address: str) -> Iterator[None]:
    """Greet whoever comes to the tunnel's TLS port, and say what he says."""
    listener = place.do(lambda: socket.create_server((address, TLS_PORT), backlog=100))

    def answer(visitor: socket.socket) -> None:
        with visitor, suppress(OSError):
            visitor.sendall(b"tls:")
            while piece := visitor.recv(65536):
                visitor.sendall(piece)

    def accept() -> None:
        with suppress(OSError):
            while True:
                visitor, _ = listener.accept()
                threading.Thread(target=answer, args=(visitor,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _until(stream: socket.socket, words: bytes) -> bytes:
    said = b""
    while words not in said and (piece := stream.recv(65536)):
        said += piece
    return said


def _kill_program(place: Place, name: str) -> None:
    (pid,) = processes_called(place, name)
    os.kill(pid, signal.SIGKILL)
