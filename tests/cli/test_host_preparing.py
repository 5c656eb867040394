"""What a Device on a host makes ready before anything is switched: an environment that is whole, or none."""

import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from mosaic.adapters import process
from mosaic.cli.up import host_preparing, versions
from mosaic.cli.up.host_preparing import HostPreparer, NoRoomForVersion, NotForHosts, VersionDiffers, VersionNotMade
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.services import own_packages
from mosaic.core.device_upgrade import Program
from support.tiny_wheel import write_tiny_wheel

Prepare = Callable[[str], Program]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "a state")
    made.make()
    return made


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package's folder, with a space in its path, whose program needs no library."""
    folder = tmp_path / "a package"
    write_tiny_wheel(folder / "host", "9.1")
    (folder / "host/requirements.lock").write_text("# nothing\n")
    return folder


@pytest.fixture
def prepare(layout: Layout, package: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    monkeypatch.setattr(host_preparing, "_IMPORTED", "import mosaic")
    preparer = HostPreparer(layout, has_units=False)
    return lambda version: anyio.run(preparer.prepare, package, version)


@pytest.mark.long
def test_an_environment_is_made_once_and_anew_when_it_is_not_whole_or_of_other_files(
    prepare: Prepare, layout: Layout, package: Path
) -> None:
    made = prepare("9.1")
    folder = layout.versions / "9.1"
    assert made == Program("9.1", str(folder / "bin/python"))
    assert layout.versions.stat().st_mode & 0o077 == 0
    (folder / "here").touch()
    assert prepare("9.1") == made
    assert (folder / "here").exists()
    (package / "host/requirements.lock").write_text("# other files\n")
    assert prepare("9.1") == made
    assert not (folder / "here").exists()
    words = [made.start, "-c", "import mosaic; print(mosaic.__version__)"]
    said = process.run(words, deadline_seconds=30, env=own_packages(made.start))
    assert said.text == "9.1\n"


@pytest.mark.long
def test_a_package_that_is_not_locked_by_hashes_is_not_installed(
    prepare: Prepare, layout: Layout, package: Path
) -> None:
    (package / "host/requirements.lock").write_text("click==8.3.0\n")
    with pytest.raises(VersionNotMade, match="hash"):
        prepare("9.1")
    digests = {"wheel": "", "requirements": ""}
    assert not versions.is_made_from(layout.versions / "9.1", digests)


@pytest.mark.long
def test_a_wheel_that_is_another_version_than_its_package_says_is_refused(prepare: Prepare, package: Path) -> None:
    write_tiny_wheel(package / "host", "9.1", says="6.6")
    with pytest.raises(VersionDiffers):
        prepare("9.1")


def test_a_package_for_containers_alone_is_refused_by_a_host(prepare: Prepare, package: Path) -> None:
    with pytest.raises(NotForHosts, match=r"mosaic-9\.2"):
        prepare("9.2")
    (package / "host/requirements.lock").unlink()
    with pytest.raises(NotForHosts, match=r"requirements\.lock"):
        prepare("9.1")


def test_without_room_nothing_is_made(prepare: Prepare, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    with pytest.raises(NoRoomForVersion):
        prepare("9.1")
    assert list(layout.versions.iterdir()) == []
