"""The stream's state is always said, and what was last known is never blanked."""

import re

import pytest
from playwright.sync_api import Page, expect

from console import ways
from console.showing import ShowingDevice
from support.running_hive import Owner

pytestmark = pytest.mark.browser


def test_a_lost_hive_is_said_with_since_when_and_the_next_try(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    ways.log_in(page, owner.hive)
    bar = page.get_by_role("status")
    expect(bar).to_have_text("Live")
    page.context.set_offline(True)
    attic.disconnect()
    owner.hive.stop()
    expect(bar).to_have_text(re.compile(r"^Stale since \d\d:\d\d:\d\d, trying again in \d+ s$"))
    expect(page.get_by_role("link", name="notes", exact=True)).to_be_visible()


def test_without_javascript_every_place_can_be_read_and_used(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False).new_page()
    ways.log_in(plain, owner.hive, then="/catalog/notes")
    plain.get_by_role("button", name="Install Notes").click()
    plain.wait_for_url("**/apps/notes")
    expect(plain.get_by_role("status")).to_have_text(re.compile(r"^As of \d\d:\d\d:\d\d UTC$"))
    plain.get_by_role("button", name="Stop").click()
    expect(plain.get_by_role("button", name="Start", exact=True)).to_be_visible()
    plain.goto(f"{owner.hive.url}/devices/add")
    expect(plain.get_by_text("This page needs JavaScript")).to_be_visible()
    plain.context.close()


def test_nothing_outside_the_hive_is_ever_asked(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    owner.install()
    ways.log_in(page, owner.hive)
    for path in ("/catalog", "/devices", "/apps/notes", "/trash", "/activity", "/account", "/devices/add"):
        page.goto(f"{owner.hive.url}{path}")
        expect(page.get_by_role("status").first).to_have_text("Live")
    assert [url for url in asked if not url.startswith(owner.hive.url)] == []
