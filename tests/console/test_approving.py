"""An app that nobody signed is approved in the browser: at its install, or when a Device refused it."""

import pytest
from playwright.sync_api import Page, expect

from console import ways
from console.showing import ShowingDevice
from mosaic.crypto import approvals
from mosaic.wire.assignment import Assignment
from mosaic.wire.storage import Failure
from support.running_hive import PASSPHRASE, Owner
from support.waiting import eventually

pytestmark = pytest.mark.browser


def is_approved(owner: Owner, item: Assignment | None) -> bool:
    if item is None:
        return False
    key, account = owner.keys.keys.owner_key, owner.logged_in.account
    return approvals.is_approved(item.approval, owner_key=key, account=account, app=item.app, digest=item.app_digest)


def test_an_app_is_approved_at_its_install_and_the_passphrase_stays_in_the_browser(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    ways.log_in(page, owner.hive, then="/catalog/notes")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or ""))
    page.get_by_role("textbox", name="Passphrase, to approve it").fill(PASSPHRASE)
    page.get_by_role("button", name="Install Notes").click()
    page.wait_for_url("**/apps/notes")
    eventually(lambda: is_approved(owner, attic.assigned("notes")))
    assert not any("abandon" in body.lower() for body in sent)


def test_a_wrong_passphrase_installs_nothing(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    ways.log_in(page, owner.hive, then="/catalog/notes")
    page.get_by_role("textbox", name="Passphrase, to approve it").fill("abandon ability able about above wrong")
    page.get_by_role("button", name="Install Notes").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not the passphrase of this account.")
    assert ways.owner_has_nothing(owner)


def test_what_a_device_refused_is_approved_from_its_page(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    attic.show(problem=Failure("not-vouched", "nobody vouches for notes", "approve it"))
    ways.log_in(page, owner.hive, then="/apps/notes")
    page.get_by_role("link", name="approve it with your passphrase").click()
    page.get_by_role("textbox", name="Passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Approve notes").click()
    page.wait_for_url("**/apps/notes")
    eventually(lambda: is_approved(owner, attic.assigned("notes")))
