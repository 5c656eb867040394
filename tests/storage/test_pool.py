"""The pool and the process around it: made, adopted, left alone while in use."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.adapters import loop
from mosaic.storage.config import StorageConfig
from mosaic.storage.parting import delete_data
from mosaic.storage.pool import PoolMissing, PoolNearlyFull, open_pool
from mosaic.storage.serve import serving
from mosaic.wire.storage import SnapshotNow, StateRequest
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place, running
from support.waiting import eventually

pytestmark = pytest.mark.btrfs


@pytest.fixture
def imaged(btrfs_path: Path) -> Iterator[TestDaemon]:
    """A daemon, not running, that makes an image of its own."""
    with place(btrfs_path, "imaged", "token-a") as daemon:
        daemon.config = replace(daemon.config, pool=None, image_bytes=loop.MIN_IMAGE_BYTES)
        yield daemon
        if daemon.child is not None:
            daemon.child.stop(grace_seconds=10)
        loop.close_image(daemon.config.state / "pool.img", daemon.config.state / "pool")


def test_without_a_folder_an_image_is_made_and_unmounted_at_the_end(imaged: TestDaemon, hive: FakeHive) -> None:
    with serving(imaged.config):
        imaged.connect(hive)
        imaged.take(hive)
        pool = imaged.client.state(StateRequest()).pool
        assert (pool.kind, pool.problem) == ("image", None)
        assert pool.total_bytes == loop.MIN_IMAGE_BYTES
        imaged.wait_until_clean()
    assert loop.mounted_source(imaged.config.state / "pool") is None
    assert loop.attached_device(imaged.config.state / "pool.img") is None
    with serving(imaged.config):
        assert imaged.volume().phase == "ready"


def test_an_image_grows_to_what_its_owner_wants_and_opens_as_it_is_where_it_cannot(
    imaged: TestDaemon, hive: FakeHive, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(imaged.config):
        imaged.connect(hive)
        imaged.take(hive)
        imaged.wait_until_clean()
    disk = os.statvfs(imaged.config.state)
    for wanted in (2 * loop.MIN_IMAGE_BYTES, 3 * loop.MIN_IMAGE_BYTES + disk.f_bavail * disk.f_frsize):
        with serving(replace(imaged.config, image_bytes=wanted)):
            pool = imaged.client.state(StateRequest()).pool
            assert (pool.total_bytes, pool.problem) == (2 * loop.MIN_IMAGE_BYTES, None)
            assert imaged.volume().phase == "ready"
    assert "pool_not_grown" in capsys.readouterr().err


def test_a_pool_in_use_stays_mounted_over_a_restart(imaged: TestDaemon, hive: FakeHive) -> None:
    imaged.start()
    imaged.connect(hive)
    imaged.take(hive)
    imaged.create()
    folder = imaged.mount()
    imaged.stop()
    (folder / "page").write_text("written while the daemon was away")
    imaged.start()
    assert imaged.volume().mounts == 1
    state = imaged.wait_until_clean()
    assert state.local_head == hive.volume(VOLUME).newest
    imaged.unmount()


def test_a_killed_daemon_finds_its_loop_device_and_mount_again(imaged: TestDaemon, hive: FakeHive) -> None:
    imaged.start()
    imaged.connect(hive)
    imaged.take(hive)
    device = loop.attached_device(imaged.config.state / "pool.img")
    imaged.kill()
    imaged.start()
    assert loop.attached_device(imaged.config.state / "pool.img") == device
    assert imaged.volume().phase == "ready"


def test_a_folder_that_is_not_btrfs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PoolMissing, match="is not a folder on btrfs"):
        open_pool(StorageConfig(state=tmp_path, pool=tmp_path))


def test_snapshots_stop_before_apps_run_out_of_space(btrfs_path: Path, hive: FakeHive) -> None:
    with place(btrfs_path, "here", "token-a") as here:
        here.config = replace(here.config, reserve_bytes=1 << 40)
        with serving(here.config):
            here.connect(hive)
            epoch = here.take(hive)
            eventually(lambda: here.volume().problem is not None)
            problem = here.volume().problem
            assert problem is not None
            assert problem.code == PoolNearlyFull.code
            assert "snapshots have stopped" in problem.message
            assert here.client.state(StateRequest()).pool.problem == problem
            here.client.snapshot(SnapshotNow(VOLUME, epoch))
            here.create()
            (here.mount() / "page").write_text("the app goes on")
            assert hive.volume(VOLUME).heads == []


def test_an_app_leaves_a_pool_that_is_too_full_for_snapshots(btrfs_path: Path, hive: FakeHive) -> None:
    with place(btrfs_path, "here", "token-a") as here:
        here.config = replace(here.config, reserve_bytes=1 << 40)
        with serving(here.config):
            here.connect(hive)
            here.take(hive)
            here.create()
            (here.mount() / "page").write_text("one")
            here.unmount()
            eventually(lambda: here.volume().problem is not None)
            here.hand_over()
            assert here.volume().phase == "released"
            assert here.volume().local_head == hive.volume(VOLUME).newest


def test_a_full_pool_fails_a_restore_with_the_reason(btrfs_path: Path, hive: FakeHive) -> None:
    with contextlib.ExitStack() as opened:
        here = opened.enter_context(running(btrfs_path, "here", "token-a"))
        here.connect(hive)
        here.take(hive)
        here.create()
        (here.mount() / "page").write_bytes(b"compressible " * 3_000_000)
        here.unmount()
        here.hand_over()
        small = opened.enter_context(place(btrfs_path, "small", "token-b"))
        small.config = replace(small.config, pool=None, image_bytes=loop.MIN_IMAGE_BYTES)
        opened.callback(loop.close_image, small.config.state / "pool.img", small.config.state / "pool")
        opened.enter_context(serving(small.config))
        _fill(small.config.state / "pool")
        small.connect(hive)
        small.take(hive)
        eventually(lambda: small.volume().problem is not None)
        problem = small.volume().problem
        assert problem is not None
        assert (problem.code, "it is full" in problem.message) == ("target-failed", True), problem
        small.create()
        assert "could not be restored" in small.refusal()


def _fill(folder: Path) -> None:
    """Leave no more than 20 MiB."""
    with tempfile.TemporaryFile(dir=folder) as probe, (folder / "ballast").open("wb") as ballast:
        del probe
        block = bytes(1024 * 1024)
        for _ in range(loop.MIN_IMAGE_BYTES // len(block) - 30):
            try:
                ballast.write(block)
            except OSError:
                break


def test_deleting_the_data_of_a_pool_takes_all_of_it_and_nothing_else(btrfs_path: Path) -> None:
    pool = btrfs_path / "here"
    with place(btrfs_path, "here", "token-a") as here, FakeHive().running() as hive:
        (pool / "somebody's").write_text("stays")
        with serving(here.config):
            here.connect(hive)
            here.take(hive)
            here.create()
            (here.mount() / "page").write_text("hello")
            here.unmount()
            here.wait_until_clean()
        assert list(pool.glob("live/*"))
        assert list(pool.glob("snap/*/*"))
        for _ in range(2):
            delete_data(pool)
        assert [path.name for path in pool.iterdir()] == ["somebody's"]
