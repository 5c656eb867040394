"""What starts a Device is put together in the browser, as it was meant, and the Hive sees none of its secrets."""

import re
import shlex

import pytest
import yaml
from playwright.sync_api import Page, Request, Route, expect

from console import ways
from console.showing import ShowingDevice, joined
from console.test_accessible import faults, too_wide
from mosaic.core import device_texts, quoting
from mosaic.core.device_texts import Form, Giving
from mosaic.crypto.passphrase import normalise
from mosaic.wire import enrol
from support.running_hive import PASSPHRASE, Owner, RunningHive

pytestmark = pytest.mark.browser

LABELS: dict[Giving, str] = {
    "asked": "It asks in the terminal",
    "file": "From a file on that machine",
    "line": "Inside what you paste",
    "owner": "Not at all: I admit it here",
}
TABS: dict[Form, str] = {
    "docker": "Docker",
    "compose": "Compose file",
    "systemd": "systemd unit",
    "command": "Without a container",
}


def make(page: Page, owner: Owner, giving: Giving, *, name: str = "", passphrase: str = "") -> None:
    """Fill in the form and make the line; ends where it is shown, or refused."""
    page.goto(f"{owner.hive.url}/devices/add")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label(LABELS[giving]).check()
    if giving != "owner":
        page.get_by_role("textbox", name="Passphrase").fill(passphrase)
    page.get_by_role("button", name="Make the line").click()


def shown(page: Page, form: Form = "docker") -> str:
    """Return what is to be pasted, of this form."""
    page.get_by_role("heading", name="Paste this on the new machine").wait_for()
    page.get_by_role("tab", name=TABS[form]).click()
    return page.locator("#line").evaluate("element => element.textContent") or ""


def said_in(line: str) -> dict[str, str]:
    """Return what a shell's line puts into the environment of its command."""
    words = shlex.split(line.replace("\\\n", " "))
    said = (word.partition("=") for word in words if re.match("MOSAIC_[A-Z]+=", word))
    return {name: value for name, _, value in said}


def test_neither_the_tokens_secret_nor_the_passphrase_is_in_any_request(signed_in: Page, owner: Owner) -> None:
    sent: list[str] = []

    def record(request: Request) -> None:
        sent.append(f"{request.url}\n{request.all_headers()}\n{request.post_data or ''}".lower())

    signed_in.on("request", record)
    make(signed_in, owner, "line", name="attic", passphrase=f" {PASSPHRASE.upper()}")
    said = said_in(shown(signed_in))
    assert (said["MOSAIC_NAME"], said["MOSAIC_PASSPHRASE"]) == ("attic", PASSPHRASE)
    token = enrol.read(said["MOSAIC_JOIN"])
    for form in TABS:
        shown(signed_in, form)
    with joined(owner, "study"):
        expect(signed_in.get_by_role("heading", name="study")).to_be_visible()

    everything = "\n".join(sent)
    assert "/api/devices/join-tokens" in everything
    assert token.secret not in everything
    for written in (PASSPHRASE, PASSPHRASE.replace(" ", "+"), PASSPHRASE.replace(" ", "%20"), "abandon"):
        assert written not in everything

    device = ShowingDevice("attic")
    assert device.join(token).admitted


def test_a_device_that_starts_has_its_green_circle_on_the_page_by_itself(signed_in: Page, owner: Owner) -> None:
    make(signed_in, owner, "asked", passphrase=PASSPHRASE)
    token = enrol.read(said_in(shown(signed_in))["MOSAIC_JOIN"])
    expect(signed_in.get_by_text("Nobody in the last hour")).to_be_visible()
    device = ShowingDevice("attic")
    device.join(token)
    device.connect()
    try:
        arrived = signed_in.locator("#arrivals [data-device=attic]")
        expect(arrived.locator("svg.disc.is-ok")).to_be_visible()
        expect(arrived).to_contain_text("Healthy")
        # The page was not loaded again: what is to be pasted still stands there.
        expect(signed_in.locator("#line")).to_contain_text("MOSAIC_JOIN=")
    finally:
        device.disconnect()


