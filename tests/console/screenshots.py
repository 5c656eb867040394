"""Write the Console's pictures: a real Hive, three Devices that only speak the protocol, and a browser.

Usage: python -m console.screenshots FOLDER
"""

import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from playwright.sync_api import Browser, Page, sync_playwright

from console import ways
from console.conftest import ARGUMENTS, chromium_path
from console.showing import ShowingDevice, joined, settle
from mosaic.adapters.clock import SystemClock
from mosaic.wire.report import InstallationReport, PortBinding, ServiceState, Step, VolumeReport
from support.fake_device import Local, LocalVolume
from support.running_hive import Owner, running_hive, write_app
from support.waiting import eventually

NS = 10**9
APPS = {
    "notes": ("Notes", "Write in plain text, find it years later.", ("proxy", "web", "db")),
    "matrix": ("Matrix", "Chat that nobody in the middle can read.", ("homeserver", "database", "media")),
    "photos": ("Photos", "Every picture, on your own disk.", ("web", "worker", "db")),
    "vault": ("Vault", "Passwords for the household, sealed on each phone.", ("server",)),
    "calendar": ("Calendar", "Dates that several people can change.", ("server",)),
}
HOMES = {"matrix": "attic", "photos": "attic", "calendar": "attic", "notes": "study", "vault": "study"}
SHOTS: tuple[tuple[str, str, int, Literal["light", "dark"]], ...] = (
    ("console.png", "/", 1440, "light"),
    ("console-dark.png", "/apps/photos", 1440, "dark"),
    ("console-phone.png", "/", 375, "light"),
)


class DemoDevice(ShowingDevice):
    """Reports each app with the services that it has, saved a few seconds ago."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.names: dict[str, str] = {}

    def _installation(self, name: str, local: Local) -> InstallationReport:
        report = super()._installation(name, local)
        app = self.names.get(name, "notes")
        if report.phase != "running":
            return report
        services = [ServiceState(service, "running", "healthy", None) for service in APPS[app][2]]
        ports = [PortBinding(services[0].service, 8080, "tcp", "127.0.0.1", 8080 + len(app))]
        return msgspec.structs.replace(report, services=services, ports=ports, url=f"http://{app}.localhost:8931")

    def _volume(self, name: str, kind: str, local: Local, volume: LocalVolume) -> VolumeReport:
        report = super()._volume(name, kind, local, volume)
        saved = [
            msgspec.structs.replace(copy, instant_ns=time.time_ns() - len(self.names.get(name, "")) * NS)
            for copy in report.replicas
        ]
        return msgspec.structs.replace(report, replicas=saved)


@contextmanager
def demo(folder: Path) -> Iterator[Owner]:
    """A household: two Devices at work, one that waits, one app being restored."""
    with running_hive(folder, clock=SystemClock()) as hive, ExitStack() as open_until_the_end:
        for name, (title, summary, services) in APPS.items():
            lines = "".join(f"  {service}: {{image: '{name}-{service}:1'}}\n" for service in services)
            write_app(
                folder / "catalog", name, f'x-mosaic: {{title: "{title}", summary: "{summary}"}}\nservices:\n{lines}'
            )
        owner = hive.set_up()
        devices = {
            name: open_until_the_end.enter_context(joined(owner, name, kind=DemoDevice)) for name in ("attic", "study")
        }
        open_until_the_end.enter_context(joined(owner, "cellar", admitted=False))
        names: dict[str, str] = {}
        for device in devices.values():
            assert isinstance(device, DemoDevice)
            device.names = names
        for app, home in HOMES.items():
            names[owner.install(app, device=home).installation] = app
        for app, home in HOMES.items():
            settle(owner, app, devices[home])
        _move_photos(owner, devices["study"])
        for device in devices.values():
            device.report()
        yield owner


def _move_photos(owner: Owner, study: ShowingDevice) -> None:
    """Leave photos on its way, with something to watch."""
    now = time.time_ns()
    study.obedient = False
    owner.move("study", "photos")
    photos = owner.installation("photos").installation
    eventually(lambda: study.assigned(photos) is not None)
    study.local[photos] = Local(phase="preparing", goal="prepare")
    study.steps[photos] = [
        Step("Fetch the bundle", "done", now - 62 * NS, now - 61 * NS),
        Step("Fetch 3 images", "done", now - 61 * NS, now - 40 * NS, 640_000_000, 640_000_000),
        Step("Restore ahead", "now", now - 40 * NS, None, 3_680_000_000, 8_200_000_000, "every block is checked"),
    ]


def shoot(browser: Browser, owner: Owner, folder: Path) -> None:
    """Write every picture."""
    for name, path, width, scheme in SHOTS:
        context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
        page = context.new_page()
        page.emulate_media(color_scheme=scheme)
        ways.log_in(page, owner.hive, then=path)
        _settle(page)
        page.screenshot(path=folder / name, full_page=width > 400)
        context.close()


def _settle(page: Page) -> None:
    page.get_by_role("status").first.filter(has_text=re.compile("^Live$")).wait_for()


def main(folder: Path) -> None:
    """Write the pictures into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state, demo(Path(state)) as owner, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        shoot(browser, owner, folder)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
