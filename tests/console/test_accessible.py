"""WCAG 2.2 AA by axe, and every width from the smallest phone up without scrolling sideways."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from console import ways
from console.showing import ShowingDevice, joined, settle
from mosaic.wire.api import Drill, Drilled, Installation
from mosaic.wire.report import Step
from mosaic.wire.storage import ConflictSnapshot, Failure
from mosaic.wire.versions import UpdateApp
from support.running_hive import COMPOSE, Owner, write_app
from support.waiting import eventually

pytestmark = pytest.mark.browser
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
WIDTHS = (320, 375, 768, 1440)
NS = 10**9
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def faults(page: Page) -> list[str]:
    """Return what axe finds, rule by rule. It runs beside the page's own scripts, under its policy."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE)
    found = page.evaluate("(rules) => axe.run({ runOnly: rules })", RULES)
    return [
        f"{fault['id']}: {json.dumps([node['target'] for node in fault['nodes']])}" for fault in found["violations"]
    ]


def too_wide(page: Page) -> list[str]:
    """Return the widths at which the page scrolls sideways."""
    wide = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        by = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if by > 0:
            wide.append(f"{page.url} at {width} by {by}")
    return wide


def check(page: Page, url: str) -> list[str]:
    """Look at one page in both themes and all widths."""
    page.goto(url)
    found = too_wide(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [f"{url} {scheme} {fault}" for fault in faults(page)]
    page.set_viewport_size({"width": 375, "height": 800})
    return found + [f"{url} 375 {fault}" for fault in faults(page)]


@pytest.mark.parametrize("path", ["/setup", "/login"])
def test_the_doors_are_accessible(page: Page, hive: object, request: pytest.FixtureRequest, path: str) -> None:
    if path == "/login":
        owner = request.getfixturevalue("owner")
        url = owner.hive.url
    else:
        url = request.getfixturevalue("hive").url
    assert check(page, f"{url}{path}") == []


def test_setting_the_passphrase_is_accessible(page: Page, request: pytest.FixtureRequest) -> None:
    hive = request.getfixturevalue("hive")
    ways.become_owner(page, hive)
    page.get_by_role("heading", name="Your passphrase").wait_for()
    page.get_by_text("Use one of my own").click()
    assert faults(page) + too_wide(page) == []
    ways.choose_six_words(page)
    assert faults(page) + too_wide(page) == []


def test_every_place_is_accessible_when_all_is_well_and_when_it_is_not(
    page: Page, owner: Owner, attic: ShowingDevice, study: ShowingDevice
) -> None:
    attic.conflicts = [ConflictSnapshot("conflict-1.1", "1.1", 10**18, "/var/lib/mosaic/pool/conflicts/conflict-1.1")]
    owner.install(device="attic", name="notes")
    owner.install(device="study", name="a-name-as-long-as-a-name-may-ever-be-yes")
    attic.show(
        phase="failed",
        healthy=False,
        steps=[
            Step("Fetch images", "done", 1, 2),
            Step("Start it", "failed", 2, 3, detail="Port 3104 did not answer."),
        ],
        problem=Failure("unhealthy", "port 3104 did not answer within 60 s", "see `mosaic logs notes`"),
    )
    now = Step("Restore", "now", 10**18, None, 18_400_000_000, 41_200_000_000)
    study.show(phase="restoring", healthy=False, steps=[now, Step("Start it", "waiting")])
    ways.log_in(page, owner.hive)
    with joined(owner, "cellar", admitted=False) as cellar:
        found = []
        for path in (
            "/", "/apps/notes", "/apps/a-name-as-long-as-a-name-may-ever-be-yes", "/apps/notes/move",
            "/apps/notes/logs", "/apps/notes/uninstall", "/catalog", "/catalog/notes", "/catalog?q=nothing", "/devices",
            f"/devices/{attic.id}", f"/devices/{cellar.id}/admit", f"/devices/{cellar.id}/remove", "/devices/add",
            "/trash", "/activity", "/account", "/apps/nothing",
        ):  # fmt: skip
            found += check(page, f"{owner.hive.url}{path}")
        owner.uninstall("notes")
        found += check(page, f"{owner.hive.url}/trash")
    assert found == []


def test_snapshots_and_what_drills_found_are_accessible(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    settle(owner, "notes", attic)
    heads = [attic.commit(next(iter(attic.local))) for _ in range(2)]
    volume = next(one for one in owner.volumes() if one.kind == "data").volume
    with owner.client() as client:
        for head, differing in zip(heads, (0, 3), strict=True):
            drill = Drill(head, 1234, 10**10, 75.0, differing)
            client.send("POST", f"/api/volumes/{volume}/drills", drill, Drilled)
    ways.log_in(page, owner.hive)
    found = [fault for path in ("/apps/notes", "/apps/notes/snapshots") for fault in check(page, owner.hive.url + path)]
    assert found == []


def test_an_update_how_it_ends_and_what_it_ran_are_accessible(page: Page, owner: Owner, attic: ShowingDevice) -> None:
    owner.install()
    settle(owner, "notes", attic)
    newer = COMPOSE.replace("notes:1", "notes:2\n    environment: {TOKEN: one}\n    cap_add: [SYS_NICE]")
    write_app(owner.hive.config.state.parent / "catalog", compose=newer)
    ways.log_in(page, owner.hive)
    here = f"{owner.hive.url}/apps/notes"
    found = check(page, f"{here}/update")
    write_app(owner.hive.config.state.parent / "catalog", compose=COMPOSE.replace("notes:1", "notes:2"))
    for attic.cannot_update, attic.update_stage in (("web exited with 1", "done"), ("", "trying")):
        with owner.client() as client:
            client.send("POST", "/api/installations/notes/update", UpdateApp(), Installation)
        eventually(lambda: (seen := owner.installation().updating) is not None and seen.state is not None)
        attic.try_again()
        found += check(page, here)
    found += check(page, f"{here}/versions")
    assert found == []


def test_the_keyboard_reaches_every_control_and_begins_with_the_way_past_the_bar(
    page: Page, owner: Owner, attic: ShowingDevice
) -> None:
    owner.install()
    ways.log_in(page, owner.hive, then="/apps/notes")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    wanted = page.locator("a[href]:visible, button:visible").count()
    reached = {page.evaluate("document.activeElement.outerHTML")}
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML"))
    assert len(reached) >= wanted
