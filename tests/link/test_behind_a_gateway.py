"""A link at home behind a gateway on the internet: its whole program, real tunnels, and what happens between them.

The router of its home, what UDP does, and who is killed is up to each test.
"""

import contextlib
import os
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mosaic.adapters.look_from_outside import Seen, look, no_trust
from mosaic.adapters.process import Child
from mosaic.adapters.wireguard.tunnel import Tunnel
from mosaic.crypto import tunnel_key
from mosaic.link import health
from support.link_sites import AskedApp, asked_app
from support.netns.place import Place
from support.netns.simulated_gateway import HOST, TLS_PORT, SimulatedGateway, simulated_gateway
from support.netns.tunnel_network import GATEWAY_OUTER, TunnelNetwork, tunnel_network
from support.waiting import eventually

pytestmark = [pytest.mark.netns, pytest.mark.long]

NAME = "chat.example.org"
TOKEN = "lk_abcdefgh2345_" + "s3cret" * 8
PATIENCE_SECONDS = 60
PROGRAM = """
import os, sys
from pathlib import Path
from mosaic.link import serve
from mosaic.link.parts import Pace
serve.Pace = lambda: Pace(
    register_pause=0.1, longest_pause=1, first_probe=0.1, probe_deadline=0.5, check_pause=0.1, refresh=2
)
folder = Path(sys.argv[1])
serve.serve(dict(os.environ), run_folder=folder / "run", storage=folder / "data")
"""
WITHOUT_PRIVILEGE = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--")


@dataclass
class World:
    """A link at home, which is started by the test, an app beside it, and a visitor who lives elsewhere."""

    folder: Path
    network: TunnelNetwork
    gateway: SimulatedGateway
    app: AskedApp
    running: list[Child] = field(default_factory=list)

    @property
    def home(self) -> Place:
        return self.network.behind_link

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    def start(self, *before: str, **told: str) -> Child:
        """Start the link's program."""
        environment = {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "LINK": NAME,
            "TOKEN": TOKEN,
            "EXPOSE": f"127.0.0.1:{self.app.port}",
            "FRACTAL_API": self.gateway.url,
            "LINK_GATEWAY_CA": str(self.gateway.ca_file),
            "LINK_TLS": "internal",
            **told,
        }
        words = (*before, sys.executable, "-W", "ignore", "-c", PROGRAM, str(self.folder))
        self.running.append(self.home.start(*words, log="link.log", env=environment))
        return self.running[-1]

    def started(self, **told: str) -> Child:
        """Start it, and return when a visitor reaches it."""
        child = self.start(**told)
        self.wait_until_ready()
        return child

    def wait_until_ready(self, mode: str | None = None) -> None:
        def is_ready() -> bool:
            said = health.read(self.run_folder)
            return said is not None and said.state == "ready" and mode in (None, said.mode)

        eventually(is_ready, seconds=120, seen=self.log)

    def log(self) -> str:
        return (self.home.folder / "link.log").read_text()

    def visit(self, *, seconds: float = PATIENCE_SECONDS) -> Seen:
        """Ask for a page as a visitor."""
        place = self.network.neighbour.place
        return place.do(lambda: look((GATEWAY_OUTER, TLS_PORT), NAME, "/page", no_trust(), seconds=seconds))

    def is_reached(self) -> bool:
        """Whether a visitor is answered who goes again soon."""
        try:
            return self.visit(seconds=5).status == 200
        except OSError:
            return False

    @contextlib.contextmanager
    def web_socket(self) -> Iterator[ssl.SSLSocket]:
        """Yield a WebSocket's connection, which echoes."""
        place = self.network.neighbour.place
        plain = place.do(lambda: socket.create_connection((GATEWAY_OUTER, TLS_PORT), PATIENCE_SECONDS))
        with no_trust().wrap_socket(plain, server_hostname=NAME) as line:
            line.sendall(
                f"GET /echo HTTP/1.1\r\nHost: {NAME}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode()
            )
            answer = b""
            while b"\r\n\r\n" not in answer and (piece := line.recv(1)):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 101")
            yield line


def echoes(line: ssl.SSLSocket, said: bytes) -> bool:
    line.sendall(said)
    heard = b""
    while len(heard) < len(said) and (piece := line.recv(1024)):
        heard += piece
    return heard == said


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with tunnel_network(tmp_path) as network, ExitStack() as closing:
        network.behind_link.knows({HOST: GATEWAY_OUTER})
        gateway = closing.enter_context(simulated_gateway(network.gateway, tmp_path, NAME))
        app = network.behind_link.do(lambda: closing.enter_context(asked_app()))
        made = World(tmp_path, network, gateway, app)
        yield made
        for child in made.running:
            child.stop(30)


