"""The actions that an app offers, in the browser: a form for each, and what came of it."""

import msgspec
import pytest
from playwright.sync_api import Page, expect

from console import ways
from console.showing import ShowingDevice, settle
from console.test_accessible import check
from mosaic.wire.actions import Action, ActionInput, Actions
from mosaic.wire.command import AppAction
from support.running_hive import Owner
from support.waiting import eventually

pytestmark = pytest.mark.browser

CLEAN = Action(
    "clean-up",
    "Clean up <b>",
    "web",
    [
        ActionInput("days", "integer", "Older than (days)", least=1, most=365),
        ActionInput("what", "choice", "What", choices=["files", "everything"]),
        ActionInput("user", "text", "Of whom", pattern="[a-z]+", shortest=1, longest=20),
    ],
)
REGISTER = Action("register", "Register a user", "web", [ActionInput("password", "secret", "Password")])


def offering(owner: Owner, attic: ShowingDevice) -> None:
    """Let attic run notes and answer for it."""
    owner.install()
    settle(owner, "notes", attic)
    attic.answers = {
        "read-actions": msgspec.json.encode(Actions([CLEAN, REGISTER])).decode(),
        "app-action": "removed 3 <script>",
    }
    attic.restart()
    eventually(lambda: owner.devices()[0].connected)


def test_an_action_is_run_by_a_form_and_what_it_printed_is_shown(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    offering(owner, attic)
    ways.log_in(page, owner.hive, then="/apps/notes")
    page.get_by_role("link", name="Actions").click()

    page.get_by_label("Older than (days)").fill("30")
    page.get_by_label("What").select_option("everything")
    page.get_by_label("Of whom").fill("ada")
    page.get_by_role("button", name="Clean up <b>").click()

    expect(page.get_by_label("What it printed")).to_have_text("removed 3 <script>")
    (ordered,) = [command.body for command in attic.commands if isinstance(command.body, AppAction)]
    assert ordered.values == {"days": "30", "what": "everything", "user": "ada"}
    assert page.get_by_label("Of whom").input_value() == "ada"


def test_an_action_with_a_secret_names_the_command_and_the_page_is_accessible(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    offering(owner, attic)
    ways.log_in(page, owner.hive, then="/apps/notes/actions")

    expect(page.get_by_role("main")).to_contain_text("mosaic actions notes register")
    expect(page.get_by_role("button", name="Register a user")).to_have_count(0)
    assert check(page, f"{owner.hive.url}/apps/notes/actions") == []


def test_a_device_that_knows_no_actions_is_said_to_be_too_old(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    settle(owner, "notes", attic)
    ways.log_in(page, owner.hive, then="/apps/notes/actions")

    expect(page.get_by_role("main")).to_contain_text("ttic does not know the command read-actions")
