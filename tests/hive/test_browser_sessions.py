"""What the session cookie of a browser lets another page of the same host do: an app at its own port is sent it."""

import hashlib
import hmac
from collections.abc import Iterator

import httpx2
import pytest

from mosaic.hive import actions
from mosaic.hive.signed_in import COOKIE, CSRF_HEADER
from mosaic.wire.api import Login
from support.running_hive import PASSWORD, Owner

PIN = "/api/volumes/" + "a" * 64 + "/heads/" + "b" * 64 + "/pin"
LEASES = "/api/volumes/" + "a" * 64 + "/read-leases"
APP = "http://127.0.0.1:8081"


@pytest.fixture
def browser(owner: Owner) -> Iterator[httpx2.Client]:
    """A browser whose user is signed in to the Console."""
    with httpx2.Client(base_url=owner.hive.url, trust_env=False) as client:
        client.post("/login", data={"name": "ada", "password": PASSWORD})
        yield client


def csrf_of(browser: httpx2.Client) -> str:
    """Return what the Console's own pages carry."""
    return browser.get("/account").text.partition('name="csrf" value="')[2].partition('"')[0]


@pytest.mark.parametrize("said", [{"Sec-Fetch-Site": "same-site", "Origin": APP}, {"Origin": APP}, {"Origin": "null"}])
def test_a_page_of_an_app_changes_nothing_even_if_it_knew_the_csrf_value(
    browser: httpx2.Client, said: dict[str, str]
) -> None:
    csrf = csrf_of(browser)
    form = browser.post("/logout", data={"csrf": csrf}, headers=said)
    assert (form.status_code, "nothing was changed" in form.text) == (422, True)
    script = browser.post("/api/logout", headers={CSRF_HEADER: csrf, **said})
    assert (script.status_code, script.json()["code"]) == (403, "origin-foreign")
    assert browser.post("/logout", data={"csrf": csrf}, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_the_csrf_value_does_not_follow_from_the_cookie(browser: httpx2.Client) -> None:
    cookie = browser.cookies[COOKIE]
    derived = hmac.new(cookie.encode(), b"mosaic csrf v1\0", hashlib.sha256).hexdigest()
    assert derived != csrf_of(browser)
    assert browser.post("/logout", data={"csrf": derived}).status_code == 422


@pytest.mark.parametrize(("method", "path"), [("PUT", PIN), ("POST", LEASES)])
def test_what_is_stored_is_not_changed_by_the_cookie_alone(browser: httpx2.Client, method: str, path: str) -> None:
    refused = browser.request(method, path, json={"id": "0" * 32, "head": "b" * 64, "name": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf-missing")


@pytest.mark.parametrize(("began", "status"), [("http", 200), ("https", 401)])
def test_a_browsers_session_is_good_only_over_what_it_began_over(owner: Owner, began: str, status: int) -> None:
    wish = Login(name="ada", password=PASSWORD, label="Console")
    session = owner.hive.ask(lambda hive: actions.log_in(hive, wish, address="here", browser=began))
    with httpx2.Client(base_url=owner.hive.url, cookies={COOKIE: session.token}, trust_env=False) as plain:
        assert plain.get("/api/account").status_code == status
