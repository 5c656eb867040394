"""Refused input shows one sentence and a hint, and changes nothing; words that try to be markup stay words."""

import pytest
from playwright.sync_api import Page, expect

from console import ways
from console.showing import ShowingDevice
from mosaic.wire.report import Step
from mosaic.wire.storage import Failure
from support.running_hive import Owner, write_app

pytestmark = pytest.mark.browser
MARKUP = "<img src=x onerror=alert(1)><script>alert(1)</script>"


@pytest.fixture(autouse=True)
def no_alert(page: Page) -> None:
    """Anything that runs would say so here."""
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))


def test_a_name_that_cannot_be_is_refused_on_the_plan_itself(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    ways.log_in(page, owner.hive, then="/catalog/notes")
    page.get_by_label("Name").fill("My Notes!")
    page.get_by_role("button", name="Install Notes").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("cannot be a name")
    expect(alert).to_contain_text("Try 'my-notes'")
    expect(page.get_by_label("Name")).to_have_value("My Notes!")
    assert ways.owner_has_nothing(owner)


def test_an_app_that_cannot_be_read_says_why_where_it_is_listed(page: Page, owner: Owner) -> None:
    ways.log_in(page, owner.hive, then="/catalog")
    button = page.get_by_role("button", name="Install broken")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(page.locator(f"#{button.get_attribute('aria-describedby')}")).to_contain_text("is not YAML")


def test_without_a_device_the_plan_says_what_comes_first(page: Page, owner: Owner) -> None:
    ways.log_in(page, owner.hive, then="/catalog/notes")
    button = page.get_by_role("button", name="Install Notes")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#why-not")).to_contain_text("Off: no device has joined.")


@pytest.mark.parametrize("path", ["/apps/nothing", "/devices/nothing", "/catalog/nothing", "/nothing"])
def test_what_does_not_exist_is_a_page_with_a_way_back(page: Page, owner: Owner, path: str) -> None:
    ways.log_in(page, owner.hive)
    answer = page.goto(f"{owner.hive.url}{path}")
    assert answer is not None and answer.status == 404
    assert "text/html" in answer.headers["content-type"]
    expect(page.get_by_role("link", name="All apps")).to_be_visible()
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_markup_in_a_catalog_is_shown_as_words(page: Page, owner: Owner) -> None:
    ways.log_in(page, owner.hive, then="/catalog")
    expect(page.get_by_text("Sly <img src=x onerror=alert(1)>")).to_be_visible()
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    page.goto(f"{owner.hive.url}/catalog?q={MARKUP}")
    expect(page.get_by_role("main")).to_contain_text(MARKUP)


def test_markup_from_a_device_is_shown_as_words_live_and_loaded(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    ways.log_in(page, owner.hive, then="/apps/notes")
    expect(page.get_by_role("status")).to_have_text("Live")
    attic.show(
        steps=[Step(MARKUP, "failed", None, None, None, None, MARKUP)],
        problem=Failure("x", f"{MARKUP} `{MARKUP}`", MARKUP),
        url="javascript:alert(1)",
    )
    expect(page.get_by_role("main")).to_contain_text(MARKUP)
    assert page.locator('main img[src="x"], main script, a[href^="javascript"]').count() == 0
    page.reload()
    expect(page.get_by_role("main")).to_contain_text(MARKUP)
    assert page.locator('main img[src="x"], main script, a[href^="javascript"]').count() == 0


def test_markup_in_a_log_line_is_shown_as_words(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    attic.name = MARKUP
    owner.install()
    ways.log_in(page, owner.hive, then="/apps/notes/logs")
    expect(page.get_by_role("region", name="Log lines")).to_contain_text(MARKUP)


def test_a_plan_says_what_an_app_asks_for_and_its_refusal_names_the_key(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    write_app(owner.hive.config.catalogs[0], "host", "services: {web: {image: web:1, network_mode: host}}\n")
    ways.log_in(page, owner.hive, then="/catalog/host")
    expect(page.get_by_text("Asks for host-network")).to_be_visible()
    expect(page.get_by_text("1 thing that you must grant")).to_be_visible()
    page.get_by_role("button", name="Install host").click()
    expect(page.get_by_role("alert")).to_contain_text("service web, network_mode")
    expect(page.get_by_role("alert")).to_contain_text("mosaic install host --grant host-network")
    assert ways.owner_has_nothing(owner)
