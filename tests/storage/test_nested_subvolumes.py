"""Subvolumes that an app makes within its volume: any of its processes may, without privilege."""

import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mosaic.adapters import btrfs
from mosaic.storage.serve import serving
from mosaic.wire.storage import NOT_ALL_SAVED, Discard
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, place

pytestmark = pytest.mark.btrfs

DEFAULT_SUBVOL = 0x40089413  # BTRFS_IOC_DEFAULT_SUBVOL of <linux/btrfs.h>
TOP_TREE = 5


def test_a_copy_with_a_subvolume_in_it_is_given_up_whole_and_kept(hive: FakeHive, btrfs_path: Path) -> None:
    with place(btrfs_path, "here", "token-a") as here:
        with serving(here.config):
            here.connect(hive)
            here.take(hive)
            here.create()
            folder = here.mount()
            btrfs.create(folder / "inner")
            (folder / "inner" / "page").write_text("in no head")
            here.wait_until_clean()
            here.unmount()
            here.hand_over()
            newest = hive.volume(VOLUME).newest
            assert newest is not None
            here.client.discard(Discard(VOLUME, newest))
            (kept,) = here.volume().conflicts
            assert (Path(kept.path) / "data" / "inner" / "page").read_text() == "in no head"
        with serving(here.config):
            assert [one.name for one in here.volume().conflicts] == [kept.name]


def test_what_no_snapshot_has_is_a_problem_by_its_path_until_it_is_gone(hive: FakeHive, btrfs_path: Path) -> None:
    with place(btrfs_path, "here", "token-a") as here:
        with serving(here.config):
            here.connect(hive)
            here.take(hive)
            here.create()
            folder = here.mount()
            here.wait_until_clean()
            btrfs.create(folder / "inner")
            os.mknod(folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
            here.wait_until_clean()
            problem = here.volume().problem
            assert problem is not None
            assert (problem.code, "data/inner" in problem.message) == (NOT_ALL_SAVED, True)
            assert [one.path for one in here.volume().left_out] == ["data/inner", "data/device"]
        with serving(here.config):
            assert here.volume().problem == problem
            here.connect(hive)
            here.hold("1.1", None)
            btrfs.delete(folder / "inner")
            here.wait_until_clean()
            assert here.volume().problem is None
            assert [one.path for one in here.volume().left_out] == ["data/device"]


def test_a_start_deletes_what_a_killed_daemon_left_with_a_subvolume_in_it(btrfs_path: Path) -> None:
    with place(btrfs_path, "here", "token-a") as here:
        with serving(here.config):
            pass
        grave = here.pool / "trash" / "grave"
        btrfs.create(grave)
        btrfs.create(grave / "inner")
        with serving(here.config):
            assert not grave.exists()


def test_what_cannot_be_deleted_stops_no_start(btrfs_path: Path) -> None:
    with place(btrfs_path, "here", "token-a") as here:
        with serving(here.config):
            pass
        graves = [here.pool / "trash" / name for name in ("one", "two")]
        for grave in graves:
            btrfs.create(grave)
        with _default(btrfs_path, graves[0]), serving(here.config):
            assert [grave.exists() for grave in graves] == [True, False]
        with serving(here.config):
            assert not graves[0].exists()


@contextmanager
def _default(pool: Path, subvolume: Path) -> Iterator[None]:
    """Have the kernel refuse to delete a subvolume: it would be mounted when none is named."""
    found = btrfs.look(subvolume)
    assert found is not None
    _set_default(pool, found.tree)
    try:
        yield
    finally:
        _set_default(pool, TOP_TREE)


def _set_default(pool: Path, tree: int) -> None:
    descriptor = os.open(pool, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, DEFAULT_SUBVOL, struct.pack("=Q", tree))
    finally:
        os.close(descriptor)
