"""Gateways, links at home, a visitor and an authority for certificates, each in a place of its own, and all real.

The gateways are of one group and run `mosaic gateway serve`; a link is its
whole program, with Caddy and its tunnel. Only names are simulated, by each place's own file.
"""

import contextlib
import json
import os
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mosaic.adapters import process
from mosaic.adapters.look_from_outside import Seen, look, no_trust
from mosaic.crypto import ca
from mosaic.link import health
from support.acme_authority import Authority, acme_authority
from support.gateway_process import GatewayProcess
from support.gateway_world import DOMAIN, MadeLink, PushingHive, make_link
from support.link_sites import asked_app
from support.netns.home_router import HomeRouter
from support.netns.hub import Hub
from support.netns.place import Place
from support.netns.tunnel_ends import reaches as connects
from support.netns.tunnel_network import (
    GATEWAY_OUTER,
    SECOND_GATEWAY_OUTER,
    TunnelNetwork,
    tunnel_network,
)
from support.unshared import free_port
from support.waiting import eventually

AUTHORITY_HOST, AUTHORITY_OUTER = "acme.example.org", "198.18.0.20"
HOSTS = {"gw1.example.org": GATEWAY_OUTER, "gw2.example.org": SECOND_GATEWAY_OUTER}
PATIENCE_SECONDS = 120.0
WITHOUT_PRIVILEGE = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--")
_PYTHON = {"PYTHONPATH": os.pathsep.join(sys.path)}
_PROGRAM = """
import functools, json, sys
from pathlib import Path
from mosaic.cli.main import run
from mosaic.link import serve
folder, volume, certificates = sys.argv[1:]
serve.Certificates = functools.partial(serve.Certificates, **json.loads(certificates))
serve.serve = functools.partial(serve.serve, run_folder=Path(folder) / "run", storage=Path(volume))
sys.exit(run(["link-run"]))
"""


@dataclass
class RunningLink:
    """One start of a link's program. `folder` has what it keeps in memory alone in a container, and its log."""

    name: str
    place: Place
    folder: Path
    child: process.Child

    @property
    def said(self) -> health.LinkHealth | None:
        return health.read(self.folder / "run")

    def wait_until_ready(self, mode: str | None = None) -> "RunningLink":
        def is_ready() -> bool:
            said = self.said
            return said is not None and said.state == "ready" and mode in (None, said.mode)

        eventually(is_ready, seconds=PATIENCE_SECONDS, seen=self.log)
        return self

    def stop(self) -> None:
        """Stop it as an engine does."""
        self.child.stop(30)

    def log(self) -> str:
        return (self.place.folder / f"{self.folder.name}.log").read_text()


