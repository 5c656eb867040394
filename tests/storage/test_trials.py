"""Another version of an app is tried: until it counts nobody gets what it writes, and undoing it costs nothing."""

import errno
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from mosaic.adapters.storage_client import StorageRefused
from mosaic.crypto.volume_keys import volume_id
from mosaic.storage import on_folders, replication
from mosaic.storage.engine.heads import open_head, root_of
from mosaic.storage.records import Trial
from mosaic.storage.serve import serving
from mosaic.storage.volume import Volume
from mosaic.wire.head import parse
from mosaic.wire.storage import BeginTrial, EndTrial, GoBack, Hold, Origin, Release, SetAside, SnapshotNow, VolumeState
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import APP, SEED, VOLUME, TestDaemon, place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

on_both = pytest.mark.parametrize("pool_kind", ["btrfs", "folders"])
NEW = "sha256:" + "cd" * 32


def begin(daemon: TestDaemon, trial: str = "1") -> VolumeState:
    """Begin a trial, as a Device does: wait until everything is replicated, and ask."""
    daemon.wait_until_clean()
    epoch = daemon.volume().epoch
    assert epoch is not None
    return daemon.client.begin_trial(BeginTrial(VOLUME, epoch, trial))


def end(daemon: TestDaemon, trial: str = "1", *, keep: bool) -> VolumeState:
    return daemon.client.end_trial(EndTrial(VOLUME, trial, keep, NEW if keep else APP, 2 if keep else 1))


def wait_until_over(daemon: TestDaemon, trial: str = "1") -> VolumeState:
    def over() -> bool:
        seen = daemon.volume()
        return seen.trial is None and seen.trialled is not None and seen.trialled.id == trial

    eventually(over, seen=lambda: daemon.volume())
    return daemon.volume()


