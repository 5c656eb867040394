"""What a snapshot is worth: one instant of all volumes of an app, and a flag that speaks of exactly one cut."""

import threading
from pathlib import Path

import pytest

from mosaic.adapters.storage_client import StorageRefused
from mosaic.core.consistency import label
from mosaic.storage.serve import serving
from mosaic.wire.head import parse
from mosaic.wire.storage import SnapshotNow
from support.fake_hive_blobs import Answer, FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

# A folder has snapshots of one instant only where containers can be held still.
on_both = pytest.mark.parametrize("pool_kind", ["btrfs", pytest.param("folders", marks=pytest.mark.cgroup)])


def labels(hive: FakeHive) -> list[str]:
    return [label(parse(signed)[0].flags) for signed in hive.volume(VOLUME).heads]


def consistent_instants(hive: FakeHive) -> list[int]:
    """The instants of all heads that say that the app had made itself ready."""
    heads = [parse(signed)[0] for signed in hive.volume(VOLUME).heads]
    return [head.instant_ns for head in heads if label(head.flags) == "app-consistent"]


def consistent(daemon: TestDaemon, epoch: str) -> int:
    cut = daemon.client.snapshot(SnapshotNow(VOLUME, epoch, consistent=True)).cut_ns
    assert cut is not None
    return cut


@on_both
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
    assert consistent_instants(hive) == [cut]
    assert labels(hive)[-1] == "crash-consistent"


@on_both
def test_a_cut_that_was_asked_for_outlives_a_killed_daemon_and_what_is_written_after_it(
    pool_path: Path, hive: FakeHive
) -> None:
    with place(pool_path, "here", "token-a") as here:
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
        assert consistent_instants(hive) == [cut]
        assert labels(hive)[-1] == "crash-consistent"


@on_both
def test_a_cut_that_is_asked_for_waits_for_no_upload(hive: FakeHive, here: TestDaemon) -> None:
    epoch = here.take(hive)
    here.create()
    folder = here.mount()
    (folder / "page").write_text("one")
    here.wait_until_clean()
    begun, may_go_on = threading.Event(), threading.Event()

    def slow(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT" and "/objects/p-" in path:
            begun.set()
            may_go_on.wait(30)
        return answer

    hive.spoil = slow
    (folder / "page").write_text("two")
    here.client.snapshot(SnapshotNow(VOLUME, epoch))
    try:
        assert begun.wait(60)
        cut = consistent(here, epoch)
    finally:
        may_go_on.set()
    eventually(lambda: here.volume().clean)
    assert consistent_instants(hive) == [cut]


def test_when_nothing_changed_a_cut_that_was_asked_for_still_has_its_head(hive: FakeHive, here: TestDaemon) -> None:
    epoch = here.take(hive)
    here.wait_until_clean()
    consistent(here, epoch)
    eventually(lambda: here.volume().clean)
    assert labels(hive)[-1] == "app-consistent"


@on_both
def test_an_app_that_was_stopped_for_its_last_snapshot_has_it_labelled_so(pool_path: Path, hive: FakeHive) -> None:
    # No round of its own comes between the last write and the stop: the one that begins with the volume is over.
    with place(pool_path, "here", "token-a", interval_seconds=600) as here, serving(here.config):
        here.connect(hive)
        here.take(hive)
        here.create()
        eventually(lambda: labels(hive))
        (here.mount() / "page").write_text("one")
        here.unmount()
        here.hand_over()
        assert labels(hive)[-1] == "stopped"


def test_a_volume_that_is_not_in_use_has_no_consistent_cut(pool_path: Path, hive: FakeHive) -> None:
    with place(pool_path, "here", "token-a") as here, serving(here.config):
        here.connect(hive)
        epoch = here.take(hive)
        here.wait_until_clean()
        here.client.snapshot(SnapshotNow(VOLUME, epoch, final=True))
        with pytest.raises(StorageRefused, match="no app-consistent snapshot was cut"):
            consistent(here, epoch)
