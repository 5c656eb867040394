"""The daemon as the Device and the engine see it: held, mounted, replicated, handed over."""

from collections.abc import Callable

import pytest

from mosaic.adapters.storage_client import StorageFenced, StorageRefused
from mosaic.storage.config import StorageConfig
from mosaic.storage.serve import AlreadyRunning, StateMissing, serving
from mosaic.wire.storage import Discard, Hold, Release, SnapshotNow, StateRequest, Upstream
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import SEED, VOLUME, TestDaemon
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

on_both = pytest.mark.parametrize("pool_kind", ["btrfs", "folders"])


def write(daemon: TestDaemon, text: str) -> None:
    """Write as a container would."""
    daemon.create()
    (daemon.mount() / "page").write_text(text)
    daemon.unmount()


def read(daemon: TestDaemon) -> str:
    daemon.create()
    text = (daemon.mount() / "page").read_text()
    daemon.unmount()
    return text


def test_what_an_app_wrote_here_is_there_after_a_move(hive: FakeHive, here: TestDaemon, there: TestDaemon) -> None:
    here.take(hive)
    write(here, "dear diary")
    here.hand_over()
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    assert read(there) == "dear diary"
    there.wait_until_clean()
    newest = hive.newest(VOLUME)
    assert newest is not None
    assert newest.epoch.n == 2
    assert newest.app_digest is not None


@on_both
def test_an_app_comes_back_to_what_the_other_device_wrote(hive: FakeHive, here: TestDaemon, there: TestDaemon) -> None:
    here.take(hive)
    write(here, "one")
    here.hand_over()
    there.take(hive)
    there.wait_for_phase("ready")
    write(there, "two")
    there.hand_over()
    here.take(hive)
    here.wait_for_phase("ready")
    assert read(here) == "two"
    assert here.volume().conflicts == []


