"""A link in the browser: its names and proofs, a look at what is wrong, with a real gateway and a DNS."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from console import ways
from console.test_accessible import check, faults, too_wide
from support.link_world import link_world
from support.manual_clock import ManualClock
from support.public_world import PublicWorld, public_world
from support.pushed_gateway import BASE
from support.running_hive import Owner
from support.waiting import eventually

pytestmark = pytest.mark.browser
DOMAIN = "my-notes.example.org"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PublicWorld]:
    with public_world(tmp_path) as made:
        yield made


def test_a_domain_is_added_proved_and_taken_off_on_the_page_of_the_link(page: Page, world: PublicWorld) -> None:
    ways.log_in(page, world.world.hive, then="/apps/notes")
    main = page.get_by_role("main")
    expect(main.get_by_role("link", name=world.name)).to_have_attribute("href", f"https://{world.name}")
    page.get_by_role("link", name="Its link: names, proofs, what is wrong").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("notes is not reached from anywhere yet.")
    page.get_by_label("A domain of your own").fill(DOMAIN)
    page.get_by_role("button", name="Add the domain").click()
    proof = world.world.name(DOMAIN).proof
    assert proof is not None
    expect(main).to_contain_text(proof.txt_value)
    expect(main.get_by_role("row", name=DOMAIN)).to_contain_text("Waits for its proof")
    world.world.write_txt(DOMAIN)
    page.get_by_role("button", name=f"Look now at the DNS of {DOMAIN}").click()
    expect(main.get_by_role("row", name=DOMAIN)).to_contain_text("Leads here")
    expect(main).not_to_contain_text(proof.txt_value)
    page.get_by_role("button", name=f"Take off {DOMAIN}").click()
    expect(main).not_to_contain_text(DOMAIN)
    assert [name.name for name in world.world.link().names] == [world.name]


def test_a_look_shows_what_is_wrong_and_what_to_do_and_is_accessible(page: Page, world: PublicWorld) -> None:
    world.lead(world.name, "192.0.2.66")
    world.world.add("a-domain-as-long-as-domains-of-their-owners-may-be.photos-and-notes.example.com")
    ways.log_in(page, world.world.hive, then="/apps/notes/link")
    url = world.world.hive.url
    found = [fault for path in ("/apps/notes/link", "/links", "/apps/notes") for fault in check(page, f"{url}{path}")]
    page.goto(f"{url}/apps/notes/link")
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("checks do not hold")
    told = page.get_by_role("region", name=world.name)
    expect(told.get_by_role("row", name="DNS")).to_contain_text("It leads to 192.0.2.66")
    expect(told.get_by_role("row", name="DNS")).to_contain_text("CNAME gw.example.net.")
    expect(page.get_by_role("region", name="The link of notes").get_by_role("row", name="Handshake")).to_contain_text(
        "mosaic logs notes"
    )
    found += faults(page) + too_wide(page)
    assert not found, "\n".join(found)


def test_an_app_without_a_link_is_given_one_with_a_chosen_part_of_its_names(page: Page, world: PublicWorld) -> None:
    world.world.remove()
    ways.log_in(page, world.world.hive, then="/links")
    expect(page.get_by_role("heading", level=1)).to_have_text("No app is reached from anywhere.")
    expect(page.get_by_role("region", name="Gateways")).to_contain_text("Names under homes.example.net")
    page.goto(f"{world.world.hive.url}/apps/notes/link")
    page.get_by_role("button", name="Give notes a link").click()
    expect(page.get_by_role("row", name="notes.brave-otter.homes.example.net")).to_be_visible()
    page.goto(world.world.hive.url)
    page.get_by_role("link", name="1 link").click()
    expect(page.get_by_role("region", name="notes")).to_contain_text("notes.brave-otter.homes.example.net")
    world.world.remove()
    assert check(page, f"{world.world.hive.url}/apps/notes/link") == []


def test_ports_a_token_the_first_name_and_the_link_itself_are_changed_on_its_pages(page: Page, tmp_path: Path) -> None:
    with link_world(tmp_path, clock=ManualClock(time.time_ns())) as world:
        own, other = (f"{first}.brave-otter.{BASE}" for first in ("notes", "journal"))
        world.add(other, label="brave-otter")
        here = f"{world.hive.url}/apps/notes/link"
        ways.log_in(page, world.hive, then="/apps/notes/link")
        page.get_by_label("Port, as EXPOSE calls it").fill("25565")
        page.get_by_label("Public port").fill("25")
        page.get_by_role("button", name="Open the port").click()
        expect(page.get_by_role("alert")).to_contain_text("opens ports 20000 to 29999 alone")
        found = faults(page) + too_wide(page)
        page.get_by_label("Public port").fill("25565")
        page.get_by_role("button", name="Open the port").click()
        expect(page.get_by_role("region", name="Raw ports").get_by_role("row", name="tcp 25565")).to_be_visible()
        assert [port.public for port in world.link().ports] == [25565]
        eventually(lambda: world.link().token_known)
        found += check(page, here)
        page.get_by_role("button", name="Make another token").click()
        eventually(lambda: world.link().token == 2 and world.link().token_known)
        page.goto(here)
        expect(page.get_by_role("region", name="Token")).to_contain_text("Number 2")
        page.get_by_role("button", name="Give back tcp 25565").click()
        expect(page.get_by_role("button", name="Give back tcp 25565")).to_have_count(0)
        page.get_by_role("link", name=f"Take off {own}").click()
        expect(page.get_by_role("main")).to_contain_text(f"notes is told {other} as its name, in place of {own}")
        found += check(page, page.url)
        page.get_by_role("button", name=f"Take off {own}").click()
        expect(page.get_by_role("row", name=other)).to_contain_text("the app is told this one")
        page.get_by_role("link", name="Remove the link…").click()
        expect(page.get_by_role("main")).to_contain_text("notes is told notes.localhost as its name")
        page.get_by_role("button", name="Remove the link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("notes is not reached from anywhere.")
        assert not found, "\n".join(found)


def test_the_link_of_an_app_in_the_trash_is_named_and_leads_nowhere(page: Page, world: PublicWorld) -> None:
    world.world.owner.uninstall()
    ways.log_in(page, world.world.hive, then="/links")
    expect(page.get_by_role("main")).to_contain_text("In the trash, with its link kept and closed: notes.")
    expect(page.get_by_role("link", name="notes", exact=True)).to_have_count(0)


def test_a_hive_without_a_gateway_says_how_it_gets_one(page: Page, owner: Owner, attic: object) -> None:
    owner.install()
    ways.log_in(page, owner.hive, then="/apps/notes/link")
    expect(page.get_by_role("main")).to_contain_text("mosaic link gateway add URL")
    expect(page.get_by_role("button", name="Give notes a link")).to_have_count(0)