@dataclass
class WholeWorld:
    """All of it. `home` is where links and apps are unless a test says otherwise. `closing` is closed at its end."""

    folder: Path
    network: TunnelNetwork
    authority: Authority
    authority_place: Place
    gateways: Sequence[GatewayProcess]
    closing: ExitStack
    roots: str = ""
    published: list[MadeLink] = field(default_factory=list)
    routers: dict[str, HomeRouter] = field(default_factory=dict)
    started: list[RunningLink] = field(default_factory=list)

    @property
    def home(self) -> Hub:
        return self.network.behind_link

    @property
    def gateway_place(self) -> Place:
        return self.network.gateway.place

    @property
    def gateway_places(self) -> tuple[Place, Place]:
        """Return where the first and the second gateway are."""
        return self.gateway_place, self.network.second_gateway.place

    @property
    def visitor(self) -> Place:
        return self.network.neighbour.place

    @property
    def hive(self) -> PushingHive:
        return self.gateways[0].allow()

    def publish(self, label: str) -> MadeLink:
        """Have the gateways know a link that has `<label>.DOMAIN`."""
        made = make_link(f"{label}.{DOMAIN}")
        self.change(made)
        self.published.append(made)
        return made

    def change(self, link: MadeLink, **changes: object) -> None:
        """Have the gateways know what is wanted of a link now. Every living one goes by it when this returns."""
        self.gateway_place.do(lambda: self.hive.push(self.gateways[0], link, **changes))

    def another_home(self, name: str) -> Hub:
        """Make another home behind a router of its own, where all names are known."""
        router = HomeRouter(f"{name}-router", self.folder, self.network.internet)
        self.routers[name] = router
        self.closing.callback(router.close)
        home = Hub(name, self.folder, "172.18.0.1")
        self.closing.callback(home.close)
        router.join(home)
        home.knows(_NAMES)
        return home

    def another_authority(self, name: str, *, valid_seconds: int) -> Authority:
        """Start an authority whose certificates are good for so long. It is trusted like the first."""
        folder = self.folder / name
        folder.mkdir()
        return self.closing.enter_context(_authority(folder, self.authority_place, valid_seconds))

    def start(
        self,
        link: MadeLink,
        app: int,
        *before: str,
        at: Place | None = None,
        volume: Path | None = None,
        by: Authority | None = None,
        certificates: Mapping[str, object] | None = None,
        **told: str,
    ) -> RunningLink:
        """Start a link's program, with an app at this port of its place.

        `by` issues its certificates, instead of the world's own authority. `certificates` are
        fields of Certificates that no variable sets.
        """
        authority = by or self.authority
        place, name = at or self.home, link.wanted.names[0]
        folder = self.folder / f"link-{len(self.started)}"
        folder.mkdir()
        environment = {
            **_PYTHON,
            "TOKEN": link.token,
            "EXPOSE": f"127.0.0.1:{app}",
            "LINK_GATEWAY": ",".join(f"https://{host}" for host, _ in zip(HOSTS, self.gateways, strict=False)),
            "LINK_GATEWAY_CA": str(self.folder / "gateways.pem"),
            "LINK_ACME_CA": authority.directory,
            "LINK_ACME_ROOT": str(authority.root),
            **told,
        }
        argv = (sys.executable, "-W", "ignore", "-c", _PROGRAM, str(folder), str(volume or folder / "data"))
        words = (*before, *argv, json.dumps(certificates or {}))
        child = place.start(*words, log=f"{folder.name}.log", env=environment)
        made = RunningLink(name, place, folder, child)
        self.started.append(made)
        return made

    def stop_all(self) -> None:
        """Stop every link."""
        for link in self.started:
            link.stop()

    def app(self, at: Place | None = None) -> int:
        """Start an app that says what it was asked, and return its port."""
        return (at or self.home).do(lambda: self.closing.enter_context(asked_app())).port

    def large_app(self, at: Place | None = None) -> int:
        """Start an app for much and for many, and return its port."""
        place, port = at or self.home, free_port()
        words = (sys.executable, "-m", "support.netns.large_app", str(port))
        self.closing.callback(place.start(*words, log="app.log", env=_PYTHON).stop, 0)
        eventually(lambda: connects(place, "127.0.0.1", port))
        return port

    def trusting(self) -> ssl.SSLContext:
        """Return what trusts this world's authority and nobody else."""
        self.roots = self.roots or self.authority_place.do(self.authority.issued_by)
        return ssl.create_default_context(cadata=self.roots)

    def visit(self, name: str, path: str = "/page", *, at: str = GATEWAY_OUTER, seconds: float = 60.0) -> Seen:
        """Ask for a page as a visitor who believes the authority alone."""
        trusts = self.trusting()
        return self.visitor.do(lambda: look((at, 443), name, path, trusts, seconds=seconds))

    def is_reached(self, name: str, *, at: str = GATEWAY_OUTER, seconds: float = 5.0) -> bool:
        """Whether a visitor is answered who soon goes again."""
        try:
            return self.visit(name, at=at, seconds=seconds).status == 200
        except OSError:
            return False

    @contextlib.contextmanager
    def line(self, name: str, *, at: str = GATEWAY_OUTER, visitor: Place | None = None) -> Iterator[ssl.SSLSocket]:
        """Yield a TLS connection of a visitor."""
        came = visitor or self.visitor
        plain = came.do(lambda: socket.create_connection((at, 443), PATIENCE_SECONDS))
        with no_trust().wrap_socket(plain, server_hostname=name) as line:
            yield line

    def certificate(self, name: str) -> bytes | None:
        """Return the certificate that a visitor is shown."""
        with self.line(name) as line:
            return line.getpeercert(binary_form=True)

    @contextlib.contextmanager
    def web_socket(
        self, name: str, *, at: str = GATEWAY_OUTER, visitor: Place | None = None
    ) -> Iterator[ssl.SSLSocket]:
        """Yield a WebSocket's connection, which echoes."""
        with self.line(name, at=at, visitor=visitor) as line:
            line.sendall(
                f"GET /echo HTTP/1.1\r\nHost: {name}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode()
            )
            answer = b""
            while b"\r\n\r\n" not in answer and (piece := line.recv(1)):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 101"), answer
            yield line


