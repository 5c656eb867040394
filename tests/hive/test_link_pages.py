"""Forms of a link's page, as a browser sends them: what is refused is said beside the form, and changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from mosaic.wire.link_api import AddGateway, LinkGateway
from support.link_world import LinkWorld, link_world
from support.pushed_gateway import BASE, link_gateway
from support.running_hive import PASSWORD
from support.waiting import eventually

pytestmark = pytest.mark.long

HERE = "/apps/notes/link"
OWN, OTHER = f"notes.brave-otter.{BASE}", f"journal.brave-otter.{BASE}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with link_world(tmp_path) as made:
        yield made


@pytest.fixture
def browser(world: LinkWorld) -> Iterator[httpx2.Client]:
    """A browser whose user is signed in to the Console, and whose app has a link with two names."""
    world.add(OTHER, label="brave-otter")
    with httpx2.Client(base_url=world.hive.url, trust_env=False, timeout=60) as client:
        client.post("/login", data={"name": "ada", "password": PASSWORD})
        yield client


def sent(browser: httpx2.Client, path: str, **fields: str) -> httpx2.Response:
    """Send a form of the page."""
    csrf = browser.get("/account").text.partition('name="csrf" value="')[2].partition('"')[0]
    return browser.post(f"{HERE}{path}", data={"csrf": csrf, **fields})


def names(world: LinkWorld) -> list[str]:
    return [name.name for name in world.link().names]


@pytest.mark.parametrize(
    ("path", "fields", "status", "said"),
    [
        ("", {"domain": "nas.local"}, 422, "nas.local"),
        ("", {"domain": "*.example.com"}, 422, "cannot be had"),
        ("", {"domain": f"someone.{BASE}"}, 422, "is not yours to take"),
        ("/remove-domain", {"domain": "none.example.com"}, 404, "is no name of notes&#39;s link"),
        ("/remove-domain", {}, 422, "is no"),
        ("/ports", {"protocol": "sctp", "named": "25"}, 422, "is no protocol of raw ports"),
        ("/ports", {"protocol": "tcp", "named": "many"}, 422, "is no port"),
        ("/ports", {"protocol": "tcp", "named": "0"}, 422, "0 is no port"),
        ("/ports", {"protocol": "tcp", "named": "65536"}, 422, "65536 is no port"),
        ("/ports", {"protocol": "tcp", "named": "25", "public": "25"}, 422, "opens ports 20000 to 29999 alone"),
        ("/ports/remove", {"protocol": "tcp", "named": "25"}, 404, "has no tcp port 25"),
        ("/ports/remove", {"protocol": "tcp", "named": "²"}, 422, "is no port"),
        ("/move", {"gateway": "nowhere"}, 404, "there is no gateway"),
        ("/move", {"gateway": "gw"}, 409, "carries the link of notes already"),
    ],
)
def test_what_is_refused_is_said_and_changes_nothing(
    world: LinkWorld, browser: httpx2.Client, path: str, fields: dict[str, str], status: int, said: str
) -> None:
    before = world.link()
    answer = sent(browser, path, **fields)
    assert (answer.status_code, said.lower() in answer.text.lower()) == (status, True), answer.text
    # A plan that cannot be made is a page of its own.
    assert ('role="alert"' in answer.text) == (path != "/move")
    after = world.link()
    assert (after.names, after.ports, after.token) == (before.names, before.ports, before.token)


@pytest.mark.parametrize("path", ["", "/remove", "/remove-domain", "/rotate", "/ports", "/ports/remove", "/move"])
def test_a_form_that_is_not_of_this_session_changes_nothing(
    world: LinkWorld, browser: httpx2.Client, path: str
) -> None:
    fields = {"csrf": "0" * 64, "domain": OTHER, "protocol": "tcp", "named": "25", "gateway": "gw"}
    answer = browser.post(f"{HERE}{path}", data=fields)
    assert answer.status_code == 422 and "nothing was changed" in answer.text
    assert names(world) == [OWN, OTHER] and world.link().token == 1 and world.link().ports == []


def test_what_was_typed_stays_in_the_form_that_was_refused(browser: httpx2.Client) -> None:
    refused = sent(browser, "/ports", protocol="udp", named="twelve", public="20001")
    for kept in ('value="twelve"', 'value="20001"', '<option value="udp" selected>'):
        assert kept in refused.text
    assert 'value="nas.local"' in sent(browser, "", domain="nas.local").text


def test_without_a_link_or_an_app_the_pages_say_so(world: LinkWorld, browser: httpx2.Client) -> None:
    assert sent(browser, "/remove").status_code == 303
    for path in ("/remove", "/remove-domain?domain=x", "/move?gateway=gw"):
        answer = browser.get(f"{HERE}{path}")
        assert answer.status_code == 404 and "notes has no link" in answer.text.lower(), path
    for path in ("/rotate", "/ports"):
        answer = sent(browser, path, protocol="tcp", named="25")
        assert answer.status_code == 404 and "notes has no link" in answer.text.lower(), path
    assert browser.get("/apps/nothing/link").status_code == 404


def test_the_plan_for_the_first_name_says_what_the_app_is_told_instead(
    world: LinkWorld, browser: httpx2.Client
) -> None:
    page = browser.get(HERE).text
    assert f'href="{HERE}/remove-domain?domain={OWN}"' in page and f'value="{OTHER}"' in page
    plan = browser.get(f"{HERE}/remove-domain?domain={OWN}").text
    assert f"notes is told {OTHER} as its name, in place of {OWN}" in plan and names(world) == [OWN, OTHER]
    assert browser.get(f"{HERE}/remove-domain?domain=none.example.com").status_code == 404
    assert sent(browser, "/remove-domain", domain=OWN).status_code == 303 and names(world) == [OTHER]


def test_another_gateway_that_went_away_is_said_on_the_plan_and_nothing_is_moved(
    world: LinkWorld, browser: httpx2.Client
) -> None:
    with link_gateway("gw2", "homes.example.org") as other, world.owner.client() as client:
        other.now = world.gateway.now
        other.allowed.add(world.own().key.public)
        client.send("POST", "/api/link-gateways", AddGateway(other.url), LinkGateway)
        plan = browser.get(f"{HERE}/move?gateway=gw2").text
        assert f"notes.brave-otter.homes.example.org is given out in place of {OWN}" in plan
        other.stop()
        refused = sent(browser, "/move", gateway="gw2")
        assert refused.status_code == 503 and 'role="alert"' in refused.text
        assert world.link().gateways[0].gateway == "gw"
        other.start()
        assert sent(browser, "/move", gateway="gw2").status_code == 303
        eventually(lambda: world.link().gateways[0].gateway == "gw2" and world.link().gateways[0].taken)
