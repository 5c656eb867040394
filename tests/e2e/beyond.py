"""A Mosaic at home, and an internet where a gateway, an authority that certifies and a visitor are, each in a network
of its own. What the engine starts gets out there from behind this machine's address, and nothing gets in.
"""

import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from e2e.world import EXAMPLES, World
from mosaic.adapters import process
from mosaic.adapters.gateway_client import fingerprint_of
from mosaic.crypto import ca
from mosaic.device.config import LINK_IMAGE
from support.acme_authority import Authority, acme_authority
from support.gateway_process import GatewayProcess, gateway_process
from support.netns.hub import Hub
from support.netns.machine_at_home import machine_at_home
from support.netns.place import Place
from support.ran import Json
from support.unshared import free_port

GATEWAY, AUTHORITY, VISITOR, HOME = (f"198.19.77.{number}" for number in (2, 3, 4, 9))
"""Of the addresses that RFC 2544 sets apart; the hub has .1."""

API_PORT, TLS_PORT, PLAIN_PORT = 8940, 443, 80
DOMAIN = "apps.example.net"
IMAGE_VARIABLE = "MOSAIC_LINK_IMAGE"
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """What a visitor was answered, and the serial number (hex) of the certificate that it came with."""

    status: int
    body: str
    serial: str


@dataclass
class Beyond:
    """`world` is what is at home; the others are out there."""

    world: World
    gateway: GatewayProcess
    gateway_place: Place
    authority: Authority
    authority_place: Place
    visitor: Place
    fingerprint: str
    name: str = ""
    _trusts: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def gateway_url(self) -> str:
        """Where Hives and links ask the gateway."""
        return f"https://{GATEWAY}:{API_PORT}"

    def at_gateway(self, *words: str) -> str:
        """Run one command of the gateway's operator, and return what it printed."""
        command = [sys.executable, "-m", "mosaic.cli.main", "gateway", *words, "--state", str(self.gateway.state)]
        return self.gateway_place.run(*command)

    def orders(self) -> int:
        """Return how many certificates were ordered, whether one was issued or not."""
        return len(re.findall(r"POST /order-plz", self.authority.log.read_text()))

    def visit(self, path: str, *, body: object = None, method: str = "GET", token: str = "") -> Answer:
        """Ask for a page of `name` as a browser does that trusts the authority's certificates. Raises OSError."""
        return self.visitor.do(lambda: self._asked(path, body, method, token))

    def matrix(self, path: str, body: object = None, *, method: str = "POST", token: str = "") -> Json:
        """Ask the app's own API, and expect to be understood."""
        seen = self.visit(f"/_matrix/client/v3/{path}", body=body, method=method, token=token)
        assert seen.status == 200, seen
        return json.loads(seen.body)

    def is_reached(self, path: str = "/_matrix/client/versions") -> bool:
        """Whether the app answers, over a certificate that a visitor trusts."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.visit(path).status == 200
        return False

    def told(self) -> str:
        """Return the ends of all logs, for a failure's message."""
        listed = subprocess.run(
            ["docker", "ps", "--all", "--quiet", "--filter", "label=mosaic.link"],
            capture_output=True, text=True, timeout=60, check=False,
        ).stdout.split()  # fmt: skip
        logs = [
            subprocess.run(
                ["docker", "logs", "--tail", "30", one],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
            ).stdout
            for one in listed
        ]  # fmt: skip
        pebble = self.authority.log.read_text()[-2000:]
        return "\n".join([self.world.told(), self.gateway.said()[-3000:], pebble, *logs])

    def _asked(self, path: str, body: object, method: str, token: str) -> Answer:
        if self._trusts is None:
            self._trusts = ssl.create_default_context(cadata=self.authority_place.do(self.authority.issued_by))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = None if body is None else json.dumps(body)
        with contextlib.closing(_Browser(self.name, self._trusts)) as asked:
            asked.request(method, path, body=content, headers={"Content-Type": "application/json", **headers})
            serial = asked.serial
            answer = asked.getresponse()
            return Answer(answer.status, answer.read().decode(), serial)


class _Browser(http.client.HTTPSConnection):
    """Comes to the gateway for every name: that is where DNS leads."""

    def __init__(self, name: str, trusts: ssl.SSLContext) -> None:
        super().__init__(name, timeout=PATIENCE_SECONDS, context=trusts)
        self._trusts = trusts
        self.serial = ""

    def connect(self) -> None:
        plain = socket.create_connection((GATEWAY, TLS_PORT), PATIENCE_SECONDS)
        secure = self._trusts.wrap_socket(plain, server_hostname=self.host)
        self.serial = str((secure.getpeercert() or {}).get("serialNumber", ""))
        self.sock = secure