def test_without_the_passphrase_the_device_waits_on_the_page_to_be_admitted(signed_in: Page, owner: Owner) -> None:
    make(signed_in, owner, "owner")
    said = said_in(shown(signed_in))
    assert set(said) == {"MOSAIC_JOIN"}
    device = ShowingDevice("attic")
    assert not device.join(enrol.read(said["MOSAIC_JOIN"]), auth_key=None).admitted
    device.connect()
    try:
        signed_in.get_by_role("link", name="Admit attic").click()
        # It had the line that was made in this browser, so nothing is to be compared.
        expect(signed_in.get_by_text("It has the line that you made in this browser")).to_be_visible()
        signed_in.get_by_role("textbox", name="Passphrase").fill(PASSPHRASE)
        signed_in.get_by_role("button", name="Admit attic").click()
        signed_in.wait_for_url(f"**/devices/{device.id}")
        assert owner.devices()[0].has_root_key
    finally:
        device.disconnect()


def test_a_wrong_passphrase_is_refused_in_the_browser_and_no_token_is_registered(signed_in: Page, owner: Owner) -> None:
    asked: list[str] = []
    signed_in.on("request", lambda request: asked.append(request.url))
    make(signed_in, owner, "line", passphrase="zoo zoo zoo zoo zoo wrong")
    expect(signed_in.get_by_role("alert")).to_contain_text("This is not the passphrase of this account.")
    expect(signed_in.get_by_role("heading", name="Paste this on the new machine")).to_be_hidden()
    assert not any("join-tokens" in url for url in asked)


def test_the_passphrase_in_the_line_needs_a_passphrase_and_says_what_that_means(signed_in: Page, owner: Owner) -> None:
    make(signed_in, owner, "line")
    expect(signed_in.get_by_role("alert")).to_contain_text("The passphrase is missing.")
    make(signed_in, owner, "line", passphrase=PASSPHRASE)
    assert shown(signed_in).startswith(" MOSAIC_JOIN=")
    expect(signed_in.get_by_text("the text opens all your data")).to_be_visible()
    signed_in.get_by_label(LABELS["file"]).check()
    expect(signed_in.locator("#line")).to_have_text("")


def test_where_only_the_hives_machine_reaches_it_that_is_said_and_elsewhere_not(signed_in: Page, owner: Owner) -> None:
    make(signed_in, owner, "owner")
    expect(signed_in.get_by_role("heading", name=f"reaches it at {owner.hive.url}")).to_be_visible()
    expect(signed_in.get_by_text("serve it on the network first")).to_be_visible()

    def reached_by_others(route: Route) -> None:
        identity = route.fetch().json()
        route.fulfill(json=identity | {"public_url": "https://hive.example.net"})

    signed_in.route("**/api/hive?*", reached_by_others)
    make(signed_in, owner, "owner")
    assert enrol.read(said_in(shown(signed_in))["MOSAIC_JOIN"]).url == "https://hive.example.net"
    expect(signed_in.get_by_text("serve it on the network first")).to_be_hidden()


def test_each_form_has_the_values_that_were_typed_and_says_where_it_cannot_ask(signed_in: Page, owner: Owner) -> None:
    make(signed_in, owner, "file", name="attic")
    assert "docker run --detach" in shown(signed_in)
    assert device_texts.PASSPHRASE_AT in shown(signed_in)
    compose = yaml.safe_load(shown(signed_in, "compose"))
    assert "MOSAIC_NAME=attic" in next(iter(compose["services"].values()))["environment"]
    assert 'MOSAIC_NAME="attic"' in shown(signed_in, "systemd")
    command = shown(signed_in, "command").rstrip()
    assert command.endswith(f"mosaic device run --passphrase-file {device_texts.PASSPHRASE_AT}")
    assert "MOSAIC_PASSPHRASE=" not in command

    make(signed_in, owner, "asked", name="study")
    assert shown(signed_in, "compose") == ""
    expect(signed_in.get_by_text("has no terminal to ask in")).to_be_visible()
    assert "--interactive --tty" in shown(signed_in, "docker")


