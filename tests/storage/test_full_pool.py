"""A pool that fills up: snapshots stop first and say so, apps go on to the last byte, and making room is enough."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.adapters import loop
from mosaic.storage.engine.heads import open_head, root_of
from mosaic.storage.pool import PoolNearlyFull
from mosaic.wire.storage import SnapshotNow
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place
from support.stores import MemoryStore
from support.trees import tree_difference
from support.volumes import Machine
from support.waiting import eventually

pytestmark = pytest.mark.btrfs
_MIB = 1024 * 1024


@pytest.fixture
def small(btrfs_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    """A running daemon with the smallest image that there is, and an app in it."""
    with place(btrfs_path, "small", "token-a") as daemon:
        daemon.config = replace(
            daemon.config, pool=None, image_bytes=loop.MIN_IMAGE_BYTES, interval_seconds=0.05, reserve_bytes=64 * _MIB
        )
        daemon.start()
        daemon.connect(hive)
        daemon.take(hive)
        daemon.create()
        yield daemon
        assert daemon.child is not None
        daemon.child.stop(grace_seconds=10)
        loop.close_image(daemon.config.state / "pool.img", daemon.config.state / "pool")


def write(path: Path) -> None:
    """Write 8 MiB, synced. It compresses well on its way, and takes its place here."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(os.urandom(1024) * 8192)
        file.flush()
        os.fsync(file.fileno())


def fill_until_snapshots_stop(daemon: TestDaemon, folder: Path) -> None:
    """Write one file after another, each replicated before the next, until that is refused."""
    epoch = daemon.volume().epoch
    assert epoch is not None
    for number in range(loop.MIN_IMAGE_BYTES // (8 * _MIB)):
        write(folder / f"file{number:03}")
        daemon.client.snapshot(SnapshotNow(VOLUME, epoch))
        eventually(lambda: daemon.volume().clean or daemon.volume().problem is not None, seen=daemon.volume)
        if daemon.volume().problem is not None:
            return
    raise AssertionError("the pool has no end")


def test_snapshots_stop_before_apps_run_out_of_space_and_apps_use_the_rest(small: TestDaemon) -> None:
    folder = small.mount()
    fill_until_snapshots_stop(small, folder)
    problem = small.volume().problem
    assert problem is not None
    assert problem.code == PoolNearlyFull.code
    for number in range(2):
        write(folder / f"more{number}")


def test_making_room_is_enough_to_go_on(small: TestDaemon, hive: FakeHive, tmp_path: Path) -> None:
    folder = small.mount()
    fill_until_snapshots_stop(small, folder)
    for path in sorted(folder.iterdir())[3:]:
        path.unlink()
    epoch = small.volume().epoch
    assert epoch is not None

    def goes_on() -> bool:
        small.client.snapshot(SnapshotNow(VOLUME, epoch))
        return small.volume().clean and small.volume().problem is None

    eventually(goes_on, seen=small.volume)
    store = MemoryStore()
    store.objects = hive.volume(VOLUME).objects
    Machine(store).restore(root_of(open_head(hive.volume(VOLUME).heads[-1], VOLUME)), tmp_path / "restored")
    assert tree_difference(folder, tmp_path / "restored" / "data") == []


def test_an_app_that_only_overwrites_its_files_is_not_stopped_by_what_a_snapshot_keeps(small: TestDaemon) -> None:
    folder = small.mount()
    fill_until_snapshots_stop(small, folder)
    for path in sorted(folder.iterdir()):
        write(path)
