"""What a snapshot is worth: one instant of all volumes of an app, and a flag that speaks of exactly one cut."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mosaic.adapters.storage_client import StorageRefused
from mosaic.core.consistency import label
from mosaic.storage.serve import serving
from mosaic.wire.head import parse
from mosaic.wire.storage import SnapshotNow
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs


@contextmanager
def lock_step(first: Path, second: Path) -> Iterator[None]:
    """Write a counter into both files, one after the other, as fast as it goes."""
    ended = threading.Event()

    def write() -> None:
        with first.open("w+b", buffering=0) as one, second.open("w+b", buffering=0) as other:
            for number in itertools.count():
                if ended.is_set():
                    return
                for file in (one, other):
                    file.seek(0)
                    file.write(b"%012d" % number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


def labels(hive: FakeHive) -> list[str]:
    return [label(parse(signed)[0].flags) for signed in hive.volume(VOLUME).heads]


def consistent(daemon: TestDaemon, epoch: str) -> int:
    cut = daemon.client.snapshot(SnapshotNow(VOLUME, epoch, consistent=True)).cut_ns
    assert cut is not None
    return cut


def test_one_snapshot_cuts_two_docker_volumes_of_an_app_at_one_instant(hive: FakeHive, here: TestDaemon) -> None:
    epoch = here.take(hive)
    here.create("database", "database")
    here.create("files", "files")
    database, files = here.mount("database"), here.mount("files", "two")
    hive.is_down = True
    assert here.config.pool is not None
    apart = []
    with lock_step(database / "counter", files / "counter"):
        eventually(lambda: (files / "counter").exists() and (files / "counter").read_bytes() > b"%012d" % 50)
        for _ in range(25):
            cut = here.config.pool / "snap" / VOLUME / str(consistent(here, epoch))
            first, second = (int((cut / name / "counter").read_bytes()) for name in ("database", "files"))
            apart.append(first - second)
    assert set(apart) <= {0, 1}


def test_the_head_of_a_cut_that_was_asked_for_is_app_consistent_and_no_other(hive: FakeHive, here: TestDaemon) -> None:
    epoch = here.take(hive)
    here.create()
    folder = here.mount()
    here.wait_until_clean()
    (folder / "page").write_text("one")
    cut = consistent(here, epoch)
    eventually(lambda: here.volume().clean)
    (folder / "page").write_text("two")
    here.wait_until_clean()
    heads = [parse(signed)[0] for signed in hive.volume(VOLUME).heads]
    assert [head.instant_ns for head in heads if head.flags] == [cut]
    assert labels(hive)[-2:] == ["app-consistent", "crash-consistent"]


def test_a_cut_that_was_asked_for_outlives_a_killed_daemon_and_what_is_written_after_it(
    btrfs_path: Path, hive: FakeHive
) -> None:
    with place(btrfs_path, "here", "token-a") as here:
        here.start()
        here.connect(hive)
        epoch = here.take(hive)
        here.create()
        (here.mount() / "page").write_text("made ready")
        here.wait_until_clean()
        hive.is_down = True
        (here.mount() / "page").write_text("made ready again")
        cut = consistent(here, epoch)
        (here.mount() / "page").write_text("later")
        here.kill()
        here.start()
        hive.is_down = False
        eventually(lambda: here.volume().clean, seen=lambda: here.volume())
        heads = [parse(signed)[0] for signed in hive.volume(VOLUME).heads]
        assert [head.instant_ns for head in heads[-2:] if head.flags] == [cut]
        assert labels(hive)[-2:] == ["app-consistent", "crash-consistent"]


def test_when_nothing_changed_a_cut_that_was_asked_for_still_has_its_head(hive: FakeHive, here: TestDaemon) -> None:
    epoch = here.take(hive)
    here.wait_until_clean()
    consistent(here, epoch)
    eventually(lambda: here.volume().clean)
    assert labels(hive)[-1] == "app-consistent"


def test_an_app_that_was_stopped_for_its_last_snapshot_has_it_labelled_so(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.create()
    (here.mount() / "page").write_text("one")
    here.unmount()
    here.hand_over()
    assert labels(hive)[-1] == "stopped"


def test_a_volume_that_is_not_in_use_has_no_consistent_cut(btrfs_path: Path, hive: FakeHive) -> None:
    with place(btrfs_path, "here", "token-a") as here, serving(here.config):
        here.connect(hive)
        epoch = here.take(hive)
        here.wait_until_clean()
        here.client.snapshot(SnapshotNow(VOLUME, epoch, final=True))
        with pytest.raises(StorageRefused, match="no app-consistent snapshot was cut"):
            consistent(here, epoch)
