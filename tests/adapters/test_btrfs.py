"""Subvolumes on a real btrfs."""

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mosaic.adapters import btrfs
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

FREEZE, THAW = 0xC0045877, 0xC0045878  # FIFREEZE and FITHAW of <linux/fs.h>
THAW_LATER = (
    f"import fcntl, os, sys, time; time.sleep(5); fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), {THAW}, bytes(4))"
)


def test_a_snapshot_keeps_what_was_there_at_its_instant(btrfs_path: Path) -> None:
    live, cut = btrfs_path / "live", btrfs_path / "cut"
    btrfs.create(live)
    (live / "page").write_text("one")
    btrfs.snapshot(live, cut)
    (live / "page").write_text("two")
    assert (cut / "page").read_text() == "one"
    with pytest.raises(OSError, match="Read-only"):
        (cut / "page").write_text("three")


def test_a_pool_without_room_for_another_subvolume_says_that_it_is_full(btrfs_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), (btrfs_path / "data").open("wb") as data:
        while True:
            data.write(bytes(1024 * 1024))
    # Where a link leads to is written among the file system's own records.
    with pytest.raises(OSError, match="No space left"):
        for number in range(100_000):
            (btrfs_path / f"link{number}").symlink_to("x" * 3000)
    with pytest.raises(btrfs.PoolFull, match="full"):
        for number in range(1000):
            btrfs.create(btrfs_path / f"another{number}")


def test_the_generation_tells_whether_anything_changed_since_a_snapshot(btrfs_path: Path) -> None:
    live, cut = btrfs_path / "live", btrfs_path / "cut"
    btrfs.create(live)
    (live / "page").write_text("one")
    btrfs.snapshot(live, cut)
    btrfs.sync(btrfs_path)
    before, snapshot = _look(live), _look(cut)
    assert before.generation == snapshot.created_at
    btrfs.create(btrfs_path / "another")
    btrfs.sync(btrfs_path)
    assert _look(live).generation == before.generation
    (live / "page").write_text("two")
    btrfs.sync(btrfs_path)
    assert _look(live).generation > before.generation


def test_a_uuid_survives_a_rename_and_is_not_shared(btrfs_path: Path) -> None:
    btrfs.create(btrfs_path / "a")
    uuid = _look(btrfs_path / "a").uuid
    btrfs.snapshot(btrfs_path / "a", btrfs_path / "c")
    (btrfs_path / "a").rename(btrfs_path / "b")
    assert _look(btrfs_path / "b").uuid == uuid
    assert _look(btrfs_path / "c").uuid != uuid


def test_read_only_is_set_and_unset(btrfs_path: Path) -> None:
    btrfs.create(btrfs_path / "a")
    btrfs.set_read_only(btrfs_path / "a", read_only=True)
    assert _look(btrfs_path / "a").read_only
    btrfs.set_read_only(btrfs_path / "a", read_only=False)
    (btrfs_path / "a" / "file").touch()


def test_deleting_takes_all_and_may_be_done_twice(btrfs_path: Path) -> None:
    btrfs.create(btrfs_path / "a")
    (btrfs_path / "a" / "folder").mkdir()
    btrfs.delete(btrfs_path / "a")
    btrfs.delete(btrfs_path / "a")
    assert btrfs.look(btrfs_path / "a") is None
    assert not (btrfs_path / "a").exists()


def test_deleting_takes_the_subvolumes_that_an_app_made_within_and_nothing_beside(btrfs_path: Path) -> None:
    outer, beside = btrfs_path / "outer", btrfs_path / "beside"
    deep = Path(*["of a long name" * 10] * 40)
    btrfs.create(outer)
    btrfs.create(beside)
    assert not btrfs.holds_others(outer)
    (outer / "folder").mkdir()
    btrfs.create(outer / "folder" / "one")
    btrfs.create(outer / "folder" / "one" / "two")
    (outer / "folder" / "one" / "two" / "page").write_text("of an app")
    (outer / "folder" / "one" / "link").symlink_to(beside)
    btrfs.set_read_only(outer / "folder" / "one", read_only=True)
    _make_far_within(outer, deep)
    assert btrfs.holds_others(outer)
    btrfs.delete(outer)
    assert not outer.exists()
    assert btrfs.exists(beside)


def _make_far_within(outer: Path, deep: Path) -> None:
    """Make a subvolume below a path that is longer than the system's limit."""
    was = os.open(".", os.O_RDONLY)
    try:
        os.chdir(outer)
        for name in deep.parts:
            Path(name).mkdir()
            os.chdir(name)
        btrfs.create(Path("inner"))
    finally:
        os.fchdir(was)
        os.close(was)


def test_what_cannot_be_done_is_refused_by_name(btrfs_path: Path, tmp_path: Path) -> None:
    btrfs.create(btrfs_path / "a")
    with pytest.raises(btrfs.SubvolumeExists):
        btrfs.create(btrfs_path / "a")
    with pytest.raises(btrfs.NotASubvolume):
        btrfs.snapshot(btrfs_path / "missing", btrfs_path / "b")
    with pytest.raises(btrfs.NotBtrfs):
        btrfs.create(tmp_path / "elsewhere")
    assert btrfs.is_btrfs(btrfs_path)
    assert not btrfs.is_btrfs(tmp_path)


def test_a_plain_folder_is_no_subvolume(btrfs_path: Path) -> None:
    (btrfs_path / "plain").mkdir()
    assert not btrfs.exists(btrfs_path / "plain")


def _look(path: Path) -> btrfs.Subvolume:
    found = btrfs.look(path)
    assert found is not None
    return found


def test_a_kernel_that_takes_its_time_for_a_snapshot_stops_nobody_else(btrfs_path: Path) -> None:
    btrfs.create(btrfs_path / "live")
    cut = threading.Thread(target=btrfs.snapshot, args=(btrfs_path / "live", btrfs_path / "cut"), daemon=True)
    with _frozen(btrfs_path):
        cut.start()
        eventually(lambda: _state_of(cut) == "D")
        assert cut.is_alive() and not (btrfs_path / "cut").exists()
    cut.join(60)
    assert (btrfs_path / "cut").exists()


@contextmanager
def _frozen(folder: Path) -> Iterator[None]:
    """The file system takes no change, for some seconds at most: a mistake would wait for ever."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.ioctl(descriptor, FREEZE, bytes(4))
    watch = subprocess.Popen([sys.executable, "-c", THAW_LATER, str(folder)])
    try:
        yield
    finally:
        watch.kill()
        watch.wait(60)
        # Refused where the watch came first.
        with suppress(OSError):
            fcntl.ioctl(descriptor, THAW, bytes(4))
        os.close(descriptor)


def _state_of(thread: threading.Thread) -> str:
    """What the kernel says that a thread does: D is waiting in it."""
    try:
        return Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
