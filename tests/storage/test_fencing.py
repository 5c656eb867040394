"""G1, G4 and G5 at the daemon: one writer, never on nothing, and the loser keeps its data."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.storage.serve import serving
from mosaic.wire.head import parse
from mosaic.wire.storage import SetAside, SnapshotNow, Upstream
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

on_both = pytest.mark.parametrize("pool_kind", ["btrfs", "folders"])


@on_both
def test_a_fenced_writer_keeps_what_only_it_has(hive: FakeHive, here: TestDaemon, there: TestDaemon) -> None:
    epoch = here.take(hive)
    here.create()
    folder = here.mount()
    (folder / "page").write_text("replicated")
    here.wait_until_clean()
    there.take(hive)
    there.wait_for_phase("ready")
    (folder / "page").write_text("only here")
    here.client.snapshot(SnapshotNow(VOLUME, epoch))

    state = here.wait_for_phase("set-aside")
    eventually(lambda: len(here.volume().conflicts) == 1)
    conflict = here.volume().conflicts[0]
    assert conflict.epoch == epoch
    assert (Path(conflict.path) / "data" / "page").read_text() == "only here"
    assert state.epoch is None
    assert "another Device" in here.refusal()

    there.create()
    assert (there.mount() / "page").read_text() == "replicated"
    assert _epochs(hive) == sorted(_epochs(hive))


def test_a_holder_that_has_not_written_yet_fences_as_well(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.wait_until_clean()
    heads = len(hive.volume(VOLUME).heads)
    hive.grant(VOLUME, "token-b")
    here.create()
    (here.mount() / "page").write_text("only here")
    here.wait_for_phase("set-aside")
    assert len(hive.volume(VOLUME).heads) == heads
    assert len(here.volume().conflicts) == 1


def test_a_store_that_takes_no_more_data_fences_as_well(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.wait_until_clean()
    hive.objects_are_fenced = True
    hive.grant(VOLUME, "token-b")
    here.create()
    (here.mount() / "page").write_text("only here")
    here.wait_for_phase("set-aside")
    assert len(here.volume().conflicts) == 1


def test_a_new_session_of_the_same_device_is_not_taken_for_a_fence(pool_path: Path, hive: FakeHive) -> None:
    with place(pool_path, "here", "token-a") as here:
        here.config = replace(here.config, fence_confirm_seconds=20.0)
        with serving(here.config):
            here.connect(hive)
            here.take(hive)
            here.wait_until_clean()
            hive.tokens.add("token-new")
            hive.volume(VOLUME).token = "token-new"
            here.create()
            (here.mount() / "page").write_text("written while the Device reconnected")
            eventually(lambda: here.volume().problem is not None)
            here.client.upstream(Upstream(hive.url, "token-new", "0a" * 16, "machine-1", "machine-2"))
            state = here.wait_until_clean()
            assert (state.phase, state.conflicts) == ("ready", [])


@on_both
def test_what_was_written_after_the_fence_is_kept_as_well(hive: FakeHive, here: TestDaemon, there: TestDaemon) -> None:
    here.take(hive)
    here.create()
    folder = here.mount()
    here.wait_until_clean()
    there.take(hive)
    there.wait_for_phase("ready")
    there.wait_until_clean()
    (folder / "page").write_text("before")
    with opened(folder) as container:
        here.client.set_aside(SetAside(VOLUME, "moved by force"))
        (container / "late").write_text("after")
    here.unmount()
    here.take(hive)
    here.wait_for_phase("ready")
    kept = [Path(conflict.path) / "data" for conflict in here.volume().conflicts]
    assert {(folder / "page").read_text() for folder in kept} == {"before"}
    assert (kept[-1] / "late").read_text() == "after"


@on_both
def test_setting_aside_twice_makes_one_conflict_snapshot(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.create()
    (here.mount() / "page").write_text("only here")
    hive.is_down = True
    for _ in range(2):
        here.client.set_aside(SetAside(VOLUME, "moved by force"))
    assert len(here.volume().conflicts) == 1


@on_both
def test_a_replicated_volume_that_is_fenced_has_no_conflict(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.wait_until_clean()
    here.client.set_aside(SetAside(VOLUME, "moved by force"))
    assert here.volume().conflicts == []


@on_both
def test_a_missing_subvolume_is_refused_and_not_made_anew(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.create()
    here.wait_until_clean()
    here.subvolumes.delete(here.pool / "live" / VOLUME)
    assert "is not where it should be" in here.refusal()
    assert not (here.pool / "live" / VOLUME).exists()


@on_both
def test_an_empty_subvolume_in_its_place_is_refused(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.create()
    here.wait_until_clean()
    here.subvolumes.delete(here.pool / "live" / VOLUME)
    here.subvolumes.create(here.pool / "live" / VOLUME)
    assert "an empty folder is never started in its place" in here.refusal()


@on_both
def test_an_unfinished_restore_is_not_mounted(hive: FakeHive, here: TestDaemon, there: TestDaemon) -> None:
    here.take(hive)
    here.create()
    (here.mount() / "page").write_text("one")
    here.unmount()
    here.hand_over()
    hive.is_down = True
    there.take(hive)
    there.create()
    assert "is being restored" in there.refusal()
    hive.is_down = False
    there.wait_for_phase("ready", seconds=20)
    assert (there.mount() / "page").read_text() == "one"


def test_a_damaged_store_fails_the_restore_and_nothing_starts(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    here.create()
    (here.mount() / "page").write_text("precious " * 1000)
    here.unmount()
    here.hand_over()
    objects = hive.volume(VOLUME).objects
    for name in [name for name in objects if name[:2] not in ("h-", "e-")]:
        objects[name] = objects[name][:40] + bytes([objects[name][40] ^ 1]) + objects[name][41:]
    there.take(hive)
    state = there.wait_for_phase("failed")
    assert state.problem is not None
    there.create()
    assert "could not be restored" in there.refusal()


@on_both
def test_a_reboot_ends_every_hold_until_the_device_holds_again(pool_path: Path, hive: FakeHive) -> None:
    with place(pool_path, "here", "token-a") as here:
        with serving(here.config, boot="first"):
            here.connect(hive)
            epoch = here.take(hive)
            here.create()
            (here.mount() / "page").write_text("one")
        with serving(here.config, boot="second"):
            state = here.volume()
            assert (state.phase, state.epoch, state.mounts) == ("released", None, 0)
            assert "is not held by this Device" in here.refusal()
            here.hold(epoch, None)
            assert (here.mount() / "page").read_text() == "one"


@on_both
def test_a_new_device_with_an_old_pool_sets_aside_what_it_does_not_know(pool_path: Path, hive: FakeHive) -> None:
    with place(pool_path, "here", "token-a") as here:
        with serving(here.config):
            here.connect(hive)
            here.take(hive)
            here.create()
            folder = here.mount()
            (folder / "page").write_text("replicated")
            here.wait_until_clean()
            hive.is_down = True
            (folder / "page").write_text("only here")
        for leftover in here.config.state.glob("storage.db*"):
            leftover.unlink()
        hive.is_down = False
        with serving(here.config):
            here.connect(hive)
            here.take(hive)
            here.wait_for_phase("ready")
            here.create()
            assert (here.mount() / "page").read_text() == "replicated"
            (conflict,) = here.volume().conflicts
            assert (Path(conflict.path) / "data" / "page").read_text() == "only here"


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Path]:
    """A folder as a container has it: by itself, wherever its path leads later."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _epochs(hive: FakeHive) -> list[int]:
    return [parse(signed)[0].epoch.n for signed in hive.volume(VOLUME).heads]