@contextlib.contextmanager
def beyond(folder: Path, *, router: str = "haproxy", driver: str = "mosaic-far") -> Iterator[Beyond]:
    """All of it; the gateway knows no Hive yet, and at home is nothing but Mosaic."""
    with ExitStack() as opened, pytest.MonkeyPatch.context() as patched:
        hub = Hub("internet", folder, "198.19.77.1")
        opened.callback(hub.close)
        places = {}
        for name, address in (("gateway", GATEWAY), ("authority", AUTHORITY), ("visitor", VISITOR)):
            place = places[name] = Place(name, folder)
            opened.callback(place.close)
            hub.join(place, address)
        opened.enter_context(machine_at_home(hub, HOME))
        authority = opened.enter_context(_authority(folder, places["authority"]))
        fingerprint, files = _certificate(folder)
        gateway = opened.enter_context(_gateway(folder, places["gateway"], "--router", router, *files))
        patched.setenv(IMAGE_VARIABLE, opened.enter_context(_link_image(folder, authority)))
        world = World(folder, [EXAMPLES], driver=driver)
        opened.callback(world.end)
        world.start("--demo", "--port", str(free_port()))
        (folder / "passphrase").write_text(world.welcome["passphrase"])
        yield Beyond(world, gateway, places["gateway"], authority, places["authority"], places["visitor"], fingerprint)


@contextlib.contextmanager
def _authority(folder: Path, place: Place) -> Iterator[Authority]:
    own = folder / "pebble"
    own.mkdir()

    def start(words: list[str], *, log: Path, env: dict[str, str]) -> process.Child:
        return place.do(lambda: process.spawn(words, log=log, env=env))

    with acme_authority(
        own, https_port=TLS_PORT, http_port=PLAIN_PORT, host=AUTHORITY, address=AUTHORITY, leads_to=GATEWAY, start=start
    ) as made:
        yield made


@contextlib.contextmanager
def _gateway(folder: Path, place: Place, *words: str) -> Iterator[GatewayProcess]:
    def start(argv: list[str], *, log: Path) -> process.Child:
        return place.do(lambda: process.spawn(argv, log=log))

    options = [
        *("--public-host", GATEWAY, "--wireguard-port", "51820", "--listen", f"{GATEWAY}:{API_PORT}"),
        *("--listen-tls", f"{GATEWAY}:{TLS_PORT}", "--listen-plain", f"{GATEWAY}:{PLAIN_PORT}"),
        *("--listen-tunnel", f"{GATEWAY}:8942"),
    ]
    with gateway_process(folder, *options, *words, start=start, name="gw") as made:
        yield made


def _certificate(folder: Path) -> tuple[str, list[str]]:
    """Return the fingerprint of a certificate for the gateway that no public authority signed, and its options."""
    now = datetime.now(UTC)
    issued = ca.issue(ca.make_ca("the gateway's", now), [GATEWAY], now)
    chain, key = folder / "gateway.pem", folder / "gateway.key"
    chain.write_text(issued.certificate_pem)
    key.write_text(issued.key_pem)
    end = "-----END CERTIFICATE-----"
    first = issued.certificate_pem[: issued.certificate_pem.index(end) + len(end)]
    return fingerprint_of(first), ["--cert", str(chain), "--key", str(key)]


@contextlib.contextmanager
def _link_image(folder: Path, authority: Authority) -> Iterator[str]:
    """The link's image, with Pebble in place of Let's Encrypt: compose files do not say who certifies."""
    made = folder / "link-image"
    made.mkdir()
    (made / "root.pem").write_bytes(authority.root.read_bytes())
    lines = [
        f"FROM {os.environ.get(IMAGE_VARIABLE) or LINK_IMAGE}",
        "COPY root.pem /etc/authority.pem",
        f"ENV LINK_ACME_CA={authority.directory} LINK_ACME_ROOT=/etc/authority.pem",
    ]
    (made / "Dockerfile").write_text("\n".join(lines) + "\n")
    tag = f"mosaic-e2e/link:{folder.name.lower()}"
    process.run(["docker", "build", "--quiet", "--network", "none", "--tag", tag, str(made)], deadline_seconds=300)
    try:
        yield tag
    finally:
        process.attempt(["docker", "image", "rm", "--force", tag], deadline_seconds=60)
