"""One Chromium for all tests of the Console; a page of its own for each."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from console import ways
from console.showing import ShowingDevice, joined
from mosaic.adapters.clock import SystemClock
from support.running_hive import Owner, RunningHive, running_hive, write_app

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

SLY = """\
x-mosaic: {title: "Sly <img src=x onerror=alert(1)>", summary: "<script>alert(1)</script>"}
services: {web: {image: "sly:1"}}
"""

_DEADLINE_MS = 60_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # A browser that is closed leaves the server's half-open connections to the garbage collector.
        item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
        item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))


def chromium_path() -> str:
    """Return where the browser is."""
    return next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    expect.set_options(timeout=_DEADLINE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page without cookies. A script that fails, or that the policy refuses, fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(_DEADLINE_MS)
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    yield opened
    context.close()
    assert faults == []


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[RunningHive]:
    """A Hive that nobody has set up; its clock is the machine's, as the browser's is."""
    with running_hive(tmp_path, clock=SystemClock()) as running:
        write_app(tmp_path / "catalog", "broken", "services: [")
        write_app(tmp_path / "catalog", "sly", SLY)
        yield running


@pytest.fixture
def owner(hive: RunningHive) -> Owner:
    """The account, with its keys."""
    return hive.set_up()


@pytest.fixture
def attic(owner: Owner) -> Iterator[ShowingDevice]:
    """A Device that is admitted, connected, and does what it is told."""
    with joined(owner, "attic") as device:
        yield device


@pytest.fixture
def study(owner: Owner) -> Iterator[ShowingDevice]:
    """Another one."""
    with joined(owner, "study") as device:
        yield device


@pytest.fixture
def signed_in(page: Page, owner: Owner) -> Page:
    """A page of the owner's, at home."""
    ways.log_in(page, owner.hive)
    return page
