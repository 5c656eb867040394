"""In and out, and nowhere else."""

import pytest
from playwright.sync_api import Page, expect

from console import ways
from support.running_hive import PASSWORD, Owner

pytestmark = pytest.mark.browser


def test_a_page_that_was_asked_for_is_shown_after_the_login(page: Page, owner: Owner) -> None:
    ways.log_in(page, owner.hive, then="/devices")
    expect(page.get_by_role("heading", level=1)).to_have_text("No device has joined yet.")


def test_a_wrong_password_says_so_and_keeps_the_name(page: Page, owner: Owner) -> None:
    page.goto(f"{owner.hive.url}/login")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("not it")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("ada")
    assert page.context.cookies() == []


@pytest.mark.parametrize("onward", ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example"])
def test_a_login_leads_nowhere_else(page: Page, owner: Owner, onward: str) -> None:
    answer = page.request.post(
        f"{owner.hive.url}/login",
        form={"name": "ada", "password": PASSWORD, "next": onward},
        max_redirects=0,
    )
    assert (answer.status, answer.headers["location"]) == (303, "/")


def test_the_session_cookie_is_for_this_site_and_not_for_scripts(signed_in: Page) -> None:
    (cookie,) = signed_in.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


def test_logging_out_ends_the_session_and_every_open_page(signed_in: Page, owner: Owner) -> None:
    signed_in.goto(f"{owner.hive.url}/account")
    old = signed_in.context.cookies()
    signed_in.get_by_role("button", name="Log out").click()
    signed_in.wait_for_url("**/login")
    signed_in.context.add_cookies(
        [{"name": one["name"], "value": one["value"], "domain": one["domain"], "path": one["path"]} for one in old]
    )
    assert [one["value"] for one in signed_in.context.cookies()] == [one["value"] for one in old]
    signed_in.goto(f"{owner.hive.url}/")
    assert "/login" in signed_in.url


@pytest.mark.parametrize("path", ["/", "/devices", "/apps/notes", "/account", "/trash", "/live", "/setup/passphrase"])
def test_without_a_session_every_place_asks_for_one(page: Page, owner: Owner, path: str) -> None:
    answer = page.request.get(f"{owner.hive.url}{path}", max_redirects=0)
    assert answer.status == 303
    assert answer.headers["location"].startswith("/login?next=")


def test_a_change_without_the_csrf_token_is_refused_and_changes_nothing(signed_in: Page, owner: Owner) -> None:
    answer = signed_in.request.post(f"{owner.hive.url}/logout", form={"csrf": "guessed"}, max_redirects=0)
    assert answer.status == 422
    assert "nothing was changed" in answer.text()
    assert signed_in.request.get(f"{owner.hive.url}/account").url.endswith("/account")


def test_a_form_of_another_site_logs_nobody_in(page: Page, owner: Owner) -> None:
    answer = page.request.post(
        f"{owner.hive.url}/login",
        form={"name": "ada", "password": PASSWORD},
        headers={"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"},
        max_redirects=0,
    )
    assert answer.status == 422
    assert page.context.cookies() == []
