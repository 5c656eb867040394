"""Looking only where the kernel says that something changed finds the same as looking everywhere."""

import contextlib
import fcntl
import os
import random
import shutil
import socket
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from mosaic.adapters import btrfs
from mosaic.adapters.btrfs_send import difference
from mosaic.storage.engine import replicate as engine
from mosaic.storage.engine import skips
from mosaic.storage.engine.changes import Hints, gather
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.roots import OTHER_FILE_SYSTEM, Replication, Skipped
from mosaic.storage.engine.send_stream import StreamUnreadable, commands
from support.edits import Edit, edits, make
from support.stores import MemoryStore
from support.trees import tree_difference
from support.volumes import KEYS, Machine

pytestmark = pytest.mark.btrfs


class Volume:
    """A subvolume whose snapshots are replicated one after another, by hints from the second on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.live = folder / "live"
        btrfs.create(self.live)
        self.machine = Machine(MemoryStore())
        self.snapshots: list[Path] = []
        self.skipped: tuple[Skipped, ...] = ()

    def replicate(self) -> Replication:
        snapshot = self.folder / f"snapshot{len(self.snapshots)}"
        btrfs.sync(self.folder)
        btrfs.snapshot(self.live, snapshot)
        hints = self.hints(snapshot)
        self.snapshots.append(snapshot)
        self.machine.known.load(self.machine.store, KEYS)
        done = engine.replicate(
            snapshot, KEYS, self.machine.store, previous=self.machine.newest, known=self.machine.known,
            nodes=self.machine.nodes, taken_ns=time.time_ns(), hints=hints, skipped=self.skipped,
        )  # fmt: skip
        self.machine.newest = done.root
        return done

    def hints(self, snapshot: Path) -> Hints:
        is_listed = any(one.is_foreign for one in self.skipped)
        if not self.snapshots or (not is_listed and btrfs.holds_others(self.live)):
            return Hints(uuid(snapshot), "", None)
        with difference(snapshot, self.snapshots[-1]) as stream:
            return Hints(uuid(snapshot), uuid(self.snapshots[-1]), gather(commands(stream)))

    def look_everywhere(self) -> Replication:
        """Replicate the newest snapshot as a machine would that remembers nothing."""
        machine = self.machine
        return engine.replicate(
            self.snapshots[-1], KEYS, machine.store, previous=machine.newest, known=machine.known,
            nodes=NodeMap(), taken_ns=time.time_ns(),
        )  # fmt: skip

    def end(self) -> None:
        for path in (*self.snapshots, self.live):
            btrfs.delete(path)

    def next_skips(self) -> list[tuple[str, str]]:
        """Replicate by hints. Returns what is left out, which looking everywhere finds too."""
        done = self.replicate()
        assert set(self.look_everywhere().skipped) == set(done.skipped)
        self.skipped = done.skipped
        return sorted((one.path, one.reason) for one in done.skipped)


def uuid(snapshot: Path) -> str:
    found = btrfs.look(snapshot)
    assert found is not None
    return found.uuid


@pytest.fixture
def volume(btrfs_path: Path) -> Iterator[Volume]:
    made = Volume(btrfs_path)
    yield made
    made.end()


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of hints must not pass because nobody used them: looking everywhere again is a failure."""

    class Never(Exception):
        pass

    monkeypatch.setattr(engine, "HintsUnusable", Never)


EXAMPLES = int(os.environ.get("MOSAIC_EXAMPLES", "30"))


@pytest.mark.usefixtures("strict")
@settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=edits, second=edits, third=edits)
def test_hints_find_what_looking_everywhere_finds(
    btrfs_path: Path, first: Sequence[Edit], second: Sequence[Edit], third: Sequence[Edit]
) -> None:
    volume = Volume(btrfs_path)
    try:
        for todo in (first, second, third):
            make(volume.live, todo)
            hinted = volume.replicate()
            everywhere = volume.look_everywhere()
            assert everywhere.root.root == hinted.root.root
            assert (everywhere.files, everywhere.directories, everywhere.content_bytes) == (
                hinted.files, hinted.directories, hinted.content_bytes,
            )  # fmt: skip
    finally:
        volume.end()


@pytest.mark.usefixtures("strict")
def test_a_small_write_in_a_big_file_reads_one_chunk(volume: Volume) -> None:
    big = volume.live / "big"
    big.write_bytes(random.Random(1).randbytes(20_000_000))
    volume.replicate()
    with big.open("r+b") as file:
        file.seek(10_000_000)
        file.write(b"changed")
    changed = volume.replicate()
    assert changed.read_bytes == 65_536
    assert changed.uploaded_bytes < 80_000
    assert volume.look_everywhere().root == changed.root


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("size", [6_400_000, 6_553_600, 6_553_601, 4_194_304, 262_145, 262_144, 100, 0, 9_000_000])
def test_a_file_that_grows_or_shrinks_is_read_where_it_did(volume: Volume, size: int) -> None:
    big = volume.live / "big"
    big.write_bytes(random.Random(1).randbytes(6_553_600))
    volume.replicate()
    with big.open("r+b") as file:
        file.truncate(size)
    changed = volume.replicate()
    assert changed.read_bytes <= 262_144
    assert volume.look_everywhere().root == changed.root
    volume.machine.restore(changed.root, volume.folder / "restored")
    assert tree_difference(volume.snapshots[-1], volume.folder / "restored") == []
    shutil.rmtree(volume.folder / "restored")


