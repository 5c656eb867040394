"""Markers that need something from the machine, and the fixtures that everybody shares.

A test whose need is missing is skipped with the reason, and fails instead
when MOSAIC_REQUIRE_ALL=1: CI must not skip anything.
"""

import gc
import importlib.util
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mosaic.adapters import freezer
from mosaic.storage.stale_mounts import sees_all_processes
from support import registry_server
from support.btrfs_pool import btrfs_folder
from support.derivations import remembered_derivations
from support.netns import namespaces

ENGINE_SOCKET = Path("/var/run/docker.sock")

# No example has a deadline, and none is called too slow: on a busy machine either says nothing of the code.
settings.register_profile("mosaic", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mosaic")


def _lacks_engine() -> str | None:
    if os.environ.get("DOCKER_HOST") or ENGINE_SOCKET.exists():
        return None
    return f"no Docker engine listens on {ENGINE_SOCKET}"


def _lacks_btrfs() -> str | None:
    if os.geteuid() != 0:
        return "mounting btrfs needs root"
    missing = [tool for tool in ("mkfs.btrfs", "losetup", "mount") if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    return None if "btrfs" in Path("/proc/filesystems").read_text() else "this kernel does not know btrfs"


def _lacks_cgroup() -> str | None:
    if os.geteuid() != 0:
        return "freezing control groups needs root"
    if not sees_all_processes():
        return "in a PID namespace it cannot be told whose control groups to freeze, and snapshots of folders are fuzzy"
    mounted = freezer.mounted()
    found = [top for top in (mounted.first, mounted.second) if top is not None and os.access(top, os.W_OK)]
    return None if found else "no control groups are mounted here that could be frozen"


def _lacks_postgres() -> str | None:
    from support import postgres  # imports a driver that only these tests need

    return postgres.lacks()


def _lacks_browser() -> str | None:
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed"
    found = any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return None if found else "Chromium is not installed"


def _lacks_acme() -> str | None:
    from support import haproxies

    found = all(shutil.which(name) for name in ("pebble", "caddy"))
    return haproxies.lacks() if found else "Pebble or Caddy is not installed"


NEEDS: dict[str, Callable[[], str | None]] = {
    "engine": _lacks_engine,
    "btrfs": _lacks_btrfs,
    "cgroup": _lacks_cgroup,
    "netns": namespaces.lacks,
    "postgres": _lacks_postgres,
    "acme": _lacks_acme,
    "browser": _lacks_browser,
    "registry": registry_server.lacks,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the stories last: an engine waits 15 s for each volume driver that they used, in every test after them."""
    items.sort(key=lambda item: "e2e" in item.path.parts)


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later look for garbage: it would take a quarter of a second more."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_drivers_that_have_gone(request: pytest.FixtureRequest) -> None:
    """Have the engine wait for no driver of tests that ran before these, on the same engine."""
    if any(item.get_closest_marker("engine") for item in request.session.items) and _lacks_engine() is None:
        from support import absent_drivers  # other tests need no engine's client

        absent_drivers.stand_in_for_earlier_runs()


@pytest.fixture(scope="session", autouse=True)
def _derived_once() -> Iterator[None]:
    """Pay Argon2id's price once for each passphrase and salt: most tests unlock the keys of the same account."""
    with remembered_derivations():
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail, a test whose marker names something that this machine lacks."""
    for marker, lacks in NEEDS.items():
        if item.get_closest_marker(marker) is None or (reason := lacks()) is None:
            continue
        if os.environ.get("MOSAIC_REQUIRE_ALL") == "1":
            pytest.fail(f"{marker}: {reason}, and MOSAIC_REQUIRE_ALL=1 forbids skipping", pytrace=False)
        # What the machine lacks is the reason; where nothing may lack, the line above has failed.
        pytest.skip(f"{marker}: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what skips itself where nothing may be skipped, whatever its reason."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("MOSAIC_REQUIRE_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and MOSAIC_REQUIRE_ALL=1 forbids skipping: {report.longrepr}"
    return report


@pytest.fixture
def btrfs_path(tmp_path: Path) -> Iterator[Path]:
    """A folder on a btrfs of this test's own."""
    with btrfs_folder(tmp_path) as folder:
        yield folder
