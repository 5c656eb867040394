"""A machine joins by a line that the browser made, and is admitted by a passphrase that stays there."""

import pytest
from playwright.sync_api import Page, expect

from console import ways
from console.showing import ShowingDevice, joined
from mosaic.crypto import unwrap
from mosaic.wire import enrol
from support.running_hive import PASSPHRASE, Owner

pytestmark = pytest.mark.browser


def the_line(page: Page) -> str:
    """Return what is to be pasted, once it is shown."""
    page.get_by_role("heading", name="Paste this on the new machine").wait_for()
    return page.locator("#line").inner_text()


def token_in(words: list[str]) -> enrol.JoinToken:
    """Return the token, which stands in the environment: argv is everybody's to read."""
    return enrol.read(words[0].removeprefix("MOSAIC_JOIN="))


def test_the_line_lets_one_device_in_and_its_secret_was_never_sent(signed_in: Page, owner: Owner) -> None:
    sent: list[str] = []
    signed_in.on("request", lambda request: sent.append(f"{request.url} {request.post_data or ''}"))
    signed_in.goto(f"{owner.hive.url}/devices/add")
    signed_in.get_by_label("Name").fill("attic")
    signed_in.get_by_role("button", name="Make the join token").click()
    words = the_line(signed_in).split()
    assert words[1:] == ["mosaic", "device", "run", "--name", "attic"]
    token = token_in(words)
    assert token.secret not in "\n".join(sent)

    device = ShowingDevice("attic")
    device.join(token)
    device.connect()
    try:
        waiting = signed_in.get_by_role("link", name="Admit attic")
        expect(waiting).to_be_visible()
    finally:
        device.disconnect()


def test_with_the_passphrase_the_line_carries_the_owners_admission(signed_in: Page, owner: Owner) -> None:
    signed_in.goto(f"{owner.hive.url}/devices/add")
    signed_in.get_by_text("Admit it now").click()
    signed_in.get_by_role("textbox", name="Passphrase").fill(PASSPHRASE)
    signed_in.get_by_role("button", name="Make the join token").click()
    device = ShowingDevice("attic")
    assert device.join(token_in(the_line(signed_in).split())).admitted


def test_the_owner_admits_a_waiting_device_in_the_browser(signed_in: Page, owner: Owner) -> None:
    sent: list[str] = []
    with joined(owner, "attic", admitted=False) as device:
        signed_in.goto(f"{owner.hive.url}/")
        signed_in.get_by_role("link", name="Admit… attic waits to be admitted").click()
        signed_in.on("request", lambda request: sent.append(request.post_data or ""))
        signed_in.get_by_role("textbox", name="Passphrase").fill(f"  {PASSPHRASE.upper()} ")
        signed_in.get_by_role("button", name="Admit attic").click()
        signed_in.wait_for_url(f"**/devices/{device.id}")
        expect(signed_in.get_by_text("by its owner’s signature")).to_be_visible()
        with device.client() as client:
            seen = client.this_device()
    assert seen.admitted
    assert seen.root_for_device is not None
    root = unwrap.open_root_for_device(seen.root_for_device, device.wrapping.private, owner_key=seen.owner_key)
    assert root == device.root
    assert not any("abandon" in body.lower() for body in sent)


def test_a_wrong_passphrase_is_said_in_the_page_and_nothing_is_sent(signed_in: Page, owner: Owner) -> None:
    with joined(owner, "attic", admitted=False) as device:
        signed_in.goto(f"{owner.hive.url}/devices/{device.id}/admit")
        signed_in.get_by_role("textbox", name="Passphrase").fill("abandon ability able about above wrong")
        signed_in.get_by_role("button", name="Admit attic").click()
        alert = signed_in.get_by_role("alert")
        expect(alert).to_contain_text("This is not the passphrase of this account.")
        expect(alert).to_contain_text("Check the words and their order.")
        assert not owner.devices()[0].admitted


def test_a_device_shows_its_health_as_shape_word_cause_and_remedy(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    ways.log_in(page, owner.hive, then=f"/devices/{attic.id}")
    main = page.get_by_role("main")
    expect(main.locator("svg.disc.is-ok")).to_be_visible()
    expect(main).to_contain_text("Healthy")
    expect(main).to_contain_text("Docker 20.10")
    expect(main).to_contain_text("Its storage daemon has not reported a pool.")


def test_a_device_that_an_app_belongs_on_says_why_it_cannot_be_removed(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    owner.install()
    ways.log_in(page, owner.hive, then=f"/devices/{attic.id}")
    remove = page.get_by_role("button", name="Remove…")
    expect(remove).to_have_attribute("aria-disabled", "true")
    reason = page.locator(f"#{remove.get_attribute('aria-describedby')}")
    expect(reason).to_contain_text("Remove is off while 1 app belongs on attic: move notes first")


def test_a_device_that_nothing_belongs_on_can_be_let_go(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    ways.log_in(page, owner.hive, then=f"/devices/{attic.id}")
    page.get_by_role("link", name="Remove…").click()
    page.get_by_role("button", name="Remove attic").click()
    page.wait_for_url("**/devices")
    expect(page.get_by_role("heading", level=1)).to_have_text("No device has joined yet.")
