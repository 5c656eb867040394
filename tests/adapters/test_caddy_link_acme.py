"""A link's certificates, from a real authority: by each challenge, behind every guard, and once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters import caddy_link
from mosaic.adapters.caddy import Json
from mosaic.adapters.caddy_link import Certificates, Place, Serving
from mosaic.core.expose import parse
from mosaic.core.link_guards import BasicUser, Guards
from mosaic.core.link_settings import Acme
from support.acme_authority import Authority, acme_authority
from support.link_sites import a_place, running_site
from support.waiting import eventually

NAME = "chat.example.org"
GUARDS = Guards(("192.0.2.0/24",), (BasicUser("ada", "$2b$04$JcRiUtyu2zPEWj35Ls5YsuS/ZqP4.6epmPpP.38Xse.THr.1Uxmoi"),))

pytestmark = pytest.mark.acme


@pytest.fixture
def place() -> Place:
    return a_place()


@pytest.fixture
def authority(tmp_path: Path, place: Place) -> Iterator[Authority]:
    folder = tmp_path / "authority"
    folder.mkdir()
    with acme_authority(folder, https_port=place.tls_port, http_port=place.challenge_port) as made:
        yield made


def configured(folder: Path, place: Place, authority: Authority, *challenges: str) -> Json:
    acme = Acme(authority.directory, str(authority.root), "ada@example.org")
    certificates = Certificates(folder / "data", "acme", acme, challenges or ("tls-alpn", "http"))
    serving = Serving(parse("127.0.0.1:1"), GUARDS)
    return caddy_link.link(folder / "admin.sock", place, [NAME], serving, certificates, session="s")


@pytest.mark.parametrize("challenge", ["tls-alpn", "http"])
def test_a_name_is_proved_by_each_challenge_behind_all_guards(
    tmp_path: Path, place: Place, authority: Authority, challenge: str
) -> None:
    with running_site(tmp_path, place, configured(tmp_path, place, authority, challenge)) as site:
        eventually(lambda: site.serial(NAME), seen=(tmp_path / "caddy.log").read_text)
        assert site.ask(NAME).status == 401
    assert ("Attempting to validate w/ HTTP" in authority.log.read_text()) == (challenge == "http")
    assert authority.orders() == 1


def test_a_link_that_is_started_again_elsewhere_with_its_volume_orders_nothing(
    tmp_path: Path, place: Place, authority: Authority
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with running_site(first, place, configured(first, place, authority)) as site:
        eventually(lambda: site.serial(NAME), seen=(first / "caddy.log").read_text)
        shown = site.serial(NAME)
    (first / "data").rename(second / "data")
    with running_site(second, place, configured(second, place, authority)) as site:
        eventually(lambda: site.serial(NAME), seen=(second / "caddy.log").read_text)
        assert site.serial(NAME) == shown
    assert authority.orders() == 1