_NAMES = {**HOSTS, AUTHORITY_HOST: AUTHORITY_OUTER}


def echoes(line: ssl.SSLSocket, said: bytes) -> bool:
    """Whether what is said comes back."""
    line.sendall(said)
    heard = b""
    while len(heard) < len(said) and (piece := line.recv(1024)):
        heard += piece
    return heard == said


@contextlib.contextmanager
def whole_world(folder: Path, *, routers: Sequence[str] = ("haproxy",)) -> Iterator[WholeWorld]:
    """Yield it, with a gateway for each router that is named (two at most); there is no link yet."""
    with ExitStack() as closing:
        network = closing.enter_context(tunnel_network(folder))
        _certify(folder)
        place = Place("authority", folder)
        closing.callback(place.close)
        network.internet.join(place, AUTHORITY_OUTER)
        place.knows(_NAMES)
        network.behind_link.knows(_NAMES)
        authority = closing.enter_context(_authority(folder, place))
        gateways: list[GatewayProcess] = []
        ends = (network.gateway, network.second_gateway)
        for router, end, (host, address) in zip(routers, ends, HOSTS.items(), strict=False):
            end.place.knows(_NAMES)
            made = _gateway(folder, router, end.place, host, address)
            gateways.append(made)
            closing.callback(made.stop)
            made.start()
        world = WholeWorld(folder, network, authority, place, gateways, closing)
        closing.callback(world.stop_all)
        yield world


def _gateway(folder: Path, router: str, place: Place, host: str, address: str) -> GatewayProcess:
    options = [
        *("--database", f"sqlite:///{folder}/group.db", "--router", router),
        *("--public-host", host, "--wireguard-port", "51820", "--listen-tunnel", f"{address}:8942"),
        *("--listen-tls", f"{address}:443", "--listen-plain", f"{address}:80"),
        *("--cert", str(folder / "gateways-chain.pem"), "--key", str(folder / "gateways-key.pem")),
    ]
    return GatewayProcess(folder, *options, start=_Starter(place), name=host.partition(".")[0])


class _Starter:
    """Starts programs at a place."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self, words: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> process.Child:
        return self._place.do(lambda: process.spawn(words, log=log, env=env))


def _authority(
    folder: Path, place: Place, valid_seconds: int | None = None
) -> contextlib.AbstractContextManager[Authority]:
    return acme_authority(
        folder,
        https_port=443,
        http_port=80,
        host=AUTHORITY_HOST,
        address=AUTHORITY_OUTER,
        leads_to=GATEWAY_OUTER,
        valid_seconds=valid_seconds,
        start=_Starter(place),
    )


def _certify(folder: Path) -> None:
    """Write a certificate of the gateways' own names, and the authority by which links know it."""
    now = datetime.now(UTC)
    authority = ca.make_ca("the gateways'", now)
    issued = ca.issue(authority, [*HOSTS, "127.0.0.1"], now)
    texts = {"": authority.certificate_pem, "-chain": issued.certificate_pem, "-key": issued.key_pem}
    for which, text in texts.items():
        (folder / f"gateways{which}.pem").write_text(text)