def look_again(daemon: TestDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until the daemon has looked at the volume twice more, and done what it does then."""
    looks: list[int] = []
    real = replication.look_at

    def look_at(volume: Volume) -> int:
        looks.append(real(volume))
        return looks[-1]

    monkeypatch.setattr(replication, "look_at", look_at)
    daemon.inside_volume(VOLUME).wake()
    eventually(lambda: len(looks) > 2)


@pytest.fixture
def here(pool_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    with place(pool_path, "here", "token-a") as daemon, serving(daemon.config) as inside:
        daemon.inside = inside
        daemon.connect(hive)
        yield daemon


@on_both
def test_nothing_that_is_written_in_a_trial_reaches_anybody_until_it_is_kept(
    hive: FakeHive, here: TestDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.take(hive)
    before = here.replicated_page(b"old")
    began = begin(here)
    assert (began.trial, began.local_head, began.clean, began.app_digest) == ("1", before, True, APP)

    here.write_page(b"new")
    eventually(lambda: not here.volume().clean, seen=lambda: here.volume())
    look_again(here, monkeypatch)
    assert hive.volume(VOLUME).newest == here.volume().local_head == before

    kept = end(here, keep=True)
    assert kept.trialled is not None and (kept.trial, kept.trialled.id, kept.trialled.kept) == (None, "1", True)
    state = here.wait_until_clean()
    newest, _ = parse(hive.volume(VOLUME).heads[-1])
    assert (newest.app_digest, newest.config_revision) == (bytes.fromhex(NEW.removeprefix("sha256:")), 2)
    assert newest.previous == before
    assert (state.app_digest, state.conflicts, here.read_page()) == (NEW, [], b"new")


@on_both
def test_a_trial_is_undone_without_hive_and_store_and_what_was_written_is_kept_aside(
    hive: FakeHive, here: TestDaemon
) -> None:
    here.take(hive)
    before = here.replicated_page(b"old")
    begin(here)
    here.write_page(b"new")
    hive.is_down = True

    end(here, keep=False)
    state = wait_until_over(here)

    assert (state.phase, state.local_head, state.app_digest) == ("ready", before, APP)
    assert here.read_page() == b"old"
    (kept,) = state.conflicts
    assert state.trialled is not None and (state.trialled.kept, state.trialled.conflict) == (False, kept.name)
    assert kept.why == "from a version that was tried and not kept"
    assert (Path(kept.path) / "data" / "page").read_bytes() == b"new"
    hive.is_down = False
    after = here.replicated_page(b"old and more")
    heads = [parse(signed)[0] for signed in hive.volume(VOLUME).heads]
    since = heads[next(number for number, head in enumerate(heads) if head.previous == before) :]
    # Folders may be looked at while they are written to: that is a head of its own, and the next follows on it.
    assert len(since) == 1 or here.config.scan is not None
    assert hive.volume(VOLUME).newest == after
    assert {(head.app_digest, head.config_revision) for head in since} == {
        (bytes.fromhex(APP.removeprefix("sha256:")), 1)
    }


@on_both
def test_where_nothing_was_written_undoing_leaves_nothing_aside(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    before = here.replicated_page(b"old")
    begin(here)
    hive.is_down = True
    state = end(here, keep=False)
    assert (state.trial, state.phase, state.local_head, state.conflicts) == (None, "ready", before, [])
    assert state.trialled is not None and (state.trialled.kept, state.trialled.conflict) == (False, None)
    assert here.read_page() == b"old"


def code(ask: Callable[[], object]) -> str:
    """Return the code with which something is refused."""
    with pytest.raises(StorageRefused) as refused:
        ask()
    return refused.value.failure.code


@on_both
def test_a_trial_begins_only_with_what_is_held_at_rest_and_replicated(hive: FakeHive, here: TestDaemon) -> None:
    epoch = here.take(hive)
    here.replicated_page(b"old")
    client = here.client
    assert code(lambda: client.begin_trial(BeginTrial(VOLUME, "9.9", "1"))) == "not-held"
    here.mount()
    assert code(lambda: client.begin_trial(BeginTrial(VOLUME, epoch, "1"))) == "volume-in-use"
    here.unmount()
    hive.may_commit.clear()
    here.write_page(b"not yet")
    assert code(lambda: client.begin_trial(BeginTrial(VOLUME, epoch, "1"))) == "not-replicated"
    here.go_back(here.volume().local_head)
    assert code(lambda: client.begin_trial(BeginTrial(VOLUME, epoch, "1"))) == "not-ready"
    hive.may_commit.set()
    here.wait_until_back()
    assert here.volume().trial is None


@on_both
def test_in_a_trial_nothing_else_happens_to_the_volume_and_the_same_request_changes_nothing(
    hive: FakeHive, here: TestDaemon
) -> None:
    epoch = here.take(hive)
    before = here.replicated_page(b"old")
    begin(here)
    folder = here.mount()
    (folder / "page").write_bytes(b"new")
    client = here.client
    assert client.begin_trial(BeginTrial(VOLUME, epoch, "1")).trial == "1"
    assert code(lambda: client.begin_trial(BeginTrial(VOLUME, epoch, "2"))) == "another-trial"
    for final, consistent in ((False, False), (True, False), (False, True)):
        asked = SnapshotNow(VOLUME, epoch, final=final, consistent=consistent)
        assert code(partial(client.snapshot, asked)) == "trial-under-way"
    assert code(lambda: client.go_back(GoBack(VOLUME, epoch, "b", before, APP, 1))) == "trial-under-way"
    assert code(lambda: client.release(Release(VOLUME, epoch))) == "trial-under-way"
    assert code(lambda: end(here, keep=False)) == "volume-in-use"
    here.unmount()
    end(here, keep=True)
    assert client.begin_trial(BeginTrial(VOLUME, epoch, "1")).trial is None
    assert end(here, "never begun", keep=False).trialled == end(here, keep=False).trialled
    assert here.read_page() == b"new"


def test_a_snapshot_that_was_on_its_way_when_the_trial_began_is_never_accepted(
    hive: FakeHive, here: TestDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.take(hive)
    before = here.replicated_page(b"old")
    real, begun = replication._sign, []

    def sign(volume: Volume, *words: object) -> bool:
        # Everything was carried, and the head would be in the ledger next.
        accepted = volume.record.accepted
        assert accepted is not None
        begun.append(accepted.head)
        volume.update(replace(volume.record, trial=Trial("1", accepted.head, accepted.snapshot)))
        return real(volume, *words)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(replication, "_sign", sign)
    here.write_page(b"old and more")
    here.inside_volume(VOLUME).wake()
    eventually(lambda: begun)
    look_again(here, monkeypatch)
    assert [hive.volume(VOLUME).newest] == begun == [before]


@on_both
def test_a_trial_outlives_reboots_and_new_epochs(pool_path: Path, hive: FakeHive) -> None:
    with place(pool_path, "here", "token-a") as here:
        here.boot = "first"
        here.start()
        here.connect(hive)
        here.take(hive)
        before = here.replicated_page(b"old")
        begin(here)
        here.write_page(b"new")
        here.kill()
        here.start()
        assert (here.volume().phase, here.volume().trial, here.read_page()) == ("ready", "1", b"new")
        here.kill()
        here.boot = "second"
        here.start()
        assert (here.volume().phase, here.volume().trial) == ("released", "1")
        here.take(hive, expect_data=True)
        assert (here.volume().phase, here.volume().trial, here.read_page()) == ("ready", "1", b"new")
        assert hive.volume(VOLUME).newest == before
        here.kill()
        here.boot = "third"
        here.start()
        end(here, keep=False)
        state = wait_until_over(here)
        assert (state.phase, state.epoch, len(state.conflicts)) == ("released", None, 1)
        here.take(hive, expect_data=True)
        here.wait_until_clean()
        assert here.read_page() == b"old"


@on_both
def test_who_is_fenced_in_a_trial_keeps_it_aside_and_the_other_device_has_the_state_before(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    here.replicated_page(b"old")
    begin(here)
    here.write_page(b"new")
    epoch, base = hive.grant(VOLUME, there.token)
    state = here.client.set_aside(SetAside(VOLUME, "granted to another"))
    (kept,) = state.conflicts
    assert (state.phase, state.trial) == ("set-aside", None)
    assert state.trialled is not None and (state.trialled.kept, state.trialled.conflict) == (False, kept.name)
    assert (Path(kept.path) / "data" / "page").read_bytes() == b"new"
    there.hold(epoch, base, expect_data=True)
    there.wait_for_phase("ready")
    assert there.read_page() == b"old"
    here.take(hive, expect_data=True)
    here.wait_for_phase("ready")
    assert (here.read_page(), len(here.volume().conflicts)) == (b"old", 1)


@on_both
def test_a_hold_of_what_another_device_wrote_meanwhile_ends_the_trial(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    here.replicated_page(b"old")
    begin(here)
    here.write_page(b"new")
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    there.replicated_page(b"theirs")
    here.take(hive, expect_data=True)
    here.wait_for_phase("ready")
    state = here.volume()
    (kept,) = state.conflicts
    assert (state.trial, here.read_page()) == (None, b"theirs")
    assert state.trialled is not None and (state.trialled.kept, state.trialled.conflict) == (False, kept.name)
    assert (Path(kept.path) / "data" / "page").read_bytes() == b"new"


@pytest.mark.parametrize("pool_kind", ["folders"])
def test_what_is_too_much_to_copy_comes_back_from_the_store(
    hive: FakeHive, here: TestDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_folders, "MOST_COPIED_BYTES", 0)
    monkeypatch.setattr(on_folders, "shares_blocks", lambda _: False)
    here.take(hive)
    here.replicated_page(b"old" * 1000)
    begin(here)
    record = here.inside_volume(VOLUME).record
    assert record.trial is not None and record.trial.snapshot is None
    here.write_page(b"new")
    hive.is_down = True
    end(here, keep=False)
    assert "goes back" in here.refusal()
    hive.is_down = False
    state = wait_until_over(here)
    assert (state.phase, here.read_page(), len(state.conflicts)) == ("ready", b"old" * 1000, 1)


@pytest.mark.parametrize("pool_kind", ["folders"])
def test_where_a_version_filled_the_disk_undoing_needs_no_room(
    hive: FakeHive, here: TestDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.take(hive)
    here.replicated_page(b"old")
    begin(here)
    here.write_page(b"new")

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(on_folders.OnFolders, "clone", full)
    hive.is_down = True
    end(here, keep=False)
    state = wait_until_over(here)
    assert (state.phase, here.read_page(), len(state.conflicts)) == ("ready", b"old", 1)


@on_both
def test_a_version_that_wrote_nothing_is_left_behind_only_once_a_head_names_it(
    hive: FakeHive, here: TestDaemon
) -> None:
    epoch = here.take(hive)
    here.replicated_page(b"old")
    begin(here)
    hive.is_down = True
    assert not end(here, keep=True).clean
    assert code(lambda: here.client.release(Release(VOLUME, epoch))) == "not-replicated"
    assert code(lambda: here.client.begin_trial(BeginTrial(VOLUME, epoch, "2"))) == "not-replicated"
    hive.is_down = False
    assert here.wait_until_clean().app_digest == NEW
    newest, _ = parse(hive.volume(VOLUME).heads[-1])
    assert newest.app_digest == bytes.fromhex(NEW.removeprefix("sha256:"))


def test_after_undoing_nothing_that_was_not_written_is_read_again(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.replicated_page(b"old")
    begin(here)
    here.write_page(b"new")
    end(here, keep=False)
    wait_until_over(here)
    volume = here.inside_volume(VOLUME)
    accepted = volume.record.accepted
    assert accepted is not None and accepted.snapshot is not None and volume.record.live_uuid is not None
    assert here.inside is not None
    with here.inside.caches.nodes(volume.record.live_uuid) as nodes:
        assert nodes.recognised(root_of(open_head(bytes.fromhex(accepted.signed), volume.id)).root) is not None
        assert nodes.source == volume.subvolumes.uuid(volume.places.snapshots(volume.id) / accepted.snapshot)


def test_a_fork_says_which_app_its_origins_data_belongs_to(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    head = here.replicated_page(b"old")
    seed = bytes(range(1, 33)).hex()
    fork = volume_id(bytes.fromhex(seed))
    epoch, base = hive.grant(fork, here.token)
    asked = Hold(fork, "copy", "data", seed, epoch, base, NEW, 1, origin=Origin(VOLUME, SEED, head))
    hive.may_commit.clear()
    here.client.hold(asked)
    eventually(lambda: here.volume(fork).phase == "ready", seen=lambda: here.volume(fork))
    assert (here.volume(fork).local_head, here.volume(fork).app_digest) == (None, APP)
    hive.may_commit.set()
    here.client.snapshot(SnapshotNow(fork, epoch))
    eventually(lambda: here.volume(fork).clean, seen=lambda: here.volume(fork))
    assert here.volume(fork).app_digest == NEW
