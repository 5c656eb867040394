"""The data of a volume is gone while its epoch goes on: somebody removed it, or the pool's disk died."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.storage.serve import serving
from mosaic.wire.storage import Release
from support.fake_hive_blobs import Answer, FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

on_both = pytest.mark.parametrize("pool_kind", ["btrfs", "folders"])
Grant = tuple[str, str | None]


@pytest.fixture
def here(pool_path: Path) -> Iterator[TestDaemon]:
    """A place for a daemon that the test starts itself, more than once."""
    with place(pool_path, "here", "token-a") as daemon:
        yield daemon


def moved_here(daemon: TestDaemon, hive: FakeHive) -> Grant:
    """Have a first epoch end with a state, and a second one begin from it. Returns the second grant."""
    daemon.connect(hive)
    epoch = daemon.take(hive)
    write(daemon, "of March")
    daemon.client.release(Release(VOLUME, epoch))
    granted = hive.grant(VOLUME, daemon.token)
    hold(daemon, granted)
    daemon.wait_for_phase("ready")
    return granted


def write(daemon: TestDaemon, text: str) -> None:
    daemon.create()
    (daemon.mount() / "page").write_text(text)
    daemon.unmount()
    daemon.wait_until_clean()


def read(daemon: TestDaemon) -> str:
    daemon.create()
    text = (daemon.mount() / "page").read_text()
    daemon.unmount()
    return text


def hold(daemon: TestDaemon, granted: Grant) -> None:
    """Hold as a Device does all the time: with the base that the grant froze."""
    daemon.hold(*granted, expect_data=True)


def lose(daemon: TestDaemon) -> None:
    live = daemon.pool / "live" / VOLUME
    if daemon.subvolumes.keeps_snapshots:
        daemon.subvolumes.delete(live)
    else:
        shutil.rmtree(live)


@on_both
@pytest.mark.parametrize("boots", [("one", "one"), ("one", "two")])
def test_data_lost_within_an_epoch_comes_back_as_the_newest_snapshot(
    hive: FakeHive, here: TestDaemon, boots: tuple[str, str]
) -> None:
    with serving(here.config, boot=boots[0]):
        granted = moved_here(here, hive)
        write(here, "of yesterday")
        known = list(hive.volume(VOLUME).heads)
    lose(here)
    with serving(here.config, boot=boots[1]):
        here.connect(hive)
        hold(here, granted)
        hold(here, granted)
        here.wait_for_phase("ready")
        assert read(here) == "of yesterday"
        write(here, "of today")
        hold(here, granted)
        assert (here.volume().phase, read(here)) == ("ready", "of today")
        assert hive.volume(VOLUME).heads[: len(known)] == known
        assert here.volume().conflicts == []


@on_both
def test_data_removed_while_the_daemon_runs_comes_back_as_the_newest_snapshot(hive: FakeHive, here: TestDaemon) -> None:
    with serving(here.config):
        granted = moved_here(here, hive)
        write(here, "of yesterday")
        lose(here)
        hold(here, granted)
        here.wait_for_phase("ready")
        assert read(here) == "of yesterday"


def test_lost_data_is_not_replaced_by_the_older_snapshots_of_a_hive_that_went_back(
    hive: FakeHive, here: TestDaemon
) -> None:
    with serving(here.config):
        granted = moved_here(here, hive)
        write(here, "of yesterday")
    lose(here)
    del hive.volume(VOLUME).heads[1:]
    with serving(here.config):
        here.connect(hive)
        hold(here, granted)
        eventually(lambda: here.volume().problem is not None, seen=here.volume)
        state = here.volume()
        assert (state.phase, state.problem.code if state.problem else "") == ("restoring", "hive-behind")


def test_what_was_never_acknowledged_is_not_made_anew_when_it_is_lost(hive: FakeHive, here: TestDaemon) -> None:
    hive.spoil = no_head
    with serving(here.config):
        here.connect(hive)
        granted = hive.grant(VOLUME, here.token)
        here.hold(*granted)
        here.wait_for_phase("ready")
    lose(here)
    with serving(here.config):
        here.connect(hive)
        here.hold(*granted)
        failed = here.wait_for_phase("failed")
        assert failed.problem is not None
        assert failed.problem.code == "data-expected"


def no_head(method: str, path: str, answer: Answer) -> Answer:
    return Answer(503) if method == "POST" and path.endswith("/heads") else answer