def test_a_visitor_reaches_the_app_by_wireguard_is_who_he_is_and_it_leaves_in_order(world: World) -> None:
    child = world.started()
    seen = world.visit()
    assert (seen.status, f'"x-forwarded-for": "{world.network.neighbour_wire.address}"' in seen.body) == (200, True)
    assert [asked.mode for asked in world.gateway.asked][:1] == ["userspace"]
    child.stop(30)
    assert len(world.gateway.left) == 1
    assert "mosaic-" not in world.home.run("ip", "-brief", "link")
    assert TOKEN not in world.log()


def test_without_any_privilege_the_same_is_reached_by_tcp(world: World) -> None:
    world.start(*WITHOUT_PRIVILEGE)
    world.wait_until_ready("tcp")
    seen = world.visit()
    assert (seen.status, f'"x-forwarded-for": "{world.network.neighbour_wire.address}"' in seen.body) == (200, True)
    assert {asked.mode for asked in world.gateway.asked} == {"tcp"}


def test_a_mode_that_cannot_be_here_ends_it_with_one_sentence(world: World) -> None:
    child = world.start(*WITHOUT_PRIVILEGE, LINK_MODE="userspace")
    assert child.wait(60) not in (None, 0)
    assert "LINK_MODE=userspace is not possible here: the capability NET_ADMIN is missing" in world.log()
    assert world.gateway.asked == []


def test_a_network_that_lets_no_udp_out_is_served_by_tcp(world: World) -> None:
    world.network.router.block_udp()
    world.start()
    world.wait_until_ready("tcp")
    assert world.visit().status == 200
    assert world.gateway.asked[0].mode == "userspace"


def test_a_network_that_ceases_to_let_udp_out_is_served_by_tcp_from_then_on(world: World) -> None:
    world.started()
    world.network.router.block_udp()
    world.wait_until_ready("tcp")
    assert world.visit().status == 200


def test_a_gateway_without_wireguard_is_reached_by_tcp(world: World) -> None:
    world.gateway.lacks = {"kernel", "userspace"}
    world.start()
    world.wait_until_ready("tcp")
    assert world.visit().status == 200


@pytest.mark.parametrize("mode", ["userspace", "tcp"])
def test_a_home_that_gets_another_address_is_reached_again(world: World, mode: str) -> None:
    world.started(LINK_MODE=mode)
    world.network.router.change_address("198.18.0.99")
    eventually(world.is_reached, seconds=120, seen=world.log)


def test_an_open_web_socket_by_wireguard_survives_another_address_of_the_home(world: World) -> None:
    world.started(LINK_MODE="userspace")
    with world.web_socket() as line:
        assert echoes(line, b"before")
        world.network.router.change_address("198.18.0.99")
        assert echoes(line, b"after")


def test_a_gateways_wireguard_that_was_killed_is_greeted_anew_without_another_registration(world: World) -> None:
    world.started(LINK_MODE="userspace")
    registered = {asked.public_key for asked in world.gateway.asked}
    end = world.network.gateway
    assert end.maker.pid is not None
    os.kill(end.maker.pid, signal.SIGKILL)
    eventually(lambda: not end.do(Tunnel.is_up))
    end.do(Tunnel.mend)
    eventually(world.is_reached, seconds=120, seen=world.log)
    assert {asked.public_key for asked in world.gateway.asked} == registered


def test_a_gateway_that_became_another_is_registered_at_again(world: World) -> None:
    world.started(LINK_MODE="userspace")
    end = world.network.gateway
    end.close()
    end.key = tunnel_key.generate()
    end.renew_owner()
    end.start()
    eventually(world.is_reached, seconds=120, seen=world.log)


def test_a_link_that_was_killed_is_there_again_and_leaves_no_interface_behind(world: World) -> None:
    first = world.started(LINK_MODE="userspace")
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait(60) is not None
    (world.run_folder / "health.json").unlink()
    world.started(LINK_MODE="userspace")
    eventually(world.is_reached, seconds=120, seen=world.log)
    assert world.home.run("ip", "-brief", "link").count("mosaic-") == 1


def test_a_gateway_that_says_that_another_has_the_link_ends_it(world: World) -> None:
    child = world.started()
    world.gateway.inside.answers = dict.fromkeys(world.gateway.inside.answers, 409)
    assert child.wait(60) not in (None, 0)
    said = health.read(world.run_folder)
    assert said is not None
    assert said.state == "ended"