def test_an_unchanged_volume_costs_no_request(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    write(here, "one")
    here.wait_until_clean()
    eventually(lambda: hive.is_mirrored(VOLUME))

    def stays() -> bool:
        """Whether several rounds pass without a change of the state."""
        version = here.client.state(StateRequest()).version
        return here.client.state(StateRequest(after=version, wait_seconds=1.0)).version == version

    # What the last acknowledgement changes may be told a moment after it.
    eventually(stays)
    before = len(hive.requests)
    assert stays()
    assert len(hive.requests) == before


def test_the_store_has_what_a_restore_without_any_hive_needs(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.wait_until_clean()
    eventually(lambda: hive.is_mirrored(VOLUME))
    kinds = {name[:2] for name in hive.volume(VOLUME).objects}
    assert {"e-", "h-"} <= kinds
    assert b"\x00\xff" in hive.volume(VOLUME).objects.values()


def test_a_lost_reply_is_not_taken_for_a_loss(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.wait_until_clean()
    hive.replies_to_lose = 4
    write(here, "one")
    state = here.wait_until_clean()
    assert state.phase == "ready"
    assert state.local_head == hive.volume(VOLUME).newest


def test_apps_keep_running_while_the_hive_is_down_and_catch_up_later(hive: FakeHive, here: TestDaemon) -> None:
    epoch = here.take(hive)
    first = here.wait_until_clean()
    hive.is_down = True
    write(here, "one")
    here.client.snapshot(SnapshotNow(VOLUME, epoch))
    assert here.volume().replicas[0].state in ("pending", "replicating")
    assert here.volume().replicas[0].instant_ns == first.replicas[0].instant_ns
    hive.is_down = False
    later = here.wait_until_clean().replicas[0]
    assert later.state == "replicated"
    assert (later.instant_ns or 0) > (first.replicas[0].instant_ns or 0)


def test_a_mounted_volume_is_neither_finished_nor_released(hive: FakeHive, here: TestDaemon) -> None:
    epoch = here.take(hive)
    here.create()
    here.mount()
    refused: tuple[Callable[[], object], ...] = (
        lambda: here.client.snapshot(SnapshotNow(VOLUME, epoch, final=True)),
        lambda: here.client.release(Release(VOLUME, epoch)),
    )
    for asked in refused:
        with pytest.raises(StorageRefused, match="still mounted") as caught:
            asked()
        assert caught.value.failure.code == "volume-in-use"
    assert here.volume().mounts == 1
    here.unmount()
    here.hand_over()


def test_what_is_not_replicated_is_not_released(hive: FakeHive, here: TestDaemon) -> None:
    epoch = here.take(hive)
    here.wait_until_clean()
    hive.is_down = True
    write(here, "only here")
    with pytest.raises(StorageRefused, match="does not have yet"):
        here.client.release(Release(VOLUME, epoch))
    assert here.volume().epoch == epoch


def test_after_the_final_snapshot_nothing_is_mounted_until_it_is_held_again(hive: FakeHive, here: TestDaemon) -> None:
    epoch, base = here.take(hive), None
    write(here, "one")
    here.client.snapshot(SnapshotNow(VOLUME, epoch, final=True))
    assert "is being moved away" in here.refusal()
    here.hold(epoch, base)
    assert read(here) == "one"


@on_both
def test_a_local_copy_goes_only_when_its_replacement_was_seen(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    write(here, "one")
    here.hand_over()
    there.take(hive)
    there.wait_for_phase("ready")
    with pytest.raises(StorageRefused, match="does not descend from"):
        here.client.discard(Discard(VOLUME, "9" * 64))
    assert here.volume().local_head is not None
    there.wait_until_clean()
    replaced_by = hive.volume(VOLUME).newest
    assert replaced_by is not None
    with pytest.raises(StorageRefused, match="still held"):
        there.client.discard(Discard(VOLUME, replaced_by))
    here.client.discard(Discard(VOLUME, replaced_by))
    here.client.discard(Discard(VOLUME, replaced_by))
    assert here.volume().phase == "absent"
    assert here.engine("VolumeDriver.Remove", Name="data") == {"Err": ""}
    assert read(there) == "one"


def test_a_prefetched_head_needs_nothing_more_at_the_hold(hive: FakeHive, here: TestDaemon, there: TestDaemon) -> None:
    here.take(hive)
    write(here, "one")
    here.hand_over()
    newest = hive.newest_head(VOLUME)
    there.prefetch(newest)
    eventually(lambda: there.volume().prefetched == newest)
    assert there.volume().phase == "absent"
    there.create()
    assert "is not here" in there.refusal()
    # Its first look at what the Hive has, for what it is to replicate, may come before or after it is ready.
    hive.spoil = lambda method, path, answer: None if (method, "/objects" in path) == ("GET", True) else answer
    there.take(hive)
    there.wait_for_phase("ready")
    assert read(there) == "one"


@on_both
def test_a_later_head_is_fetched_on_top_of_a_prefetched_one(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    write(here, "one")
    newest = here.wait_until_clean().local_head
    assert newest is not None
    there.prefetch(newest)
    eventually(lambda: there.volume().prefetched == newest)
    write(here, "two")
    here.hand_over()
    there.take(hive)
    there.wait_for_phase("ready")
    assert read(there) == "two"


def test_a_store_on_the_same_machine_is_said_to_be_no_replica(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    assert not here.volume().replicas[0].same_machine
    here.client.upstream(Upstream(hive.url, "token-a", "0a" * 16, "machine-1", "machine-1"))
    assert here.volume().replicas[0].same_machine


def test_an_older_grant_is_refused(hive: FakeHive, here: TestDaemon) -> None:
    first = here.take(hive)
    here.take(hive)
    with pytest.raises(StorageFenced, match=r"epoch 1\.1 is over"):
        here.hold(first, None)


def test_a_volume_that_should_have_data_is_not_made_empty(hive: FakeHive, here: TestDaemon) -> None:
    with pytest.raises(StorageRefused, match="should have data"):
        here.take(hive, expect_data=True)
    here.create()
    assert "is not here" in here.refusal()


def test_the_seed_is_never_said(hive: FakeHive, here: TestDaemon, capfd: pytest.CaptureFixture[str]) -> None:
    here.take(hive)
    other = "ff" * 32
    with pytest.raises(StorageRefused, match="not this volume's") as caught:
        here.client.hold(Hold(VOLUME, "notes", "app", other, "1.9", None, None, 0))
    here.wait_until_clean()
    out, err = capfd.readouterr()
    said = f"{out}{err}{caught.value}{here.client.state(StateRequest())}"
    assert SEED not in said
    assert other not in said
    assert "token-a" not in said
    assert (here.config.state / "storage.db").stat().st_mode & 0o777 == 0o600
    assert here.config.control_socket.stat().st_mode & 0o777 == 0o600


def test_a_second_daemon_on_the_same_state_is_refused(here: TestDaemon) -> None:
    with pytest.raises(AlreadyRunning, match="another storage daemon uses"), serving(here.config):
        pass
    assert here.answers()


def test_a_state_folder_that_is_not_there_is_refused(here: TestDaemon) -> None:
    missing = StorageConfig(state=here.config.state / "nowhere")
    with pytest.raises(StateMissing, match="there is no folder"), serving(missing):
        pass