@pytest.mark.usefixtures("strict")
def test_a_renamed_directory_is_not_looked_into(volume: Volume) -> None:
    for number in range(200):
        folder = volume.live / f"dir{number % 10}"
        folder.mkdir(exist_ok=True)
        (folder / f"file{number}").write_bytes(b"content %d" % number)
    volume.replicate()
    for number in range(10):
        (volume.live / f"dir{number}").rename(volume.live / f"other{9 - number}")
    renamed = volume.replicate()
    assert (renamed.read_bytes, renamed.files, renamed.directories) == (0, 200, 11)
    assert renamed.uploaded_bytes < 5_000
    assert volume.look_everywhere().root == renamed.root


def test_what_is_left_out_is_told_again_with_each_snapshot_until_it_is_gone(volume: Volume) -> None:
    data, inner, other = volume.live / "data", ("data/inner", OTHER_FILE_SYSTEM), ("socket", "it is a socket")
    data.mkdir()
    assert volume.next_skips() == []
    btrfs.create(data / "inner")
    with contextlib.chdir(volume.live), socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    assert volume.next_skips() == [inner, other]
    (volume.live / "page").write_text("elsewhere")
    assert volume.next_skips() == [inner, other]
    data.rename(volume.live / "moved")
    assert volume.next_skips() == [("moved/inner", OTHER_FILE_SYSTEM), other]
    btrfs.delete(volume.live / "moved" / "inner")
    (volume.live / "socket").unlink()
    assert volume.next_skips() == []


def test_of_very_many_paths_that_are_left_out_the_first_few_are_told(volume: Volume) -> None:
    deep = volume.live
    for _ in range(8):
        deep = deep / ("d" * 200)
        deep.mkdir()
    btrfs.create(deep / "inner")
    for number in range(3 * skips.MOST):
        os.mkfifo(volume.live / f"pipe{number}")
        os.mknod(volume.live / f"device{number}", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    found = volume.next_skips()
    assert len(found) == skips.MOST
    assert [reason for path, reason in found if path.startswith("ddd")] == [OTHER_FILE_SYSTEM]
    assert all(len(path) <= 1001 for path, _ in found)
    (volume.live / "page").write_text("elsewhere")
    assert [path for path, _ in volume.next_skips() if path.startswith("ddd")]


@pytest.mark.usefixtures("strict")
def test_nothing_changed_sends_nothing(volume: Volume) -> None:
    (volume.live / "file").write_bytes(b"content")
    first = volume.replicate()
    assert volume.replicate().root == first.root


@pytest.mark.usefixtures("strict")
def test_holes_are_holes_again(volume: Volume) -> None:
    big = volume.live / "big"
    big.write_bytes(random.Random(1).randbytes(12_000_000))
    volume.replicate()
    with big.open("r+b") as file:
        file.truncate(5_000_000)
        file.truncate(12_000_000)
        file.seek(9_000_000)
        file.write(b"island")
    changed = volume.replicate()
    assert changed.read_bytes <= 4 * 65_536
    assert volume.look_everywhere().root == changed.root


def test_hints_of_another_snapshot_are_not_used(volume: Volume) -> None:
    (volume.live / "file").write_bytes(b"content")
    volume.replicate()
    volume.machine.nodes = NodeMap()
    (volume.live / "other").write_bytes(b"more")
    changed = volume.replicate()
    assert changed.files == 2
    assert volume.look_everywhere().root == changed.root


def test_hints_that_leave_something_open_are_not_used(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    (volume.live / "file").write_bytes(b"content")
    os.link(volume.live / "file", volume.live / "link")
    volume.replicate()
    (volume.live / "link").unlink()
    honest = volume.hints

    def forgetful(snapshot: Path) -> Hints:
        hints = honest(snapshot)
        assert hints.changes is not None
        del hints.changes.children[b"file"]
        return hints

    monkeypatch.setattr(volume, "hints", forgetful)
    changed = volume.replicate()
    assert volume.look_everywhere().root == changed.root


def test_what_two_snapshots_of_nothing_differ_in_is_nothing(volume: Volume) -> None:
    volume.replicate()
    snapshot = volume.folder / "again"
    btrfs.snapshot(volume.live, snapshot)
    found = volume.hints(snapshot).changes
    btrfs.delete(snapshot)
    assert found is not None
    assert (found.children, found.names) == ({}, set())


def test_a_stream_that_is_cut_short_says_so(volume: Volume) -> None:
    volume.replicate()
    for number in range(100):
        (volume.live / f"file{number}").write_bytes(b"content")
    snapshot = volume.folder / "snapshot1"
    btrfs.snapshot(volume.live, snapshot)
    with difference(snapshot, volume.snapshots[0]) as stream:
        whole = read_all(stream)
    btrfs.delete(snapshot)
    for end in (0, 10, 17, 30, len(whole) // 2, len(whole) - 1):
        with pytest.raises(StreamUnreadable, match="cut short"):
            gather(commands(pipe_of(whole[:end])))


def test_leaving_a_difference_early_ends_the_kernels_work(volume: Volume) -> None:
    volume.replicate()
    for number in range(3_000):
        (volume.live / f"file{number}").write_bytes(b"content")
    snapshot = volume.folder / "snapshot1"
    btrfs.snapshot(volume.live, snapshot)
    with difference(snapshot, volume.snapshots[0]) as stream:
        os.read(stream, 10)
    assert not [thread for thread in threading.enumerate() if thread.name == "btrfs-send"]
    btrfs.delete(snapshot)


def test_two_snapshots_that_cannot_be_compared_are_refused(volume: Volume) -> None:
    volume.replicate()
    with (
        pytest.raises(btrfs.SubvolumeRefused, match="the kernel refused"),
        difference(volume.live, volume.snapshots[0]) as stream,
    ):
        assert read_all(stream) == b""


def read_all(stream: int) -> bytes:
    found = b""
    while more := os.read(stream, 1 << 20):
        found += more
    return found


def pipe_of(content: bytes) -> int:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 1 << 20)
    os.write(writer, content)
    os.close(writer)
    return reader