def test_isolated_mode_is_one_tick_for_every_form(signed_in: Page, owner: Owner) -> None:
    make(signed_in, owner, "owner")
    assert "MOSAIC_ENGINE" not in shown(signed_in)
    signed_in.get_by_label("With a Docker engine of its own").check()
    signed_in.get_by_role("button", name="Make the line").click()
    for form in ("docker", "compose", "systemd"):
        assert "MOSAIC_ENGINE=own" in shown(signed_in, form)
    assert shown(signed_in, "command").rstrip().endswith("mosaic device run --own-engine")


def test_the_browser_writes_what_the_command_line_writes_whatever_was_typed(page: Page, hive: RunningHive) -> None:
    page.goto(f"{hive.url}/login")
    style = page.locator('link[rel="stylesheet"]').get_attribute("href")
    assert style is not None
    nasty = [
        "attic", "", "a'b", 'a"b', "$HOME", "$(id)", "`id`", "a\\b", "a\\", "50%", "⟨token⟩", "$&$1$$", "; rm -rf /",
        "é漢🔑", "~#!*?[]{}<>|&", "'\"'\"'", "--name", " a ", "END", "\u202e", "\tIt's  GÜNTHER's\r\n",
    ]  # fmt: skip
    signs = [*map(chr, range(0x20)), "\x7f", "\x85", "\u2028", "\u2029", "\uffff", "\ufffe", "\u202e", "é", "🔑", " "]
    texts = [device_texts.text(form, "line", "mosaic/device:1.0") for form in TABS]
    values: list[dict[str, str | None]] = [
        {"token": "t", "name": name, "passphrase": normalise(word)} for name in nasty[:-1] for word in nasty
    ]
    values.append({"token": "t", "name": None, "passphrase": None})
    filled, pastable, normal = page.evaluate(
        """async ([folder, texts, values, signs, nasty]) => {
            const { fill, isPastable } = await import(`${folder}/js/quoting.js`);
            const { normalise } = await import(`${folder}/js/keys.js`);
            const filled = texts.map(([text, quote]) => values.map((each) => fill(text, each, quote)));
            return [filled, signs.map(isPastable), nasty.map(normalise)];
        }""",
        [style.rsplit("/", 1)[0], [[each.text, each.quote] for each in texts], values, signs, nasty],
    )
    assert filled == [[quoting.fill(each.text, given, each.quote_with) for given in values] for each in texts]
    assert pastable == [quoting.is_pastable(sign) for sign in signs]
    assert normal == list(map(normalise, nasty))


def test_before_a_passphrase_is_set_the_page_leads_to_where_it_is(page: Page, hive: RunningHive) -> None:
    ways.become_owner(page, hive)
    page.goto(f"{hive.url}/devices/add")
    page.get_by_role("link", name="Set it first").click()
    page.get_by_role("heading", name="Your passphrase").wait_for()
    expect(page.locator("[data-words] li")).to_have_count(6)
    expect(page.get_by_text("Strong:")).to_be_visible()


def test_what_is_shown_to_be_pasted_is_accessible(signed_in: Page, owner: Owner) -> None:
    make(signed_in, owner, "line", passphrase=PASSPHRASE)
    with joined(owner, "study"), joined(owner, "hall", admitted=False):
        expect(signed_in.get_by_role("link", name="Admit hall")).to_be_visible()
        expect(signed_in.locator("#arrivals [data-device=study] svg.disc.is-ok")).to_be_visible()
        for form in TABS:
            shown(signed_in, form)
            assert faults(signed_in) + too_wide(signed_in) == []
