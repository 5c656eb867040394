"""The seed's compose file, as it is, on a whole Device of a real Hive that has a gateway: installed, linked, back."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mosaic.core import link_token
from mosaic.core.link_settings import LinkSettings, read_settings
from mosaic.crypto.link_tokens import hash_of
from mosaic.device.config import LINK_IMAGE
from mosaic.device.enrol import enrol
from mosaic.wire.link_api import AddGateway, AddLink, Link, LinkGateway, RotateToken
from support.pushed_gateway import BASE, link_gateway
from support.pushed_gateway import LinkGateway as Gateway
from support.running_device import Running, running_device
from support.running_hive import PASSPHRASE, Owner, RunningHive, running_hive, write_app
from support.waiting import eventually

pytestmark = pytest.mark.long

SEED = Path(__file__).parents[2] / "examples" / "element" / "docker-compose.yml"
IMAGES = ("fractalnetworks/element-nginx-proxy:latest", "vectorim/element-web:latest", "matrixdotorg/synapse:latest")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with link_gateway() as made:
        yield made


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[RunningHive]:
    write_app(tmp_path / "hive" / "catalog", "element", SEED.read_text())
    with running_hive(tmp_path / "hive") as running:
        yield running


@pytest.fixture
def device(tmp_path: Path, owner: Owner, hive: RunningHive, gateway: Gateway) -> Iterator[Running]:
    """A Device of a Hive that uses the gateway, with the seed's app on it."""
    assert hive.hive is not None
    gateway.allowed.add(hive.hive.key.public)
    gateway.now = lambda: hive.clock.wall_ns() / 1e9
    with owner.client() as client:
        client.send("POST", "/api/link-gateways", AddGateway(gateway.url), LinkGateway)
    folder = tmp_path / "device"
    folder.mkdir()
    with running_device(folder, enrol(folder, owner.join_token(), "attic", passphrase=PASSPHRASE)) as made:
        made.engine.have(LINK_IMAGE, *IMAGES)
        eventually(lambda: owner.devices()[0].connected)
        owner.install("element")
        eventually(lambda: owner.installation("element").health.colour == "green", seen=owner.installation)
        yield made


def told(folder: Path) -> dict[str, str]:
    """Return the environment of the link that runs."""
    (file,) = (folder / "device" / "projects").glob("*/compose.json")
    return msgspec.convert(msgspec.json.decode(file.read_bytes())["services"]["link"]["environment"], dict[str, str])


def settings(folder: Path) -> LinkSettings:
    """Return what the link reads there."""
    return read_settings(told(folder))


def states(device: Running) -> set[str]:
    return {one.state for found in device.engine.running.values() for one in found}


def test_the_seeds_file_is_in_lan_mode_until_its_hive_has_a_link_for_it_and_then_again(
    tmp_path: Path, owner: Owner, device: Running, gateway: Gateway
) -> None:
    assert settings(tmp_path).is_lan

    with owner.client() as client:
        link = client.send("PUT", "/api/installations/element/link", AddLink([], "quiet-fox"), Link)
    eventually(lambda: not settings(tmp_path).is_lan)
    found = settings(tmp_path)
    assert (found.names, found.gateways) == ((f"element.quiet-fox.{BASE}",), (gateway.url,))
    token = link_token.parse(found.token)
    assert token is not None and token.link == link.id
    # By the hash that the Device told, the gateway lets that very token in, under that very epoch.
    eventually(lambda: gateway.links[link.id].tokens != [])
    wanted = gateway.links[link.id]
    assert [one.sha256 for one in wanted.tokens] == [hash_of(token)]
    assert (wanted.epoch, wanted.names) == (str(found.epoch), list(found.names))

    with owner.client() as client:
        client.send("POST", "/api/installations/element/link/rotate", RotateToken(False), Link)
    eventually(lambda: settings(tmp_path).token != found.token)
    rotated = link_token.parse(settings(tmp_path).token)
    assert rotated is not None
    eventually(lambda: hash_of(rotated) in {one.sha256 for one in gateway.links[link.id].tokens})

    # No snapshot arrives at this Hive, so the Device is at its first one all the time; the link is looked after.
    device.engine.crash("link", code=3)
    eventually(lambda: states(device) == {"running"})

    with owner.client() as client:
        client.order("DELETE", "/api/installations/element/link")
    eventually(lambda: settings(tmp_path).is_lan)
    eventually(lambda: owner.installation("element").health.colour == "green", seen=owner.installation)
