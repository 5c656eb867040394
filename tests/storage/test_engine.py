"""The volume driver through a real Docker engine: what it mounts, refuses and shows."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.storage_client import StorageRefused
from mosaic.storage.parting import parting
from mosaic.storage.serve import serving
from mosaic.wire.storage import SetAside, SnapshotNow
from support.at_engine import BASE, at_the_engine, docker, findable
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon

pytestmark = [pytest.mark.btrfs, pytest.mark.engine]


@pytest.fixture
def daemon(btrfs_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    with at_the_engine(btrfs_path, hive) as made:
        yield made


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with a folder that has something in it."""
    name = f"mosaic-test-{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp("image")
    (folder / "from-image").write_text("from the image")
    (folder / "Dockerfile").write_text(f"FROM {BASE}\nCOPY from-image /seeded/\n")
    docker("build", "--quiet", "--tag", name, str(folder))
    yield name
    docker("image", "rm", "--force", name)


def test_a_container_writes_to_a_held_volume_and_finds_it_again(daemon: TestDaemon, hive: FakeHive, image: str) -> None:
    daemon.take(hive)
    name = make(daemon)
    run(image, name, "sh", "-c", "echo hello > /data/page")
    assert run(image, name, "cat", "/data/page") == "hello\n"
    assert daemon.volume().mounts == 0


def test_an_engine_forgets_the_volumes_of_a_driver_that_leaves_and_their_data_stays(
    btrfs_path: Path, hive: FakeHive, image: str
) -> None:
    with findable(btrfs_path, "token-a") as leaving:
        with serving(leaving.config):
            leaving.connect(hive)
            leaving.take(hive)
            name = make(leaving)
            run(image, name, "sh", "-c", "echo hello > /data/page")
            leaving.wait_until_clean()
        with parting(leaving.config) as names:
            assert names == (name,)
            assert "being uninstalled" in refusal(image, name)
            docker("volume", "rm", name)
            assert name not in docker("volume", "ls", "--quiet")
        with serving(leaving.config):
            make(leaving)
            assert run(image, name, "cat", "/data/page") == "hello\n"
        with parting(leaving.config):
            docker("volume", "rm", name)


def test_the_engine_shows_the_refusal_word_for_word(daemon: TestDaemon, hive: FakeHive, image: str) -> None:
    name = make(daemon)
    assert "was never here; install or move the app to this Device" in refusal(image, name)
    daemon.take(hive)
    run(image, name, "true")
    daemon.client.set_aside(SetAside(VOLUME, "another Device was granted the lease"))
    assert (
        "the data of installation notes was set aside (another Device was granted the lease); "
        "see both versions: mosaic volume show notes"
    ) in refusal(image, name)


def test_a_guard_holds_a_container_back_until_all_is_ready(daemon: TestDaemon, hive: FakeHive, image: str) -> None:
    guard = f"{daemon.config.driver}_guard"
    docker("volume", "create", "--driver", daemon.config.driver, "--opt", "guard=notes", guard)
    assert "the data of installation notes was never here" in refusal(image, guard)
    daemon.take(hive)
    run(image, guard, "true")


def test_an_apps_volume_is_not_removed_by_the_engine(daemon: TestDaemon, hive: FakeHive) -> None:
    daemon.take(hive)
    name = make(daemon)
    said = docker("volume", "rm", name, fails=True)
    assert "to remove the app with its data (kept 30 days in the trash): mosaic uninstall notes" in said
    assert name in docker("volume", "ls", "--quiet")


def test_a_volume_of_no_app_is_refused(daemon: TestDaemon) -> None:
    said = docker("volume", "create", "--driver", daemon.config.driver, "somebodys", fails=True)
    assert "belong to an app" in said
    assert "mosaic install APP" in said


def test_the_image_fills_a_new_folder_and_never_a_restored_one(daemon: TestDaemon, hive: FakeHive, image: str) -> None:
    daemon.take(hive)
    name = make(daemon)
    assert run(image, name, "ls", "/seeded", at="/seeded") == "from-image\n"
    run(image, name, "sh", "-c", "echo mine > /seeded/from-image; echo more > /seeded/mine", at="/seeded")
    assert run(image, name, "cat", "/seeded/from-image", at="/seeded") == "mine\n"


def test_a_running_container_is_seen_even_if_its_mount_was_long_ago(
    daemon: TestDaemon, hive: FakeHive, image: str
) -> None:
    epoch = daemon.take(hive)
    name = make(daemon)
    container = docker("run", "--detach", "--rm", "--volume", f"{name}:/data", image, "sleep", "60").strip()
    try:
        assert daemon.inside is not None
        daemon.inside.mounted_at.clear()
        with pytest.raises(StorageRefused, match="still mounted"):
            daemon.client.snapshot(SnapshotNow(VOLUME, epoch, final=True))
    finally:
        docker("rm", "--force", container)
    daemon.hand_over()


def test_inspect_tells_whose_volume_it_is(daemon: TestDaemon, hive: FakeHive) -> None:
    daemon.take(hive)
    name = make(daemon)
    assert docker("volume", "inspect", "--format", "{{json .Status}}", name) == (
        '{"installation":"notes","phase":"ready"}\n'
    )


def make(daemon: TestDaemon) -> str:
    """Create a Docker volume as the Device does."""
    name = f"{daemon.config.driver}_notes_data"
    docker(
        "volume", "create", "--driver", daemon.config.driver, "--opt", f"volume={VOLUME}", "--opt", "folder=data", name
    )
    return name


def run(image: str, volume: str, *words: str, at: str = "/data") -> str:
    return docker("run", "--rm", "--network", "none", "--volume", f"{volume}:{at}", image, *words)


def refusal(image: str, volume: str) -> str:
    return docker("run", "--rm", "--network", "none", "--volume", f"{volume}:/data", image, "true", fails=True)
