"""The volume driver's answers, as bytes on its socket."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters import process
from mosaic.adapters.storage_client import StorageRefused
from mosaic.storage import stale_mounts
from mosaic.storage.serve import serving
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs


def test_it_says_what_it_is(here: TestDaemon) -> None:
    assert here.engine("Plugin.Activate") == {"Implements": ["VolumeDriver"]}
    assert here.engine("VolumeDriver.Capabilities") == {"Capabilities": {"Scope": "local"}, "Err": ""}
    assert "no verb" in str(here.engine("VolumeDriver.Explode")["Err"])
    assert "not well-formed" in str(here.engine("VolumeDriver.Mount", Name=3)["Err"])


def test_creating_twice_is_fine_and_another_one_of_the_name_is_not(here: TestDaemon) -> None:
    here.create()
    here.create()
    answer = here.engine("VolumeDriver.Create", Name="data", Opts={"volume": VOLUME, "folder": "other"})
    assert "another volume of the name data" in str(answer["Err"])


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("data", None, "belong to an app"),
        ("data", {"volume": VOLUME}, "options volume and folder"),
        ("data", {"volume": "x", "folder": "data"}, "not a volume's name"),
        ("data", {"volume": VOLUME, "folder": "../other"}, "not a plain name"),
        ("data", {"volume": VOLUME, "folder": ".."}, "not a plain name"),
        ("../data", {"volume": VOLUME, "folder": "data"}, "not a name that the driver takes"),
    ],
)
def test_what_it_does_not_know_is_refused(
    here: TestDaemon, name: str, options: dict[str, str] | None, sentence: str
) -> None:
    assert sentence in str(here.engine("VolumeDriver.Create", Name=name, Opts=options)["Err"])
    assert here.engine("VolumeDriver.List")["Volumes"] == []


def test_a_mounted_volume_has_a_path_until_its_last_user_left(here: TestDaemon, hive: FakeHive) -> None:
    here.take(hive)
    here.create()
    path = here.mount(mount_id="one")
    assert here.mount(mount_id="one") == path
    assert here.mount(mount_id="two") == path
    assert here.volume().mounts == 2
    here.unmount(mount_id="one")
    here.unmount(mount_id="one")
    assert here.engine("VolumeDriver.Path", Name="data")["Mountpoint"] == str(path)
    here.unmount(mount_id="two")
    assert here.engine("VolumeDriver.Path", Name="data")["Mountpoint"] == ""
    assert here.engine("VolumeDriver.Get", Name="data")["Volume"] == {
        "Name": "data",
        "Mountpoint": "",
        "Status": {"installation": "notes", "phase": "ready"},
    }


def test_two_folders_of_a_volume_are_cut_at_one_instant_and_kept_apart(here: TestDaemon, hive: FakeHive) -> None:
    here.take(hive)
    here.create("data", "data")
    here.create("media", "media")
    data, media = here.mount("data"), here.mount("media")
    assert data.parent == media.parent
    assert data != media
    assert data.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("what", ["link to a folder", "file"])
def test_what_a_snapshot_has_in_the_place_of_a_folder_is_never_mounted(
    here: TestDaemon, there: TestDaemon, hive: FakeHive, what: str
) -> None:
    here.take(hive)
    odd = here.pool / "live" / VOLUME / "data"
    odd.symlink_to("/etc") if what == "link to a folder" else odd.touch()
    here.wait_until_clean()
    here.hand_over()
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    there.create()
    assert "something else than a folder at data" in there.refusal()
    assert there.volume().mounts == 0


def test_removing_data_is_refused_and_removing_nothing_is_fine(here: TestDaemon, hive: FakeHive) -> None:
    here.create()
    assert here.engine("VolumeDriver.Remove", Name="data") == {"Err": ""}
    assert here.engine("VolumeDriver.Remove", Name="data") == {"Err": ""}
    assert "has no volume data" in str(here.engine("VolumeDriver.Get", Name="data")["Err"])
    here.take(hive)
    here.create()
    assert "mosaic uninstall notes" in str(here.engine("VolumeDriver.Remove", Name="data")["Err"])
    assert len(here.engine("VolumeDriver.List")["Volumes"]) == 1


@pytest.fixture
def sees_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests may run in a container; the daemon then could not know that it sees every process, and we do."""
    monkeypatch.setattr(stale_mounts, "_FIRST_PID_NAMESPACE", str(Path("/proc/self/ns/pid").readlink()))


@pytest.mark.usefixtures("sees_all")
@pytest.mark.parametrize("another", [False, True], ids=["alone", "beside another Device's copy of the volume in use"])
def test_a_mount_that_the_engine_never_ended_does_not_block_a_release(
    btrfs_path: Path, hive: FakeHive, *, another: bool
) -> None:
    with place(btrfs_path, "here", "token-a") as here, contextlib.ExitStack() as running:
        with serving(here.config):
            here.connect(hive)
            here.take(hive)
            here.create()
            here.mount()
        if another:
            copy = btrfs_path / "another" / "live" / VOLUME / "data"
            copy.mkdir(parents=True)
            running.enter_context(container_with(copy, btrfs_path / "seen"))
        with serving(here.config):
            assert here.volume().mounts == 1
            here.hand_over()
            assert (here.volume().phase, here.volume().mounts) == ("released", 0)


@pytest.mark.usefixtures("sees_all")
def test_a_volume_that_a_container_has_mounted_is_not_released(btrfs_path: Path, hive: FakeHive) -> None:
    with place(btrfs_path, "here", "token-a") as here:
        with serving(here.config):
            here.connect(hive)
            here.take(hive)
            here.create()
            where = here.mount()
        with container_with(where, btrfs_path / "seen"), serving(here.config):
            with pytest.raises(StorageRefused, match="still mounted"):
                here.hand_over()
            assert here.volume().mounts == 1


@contextlib.contextmanager
def container_with(folder: Path, where: Path) -> Iterator[None]:
    """A process in a mount namespace of its own, where a folder is mounted, as containers have it."""
    where.mkdir()
    child = process.spawn(["unshare", "--mount", "sleep", "300"])
    try:
        own = Path("/proc/self/ns/mnt").readlink()
        eventually(lambda: Path(f"/proc/{child.pid}/ns/mnt").readlink() != own)
        within = ["nsenter", "--target", str(child.pid), "--mount"]
        process.run([*within, "mount", "--bind", str(folder), str(where)], deadline_seconds=60)
        yield
    finally:
        child.stop(10)
