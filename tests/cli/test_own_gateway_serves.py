"""The gateway of `mosaic up --gateway` as it runs: its Hive finds it by HTTPS, and a link is reached."""

import shlex
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.adapters import process
from mosaic.adapters.clock import SystemClock
from mosaic.cli.up import own_gateway, settings
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.services import MOSAIC
from mosaic.cli.up.settings import Settings
from mosaic.core.ids import LinkId
from mosaic.crypto import ca, link_tokens
from mosaic.hive.config import OwnGateway
from mosaic.wire.link_api import AddLink, Link, LinkGateway
from support.fake_device import FakeDevice
from support.gateway_world import Session, make_link
from support.running_hive import Owner, running_hive
from support.tcp_link import reaches, tcp_link
from support.unshared import free_port, own_network
from support.waiting import eventually

pytestmark = [pytest.mark.acme, pytest.mark.long]

BASE = "apps.example.net"


@dataclass(frozen=True)
class Api:
    """Where links ask."""

    url: str


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A state folder, in which a gateway was chosen that has a certificate for `localhost`."""
    now = datetime.now(UTC)
    authority = ca.make_ca("the gateway's", now)
    issued = ca.issue(authority, ["localhost", "127.0.0.1"], now)
    for name, text in (("chain", issued.certificate_pem), ("key", issued.key_pem), ("root", authority.certificate_pem)):
        (tmp_path / f"{name}.pem").write_text(text)
    made = Layout(tmp_path)
    tls, api, plain, tunnel = (free_port() for _ in range(4))
    words = [
        *("--listen", f"127.0.0.1:{api}", "--listen-tls", f"127.0.0.1:{tls}"),
        *("--listen-plain", f"127.0.0.1:{plain}", "--listen-tunnel", f"127.0.0.1:{tunnel}"),
        *("--network", "10.100.0.0/22", "--tcp-network", own_network()),
        *("--cert", str(tmp_path / "chain.pem"), "--key", str(tmp_path / "key.pem")),
    ]
    url, root = f"https://localhost:{tls}", str(tmp_path / "root.pem")
    chosen = Settings(gateway="localhost", gateway_domain=BASE, gateway_url=url, gateway_root=root)
    settings.save(made.settings, replace(chosen, gateway_options=shlex.join(words)))
    return made


def test_a_link_is_reached_by_the_gateway_beside_its_hive_without_a_further_word(layout: Layout) -> None:
    chosen = settings.load(layout.settings)
    assert chosen.gateway_url is not None and chosen.gateway_root is not None
    words = own_gateway.options(chosen)
    api = Api(f"https://{words[words.index('--listen') + 1]}")
    tls = int(chosen.gateway_url.rpartition(":")[2])
    log = layout.state / "gateway.log"
    own = OwnGateway(chosen.gateway_url, Path(chosen.gateway_root))
    with running_hive(layout.state, clock=SystemClock(), own_gateway=own) as hive:
        child = process.spawn([*MOSAIC, *own_gateway.starting_words(layout)], log=log)
        try:
            owner, device = hive.set_up(), FakeDevice()
            device.join(owner.join_token())
            device.connect()
            owner.install()
            eventually(lambda: owner.installation().phase == "settled")
            eventually(lambda: _domains(owner) == [BASE], seen=log.read_text)
            with owner.client() as client:
                link = client.send("PUT", "/api/installations/notes/link", AddLink([], "brave-otter"), Link)
            token = str(link_tokens.derive(device.root, LinkId(link.id), 1))
            session = Session(make_link(), token, epoch=owner.installation().epoch, mode="tcp")
            # Asked before that the gateway would take us for somebody who guesses tokens.
            eventually(lambda: _is_known(owner), seen=log.read_text)
            with tcp_link(session.register(api)):
                eventually(lambda: reaches(tls, f"notes.brave-otter.{BASE}"))
            device.disconnect()
        finally:
            child.stop(60)
    assert token not in log.read_text()


def _domains(owner: Owner) -> list[str]:
    with owner.client() as client:
        found = client.get("/api/link-gateways", list[LinkGateway])
    return [domain for one in found if one.about is not None for domain in one.about.domains]


def _is_known(owner: Owner) -> bool:
    """Whether the gateway has the link, with the token that the Device told the hash of."""
    with owner.client() as client:
        link = client.get("/api/installations/notes/link", Link)
    return link.token_known and all(one.taken for one in link.gateways)
