"""An app is installed, watched, stopped, moved, uninstalled and brought back, all by pressing buttons."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from console import ways
from console.showing import ShowingDevice, settle
from mosaic.wire.api import Drill, Drilled
from mosaic.wire.report import ServiceState, Step
from mosaic.wire.storage import ConflictSnapshot, Failure
from support.running_hive import Owner
from support.waiting import eventually

pytestmark = pytest.mark.browser
NS = 10**9


def heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def test_an_app_is_installed_after_its_plan_was_read(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    ways.log_in(page, owner.hive)
    page.get_by_role("link", name="Install an app").click()
    page.get_by_role("link", name="Install Notes: read the plan").click()
    assert heading(page) == "Install Notes: the plan"
    assert ways.owner_has_nothing(owner)
    page.get_by_role("button", name="Install Notes").click()
    page.wait_for_url("**/apps/notes")
    expect(page.get_by_role("main")).to_contain_text("Running well")


def test_steps_are_seen_live_with_bytes_rate_and_time_left(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    ways.log_in(page, owner.hive, then="/apps/notes")
    expect(page.get_by_role("status")).to_have_text("Live")
    now = time.time_ns()
    fetch = Step("Fetch images", "now", now - 10 * NS, None, 100_000_000, 400_000_000)
    attic.show(phase="fetching", healthy=False, steps=[fetch, Step("Start it", "waiting")])
    step = page.get_by_role("listitem").filter(has_text="Fetch images")
    expect(step).to_contain_text("100 MB of 400 MB")
    expect(step).to_contain_text("MB/s")
    expect(step).to_contain_text("left")
    expect(step.get_by_role("progressbar")).to_have_attribute("value", "25")
    attic.show(steps=[Step("Fetch images", "done", now - 10 * NS, now), Step("Start it", "done", now, now + NS)])
    expect(step).to_contain_text("10 s")
    expect(step.get_by_role("progressbar")).to_have_count(0)


def test_a_live_change_leaves_focus_and_opened_details_alone(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    ways.log_in(page, owner.hive, then="/apps/notes")
    expect(page.get_by_role("status")).to_have_text("Live")
    page.get_by_role("link", name="Move…").focus()
    attic.show(services=[ServiceState("web", "running", "starting", None)])
    expect(page.get_by_role("table").first).to_contain_text("Starting")
    expect(page.get_by_role("link", name="Move…")).to_be_focused()


def test_a_failure_shows_its_sentence_and_its_hint(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    attic.show(problem=Failure("image-missing", "image example.org/x:1 can't be fetched", "run `docker login`"))
    ways.log_in(page, owner.hive, then="/apps/notes")
    expect(page.get_by_role("main")).to_contain_text("Image example.org/x:1 can't be fetched.")
    expect(page.locator("code", has_text="docker login").first).to_be_visible()


def test_stopping_and_starting_take_one_press_each(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    ways.log_in(page, owner.hive, then="/apps/notes")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("Open is off while notes does not run.")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()


def test_a_set_aside_snapshot_and_the_only_machine_are_both_said(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    attic.same_machine = True
    tried = "from a version that was tried and not kept"
    attic.conflicts = [
        ConflictSnapshot("conflict-1.1", "1.1", 10**18, "/pool/conflicts/x"),
        ConflictSnapshot("conflict-1.2", "1.2", 10**18, "/pool/conflicts/y", tried),
    ]
    owner.install()
    ways.log_in(page, owner.hive, then="/apps/notes")
    data = page.get_by_role("region", name="Data")
    expect(data).to_contain_text("Saved on this machine only")
    expect(data).to_contain_text("Set aside: conflict-1.1")
    expect(data).to_contain_text("and not replicated when another device took over")
    expect(data).to_contain_text(tried)
    expect(page.get_by_role("region", name=re.compile("If attic dies"))).to_contain_text("Its data dies with it")


def test_a_planned_move_promises_that_nothing_is_lost_and_keeps_it(
    page: Page, owner: Owner, attic: ShowingDevice, study: ShowingDevice
) -> None:
    owner.install(device="attic")
    ways.log_in(page, owner.hive, then="/apps/notes")
    page.get_by_role("link", name="Move…").click()
    expect(page.get_by_role("main")).to_contain_text("Nothing is lost")
    expect(page.get_by_role("radio", name="attic")).to_be_disabled()
    page.get_by_role("button", name="Move notes to study").click()
    page.wait_for_url("**/apps/notes")
    expect(page.locator("dl.figures")).to_contain_text("study")
    settle(owner, "notes", attic, study)


def test_a_forced_move_names_the_seconds_that_are_lost_on_its_button(
    page: Page, owner: Owner, attic: ShowingDevice, study: ShowingDevice
) -> None:
    owner.install(device="attic")
    settle(owner, "notes", attic)
    attic.disconnect()
    eventually(lambda: not next(device for device in owner.devices() if device.name == "attic").connected)
    ways.log_in(page, owner.hive, then="/apps/notes/move")
    button = page.get_by_role("button", name=re.compile("^Move, lose up to "))
    expect(button).to_have_class(re.compile("risk"))
    expect(page.get_by_role("main")).to_contain_text("would be lost")
    button.click()
    page.wait_for_url("**/apps/notes")
    expect(page.locator("dl.figures")).to_contain_text("study")


def test_uninstalling_keeps_the_data_and_the_trash_brings_it_back(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    owner.install()
    settle(owner, "notes", attic)
    ways.log_in(page, owner.hive, then="/apps/notes")
    page.get_by_role("link", name="Uninstall…").click()
    expect(page.get_by_role("main")).to_contain_text("Its data stays in the trash for 30 days")
    page.get_by_role("button", name="Uninstall, keep data 30 days").click()
    expect(page.get_by_role("status").last).to_contain_text("notes is in the trash until")
    assert [entry.name for entry in owner.trash()] == ["notes"]
    page.get_by_role("button", name="Restore notes").click()
    page.wait_for_url("**/apps/notes")
    assert owner.trash() == []


def test_logs_are_shown_as_they_were_written(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    ways.log_in(page, owner.hive, then="/apps/notes/logs")
    expect(page.get_by_role("region", name="Log lines")).to_contain_text("attic says hello")


def test_logs_of_a_silent_device_say_what_to_do(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    attic.disconnect()
    ways.log_in(page, owner.hive, then="/apps/notes/logs")
    expect(page.get_by_role("alert")).to_be_visible()


def test_letting_the_network_in_is_said_where_it_is_done(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    ways.log_in(page, owner.hive, then="/apps/notes")
    page.get_by_role("button", name="Let the network in").click()
    expect(page.get_by_role("main")).to_contain_text("whoever reaches the machine reaches them")
    assert owner.installation().open


def test_the_snapshots_are_listed_with_what_they_are_worth_and_the_last_drill(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    owner.install()
    settle(owner, "notes", attic)
    installation = next(iter(attic.local))
    head = attic.commit(installation)
    ways.log_in(page, owner.hive, then="/apps/notes")
    expect(page.get_by_role("main")).to_contain_text("Not proved yet")
    volume = next(one for one in owner.volumes() if one.kind == "data")
    with owner.client() as client:
        result = Drill(head, files=1234, content_bytes=5_600_000_000, seconds=75.0, differing=0)
        client.send("POST", f"/api/volumes/{volume.volume}/drills", result, Drilled)
    page.goto(f"{owner.hive.url}/apps/notes")
    expect(page.get_by_role("main")).to_contain_text("Proved restorable")
    page.get_by_role("link", name="Snapshots of notes").click()
    newest = page.get_by_role("region", name="Data").get_by_role("row").nth(1)
    expect(newest).to_contain_text("crash-consistent")
    expect(newest).to_contain_text("1234 files, 5.6 GB, in 1 min 15 s")
    expect(newest).to_contain_text(head[:12])
    expect(newest).to_contain_text("attic")


def test_an_app_goes_back_after_its_plan_was_read_and_the_way_forth_is_shown(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    made = owner.install()
    settle(owner, "notes", attic)
    attic.commit(made.installation)
    ways.log_in(page, owner.hive, then="/apps/notes/snapshots")
    page.get_by_role("link", name="Go back to number 1…").click()
    assert heading(page).startswith("notes as it was") and heading(page).endswith("the plan")
    expect(page.get_by_role("main")).to_contain_text("What is there now is replicated as a snapshot of its own")
    page.get_by_role("button", name="Go back").click()
    page.wait_for_url("**/apps/notes")
    eventually(lambda: (back := owner.installation().going_back) is not None and back.ended_ns is not None)
    back = owner.installation().going_back
    assert back is not None and back.saved is not None
    expect(page.get_by_role("main")).to_contain_text(f"What was there before is snapshot {back.saved[:12]}")
    page.get_by_role("link", name="Go back to that…").click()
    assert heading(page).endswith("the plan")


def test_a_wish_to_go_back_can_be_called_off(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    made = owner.install()
    settle(owner, "notes", attic)
    first = attic.commit(made.installation)
    attic.obedient = False
    ways.log_in(page, owner.hive, then=f"/apps/notes/go-back?to={first}")
    page.get_by_role("button", name="Go back").click()
    page.wait_for_url("**/apps/notes")
    page.get_by_role("button", name="Call off").click()
    eventually(lambda: (back := owner.installation().going_back) is not None and back.failure == "it was called off")
    expect(page.get_by_role("button", name="Call off")).to_have_count(0)
