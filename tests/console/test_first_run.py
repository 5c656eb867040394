"""From a Hive without an owner to keys that only its owner can open."""

import sqlite3

import msgspec
import pytest
from playwright.sync_api import Page, Request, expect

from console import ways
from console.ways import NAME
from mosaic.crypto import unwrap
from mosaic.wire.account import AccountKeys
from support.running_hive import PASSWORD, SETUP_CODE, RunningHive

pytestmark = pytest.mark.browser


def test_the_passphrase_and_the_recovery_code_never_leave_the_browser(page: Page, hive: RunningHive) -> None:
    sent: list[str] = []

    def record(request: Request) -> None:
        sent.append(f"{request.url}\n{request.all_headers()}\n{request.post_data or ''}".lower())

    page.on("request", record)
    ways.become_owner(page, hive)
    words = ways.choose_six_words(page)
    code = page.locator("[data-code]").inner_text()
    page.get_by_label("I have the words").check()
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(f"{hive.url}/")

    assert len(words) == 6
    assert any("auth_key" in request for request in sent)
    bodies = "\n".join(sent)
    assert " ".join(words) not in bodies
    assert "+".join(words) not in bodies
    assert code.lower() not in bodies
    assert code.replace("-", "").lower() not in bodies
    assert all(request.startswith(hive.url) for request in sent), "something outside was asked"


def test_what_the_hive_keeps_opens_with_the_words_and_with_the_code(page: Page, hive: RunningHive) -> None:
    ways.become_owner(page, hive)
    words = ways.choose_six_words(page)
    code = page.locator("[data-code]").inner_text()
    page.get_by_label("I have the words").check()
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(f"{hive.url}/")

    answer = page.request.get(f"{hive.url}/api/account").json()
    keys = msgspec.convert(answer["keys"], AccountKeys)
    opened = unwrap.unlock(keys, " ".join(words))
    assert unwrap.recover_root(keys, code) == opened.root
    assert "No device has joined yet." in page.locator("h1").inner_text()


def test_without_ticking_that_the_code_is_kept_nothing_goes_on(page: Page, hive: RunningHive) -> None:
    ways.become_owner(page, hive)
    ways.choose_six_words(page)
    page.get_by_role("button", name="Go on").click()
    assert page.url.endswith("/setup/passphrase")
    assert page.request.get(f"{hive.url}/api/account").json()["keys"] is None


def test_a_word_typed_wrong_is_named_and_derives_nothing(page: Page, hive: RunningHive) -> None:
    ways.become_owner(page, hive)
    page.get_by_role("heading", name="Your passphrase").wait_for()
    page.locator("#word-a").fill("medow")
    page.get_by_role("button", name="Make my keys").click()
    expect(page.locator("#word-a-wrong")).to_contain_text("This is not word")
    expect(page.locator("#word-a")).to_be_focused()
    expect(page.get_by_role("heading", name="Recovery code")).to_be_hidden()


def test_a_passphrase_of_ones_own_is_measured_while_it_is_typed(page: Page, hive: RunningHive) -> None:
    ways.become_owner(page, hive)
    page.get_by_text("Use one of my own").click()
    own = page.get_by_role("textbox", name="Passphrase")
    own.fill("short")
    expect(page.locator("#own-hint")).to_have_text("It has 5 characters, and 16 are the least.")
    page.get_by_role("button", name="Make my keys").click()
    expect(page.get_by_role("heading", name="Recovery code")).to_be_hidden()
    own.fill("seven purple otters sing")
    expect(page.locator("#own-hint")).to_contain_text("bits")
    page.get_by_role("button", name="Make my keys").click()
    page.get_by_role("heading", name="Recovery code").wait_for()


@pytest.mark.parametrize(
    ("code", "again", "sentence"),
    [
        ("aaaa-bbbb-dddd", PASSWORD, "This is not the set-up code."),
        (SETUP_CODE, "another password", "The two passwords are not the same."),
    ],
)
def test_a_refused_set_up_says_why_keeps_what_was_typed_and_makes_no_account(
    page: Page, hive: RunningHive, code: str, again: str, sentence: str
) -> None:
    page.goto(f"{hive.url}/setup")
    page.get_by_label("Set-up code").fill(code)
    page.get_by_label("Your name").fill(NAME)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same password again").fill(again)
    page.get_by_role("button", name="Go on to the passphrase").click()
    alert = page.get_by_role("alert").filter(has_text=sentence)
    expect(alert).to_be_visible()
    expect(page.get_by_label("Your name")).to_have_value(NAME)
    with sqlite3.connect(hive.config.state / "hive.db") as database:
        assert database.execute("select count(*) from accounts").fetchone() == (0,)


def test_set_up_happens_once(page: Page, hive: RunningHive) -> None:
    ways.become_owner(page, hive)
    page.context.clear_cookies()
    page.goto(f"{hive.url}/setup")
    assert page.url == f"{hive.url}/login"
