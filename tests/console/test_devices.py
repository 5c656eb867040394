"""A machine is admitted by a passphrase that stays in the browser, and shows how it is."""

import sqlite3
from datetime import UTC, datetime

import msgspec
import pytest
from playwright.sync_api import Page, expect

from console import ways
from console.showing import ShowingDevice, joined
from mosaic.crypto import lan_authority, unwrap
from mosaic.crypto.device_keys import fingerprint
from mosaic.crypto.hashing import device_id
from mosaic.crypto.tokens import hash_token
from mosaic.wire.command import SetNetwork
from mosaic.wire.lan import LanState, LanWish
from support.fake_device import FakeDevice
from support.running_hive import PASSPHRASE, Owner
from support.waiting import eventually

pytestmark = pytest.mark.browser


def test_the_owner_admits_a_waiting_device_in_the_browser(signed_in: Page, owner: Owner) -> None:
    sent: list[str] = []
    with joined(owner, "attic", admitted=False) as device:
        signed_in.goto(f"{owner.hive.url}/")
        signed_in.get_by_role("link", name="Admit… attic waits to be admitted").click()
        signed_in.on("request", lambda request: sent.append(request.post_data or ""))
        expect(signed_in.get_by_text(fingerprint(device.keys))).to_be_visible()
        signed_in.get_by_label("attic shows the same fingerprint").check()
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
        signed_in.get_by_label("attic shows the same fingerprint").check()
        signed_in.get_by_role("textbox", name="Passphrase").fill("abandon ability able about above wrong")
        signed_in.get_by_role("button", name="Admit attic").click()
        alert = signed_in.get_by_role("alert")
        expect(alert).to_contain_text("This is not the passphrase of this account.")
        expect(alert).to_contain_text("Check the words and their order.")
        assert not owner.devices()[0].admitted


@pytest.mark.parametrize("is_token_ours", [True, False], ids=["by a line made here", "by a line made elsewhere"])
def test_a_hive_that_names_another_wrapping_key_is_refused_in_the_browser(
    signed_in: Page, owner: Owner, *, is_token_ours: bool
) -> None:
    """G6: the passphrase is not even asked for."""
    token = owner.join_token("attic", admitted=False)
    if is_token_ours:
        token = msgspec.structs.replace(token, binding="the binding")
        kept = [[hash_token(token.secret), token.binding]]
        signed_in.evaluate("(kept) => localStorage.setItem('mosaic-bindings', JSON.stringify(kept))", kept)
    attic, theirs = FakeDevice("attic"), FakeDevice("theirs")
    attic.join(token, auth_key=None)
    # One that the Hive made up: it signs for its keys, and guesses.
    guess = msgspec.structs.replace(token, binding="a guess") if is_token_ours else token
    proof = theirs.proof(guess, has_root=False) if is_token_ours else attic.proof(token, has_root=False)
    key = theirs.key if is_token_ours else attic.key
    with sqlite3.connect(owner.hive.config.state / "hive.db", timeout=30) as connection:
        connection.execute(
            "UPDATE devices SET wrapping_key = ?, signing_key = ?, id = ?, key_proof = ?",
            (theirs.wrapping.public, key, device_id(bytes.fromhex(key)), msgspec.json.encode(proof).decode()),
        )
    connection.close()

    signed_in.goto(f"{owner.hive.url}/devices/attic/admit")

    expect(signed_in.get_by_role("alert")).to_contain_text("The Hive names keys for this device that are not its own")
    expect(signed_in.get_by_role("textbox", name="Passphrase")).to_be_hidden()


def test_a_device_shows_its_health_as_shape_word_cause_and_remedy(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    ways.log_in(page, owner.hive, then=f"/devices/{attic.id}")
    main = page.get_by_role("main")
    expect(main.locator("svg.disc.is-ok")).to_be_visible()
    expect(main).to_contain_text("Healthy")
    expect(main).to_contain_text("Docker 20.10")
    expect(main).to_contain_text("Its storage daemon has not reported a pool.")


def test_newer_versions_of_mosaic_are_switched_on_where_the_device_is_shown(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    ways.log_in(page, owner.hive, then=f"/devices/{attic.id}")
    page.get_by_role("button", name="Newer versions of Mosaic on attic: take them by itself").click()
    expect(page.get_by_role("main")).to_contain_text("attic takes them by itself")
    eventually(lambda: attic.told[-1].upgrades)
    page.get_by_role("button", name="Newer versions of Mosaic on attic: wait for me").click()
    expect(page.get_by_role("main")).to_contain_text("attic stays as it is")


def test_https_of_a_devices_own_network_is_asked_for_where_the_device_is_shown(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    made = lan_authority.make("Mosaic on attic", datetime.now(UTC))
    attic.answers["set-network"] = msgspec.json.encode(LanState()).decode()
    attic.restart()
    attic.report()
    ways.log_in(page, owner.hive, then=f"/devices/{attic.id}")
    main = page.get_by_role("main")
    expect(main).to_contain_text("Apps here have plain addresses.")
    page.get_by_role("button", name="Add HTTPS").click()
    eventually(lambda: [one.body for one in attic.commands] == [SetNetwork(https=True, names=None)])

    attic.lan = LanState(LanWish(https=True), [], 9443, made.root_pem)
    attic.report()
    expect(main).to_contain_text("at port 9443")
    page.get_by_text("The root certificate").click()
    expect(main).to_contain_text(lan_authority.fingerprint(made.root_pem))


def test_removing_a_device_shows_where_its_apps_go_before_it_begins(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    with joined(owner, "cellar"):
        owner.install(device="attic")
        eventually(lambda: owner.installation().phase == "settled")
        ways.log_in(page, owner.hive, then=f"/devices/{attic.id}")
        page.get_by_role("link", name="Remove…").click()
        expect(page.get_by_role("main")).to_contain_text("notes moves to cellar")
        page.get_by_text("Stop them").click()
        page.get_by_role("button", name="Show the plan for it").click()
        expect(page.get_by_role("main")).to_contain_text("notes is stopped until you move it")
        page.get_by_role("button", name="Remove attic").click()
        eventually(lambda: [one.name for one in owner.devices()] == ["cellar"])
        page.goto(f"{owner.hive.url}/apps/notes")
        expect(page.get_by_role("main")).to_contain_text("a removed device")
        page.goto(f"{owner.hive.url}/apps/notes/move")
        expect(page.get_by_role("button", name="Move notes to cellar")).to_be_visible()


def test_while_its_apps_leave_its_page_and_the_list_say_that_it_is_being_removed(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    with joined(owner, "cellar"):
        owner.install(device="attic")
        eventually(lambda: owner.installation().phase == "settled")
        attic.obedient = False
        ways.log_in(page, owner.hive, then=f"/devices/{attic.id}/remove")
        page.get_by_role("button", name="Remove attic").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("attic is being removed")
        page.goto(f"{owner.hive.url}/devices")
        page.get_by_role("link", name="Being removed").click()
        page.goto(f"{owner.hive.url}/devices/{attic.id}")
        expect(page.get_by_role("heading", name="attic is being removed")).to_be_visible()
        expect(page.get_by_role("link", name="Remove…")).to_have_count(0)
        page.get_by_role("link", name="See how it stands").click()
        page.get_by_role("button", name="Keep attic").click()
        page.wait_for_url(f"**/devices/{attic.id}")
        expect(page.get_by_role("link", name="Remove…")).to_be_visible()


def test_a_device_that_nothing_belongs_on_can_be_let_go(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    ways.log_in(page, owner.hive, then=f"/devices/{attic.id}")
    page.get_by_role("link", name="Remove…").click()
    page.get_by_role("button", name="Remove attic").click()
    page.wait_for_url("**/devices")
    expect(page.get_by_role("heading", level=1)).to_have_text("No device has joined yet.")


def test_a_machine_is_checked_by_a_button_and_answers_itself(signed_in: Page, owner: Owner) -> None:
    with joined(owner, "attic"):
        signed_in.goto(f"{owner.hive.url}/devices/attic")
        signed_in.get_by_role("button", name="Check the machine").click()
        expect(signed_in.get_by_role("heading", name="Checks of attic")).to_be_visible()
        expect(signed_in.get_by_role("region", name="Checks")).to_contain_text("attic says hello")
