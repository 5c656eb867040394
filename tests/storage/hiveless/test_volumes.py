"""Volumes of `docker volume create -o store=…`: made, written, moved to another machine, removed and brought back."""

import threading
from pathlib import Path
from typing import Literal

import pytest

from mosaic.adapters.blobs import StoreUnavailable
from mosaic.storage import replication, scrubbing
from mosaic.storage.engine.slots import SlotLog
from mosaic.storage.hiveless import creating, steps
from mosaic.storage.hiveless.key_file import write_new_key
from mosaic.storage.stores.marked_folder import MarkedFolder, MarkedStore
from mosaic.storage.volume import Volume
from support.hiveless import SAVED, Machine, started
from support.storage_daemon import place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

TAKEN_OVER = "taken over by another machine"


def test_what_was_written_is_restored_on_another_machine_with_the_key_file(
    here: Machine, there: Machine, store: Path
) -> None:
    made = here.saved_with("hello", store=store)
    there.made(store=f"file://{store}", key_file=made.key_file, take_over="yes")
    there.wait_for(SAVED)
    assert there.read() == "hello"
    assert there.volume().public_key == made.public_key


def test_a_machine_that_was_replaced_keeps_what_only_it_has_and_mounts_no_more(
    here: Machine, there: Machine, store: Path
) -> None:
    made = here.saved_with("first", store=store)
    there.take_over(made, store)
    here.write("only here")
    here.daemon.inside_volume(made.public_key).wake()
    here.wait_for(TAKEN_OVER)
    said = here.refusal()
    assert "not this machine's any more: another Device has the lease" in said
    assert "take-over=yes" in said
    assert here.conflict() == "only here"
    assert there.read() == "first"


def test_data_of_another_machine_is_taken_over_only_when_that_was_asked_for(
    here: Machine, there: Machine, store: Path
) -> None:
    made = here.saved_with("hello", store=store)
    said = there.create(store=store, key_file=made.key_file)
    assert "another machine wrote it last" in said
    assert "-o take-over=yes" in said
    assert there.daemon.client.hiveless().volumes == []
    here.write("still mine")
    here.save()


def test_a_take_over_of_nothing_is_refused_and_makes_nothing(here: Machine, store: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    write_new_key(key)
    said = here.create(store=store, key_file=key, take_over="yes")
    assert "there is nothing to take over" in said
    assert here.daemon.client.hiveless().volumes == []
    assert here.daemon.engine("VolumeDriver.List")["Volumes"] == []


def test_a_volume_is_not_mounted_before_it_is_restored_and_says_how_far_it_is(
    here: Machine, there: Machine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = here.saved_with("hello", store=store)
    may_read, read = threading.Event(), MarkedStore.get_range

    def slow(folder: MarkedStore, name: str, offset: int, length: int) -> bytes:
        may_read.wait(60)
        return read(folder, name, offset, length)

    monkeypatch.setattr(MarkedStore, "get_range", slow)
    there.made(store=store, key_file=made.key_file, take_over="yes")
    assert there.volume().state == "restoring"
    assert "the volume notes is being restored" in there.refusal()
    may_read.set()
    there.wait_for(SAVED)
    assert there.read() == "hello"


def test_a_restore_that_meets_damage_mounts_nothing_and_can_be_asked_for_again(
    here: Machine, there: Machine, store: Path, tmp_path: Path
) -> None:
    made = here.saved_with("hello", store=store)
    packs = sorted((store / made.public_key).glob("p-*"))
    for pack in packs:
        pack.rename(tmp_path / pack.name)
    there.made(store=store, key_file=made.key_file, take_over="yes")
    there.wait_for("error")
    assert "could not be restored" in there.refusal()
    for pack in packs:
        (tmp_path / pack.name).rename(pack)
    assert there.remove() == ""
    there.made(store=store, key_file=made.key_file)
    there.wait_for(SAVED)
    assert there.read() == "hello"


def test_of_two_machines_that_begin_with_one_key_at_once_one_gives_way_and_keeps_its_data(
    here: Machine, there: Machine, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    write_new_key(key)
    may_commit, commit = threading.Event(), SlotLog.commit

    def together(log: SlotLog, signed: bytes, *, wish: str | None = None) -> Literal["accepted", "stale"]:
        may_commit.wait(60)
        return commit(log, signed, wish=wish)

    monkeypatch.setattr(SlotLog, "commit", together)
    machines = (here, there)
    for one in machines:
        one.made(store=store, key_file=key)
        one.write(f"of {one.state}")
    may_commit.set()
    eventually(lambda: sorted(one.volume().state for one in machines) == [SAVED, TAKEN_OVER], seen=here.volume)
    for one in machines:
        if one.volume().state == TAKEN_OVER:
            assert one.conflict() == f"of {one.state}"
        else:
            assert one.read() == f"of {one.state}"


def test_after_a_reboot_it_is_held_again_by_itself(btrfs_path: Path, store: Path) -> None:
    with place(btrfs_path, "here", "no-token") as daemon:
        with started(daemon, boot="first") as here:
            here.saved_with("hello", store=store)
        with started(daemon, boot="second") as here:
            assert here.read() == "hello"
            assert here.volume().confirmed
            here.write("again")
            here.save()
            assert here.volume().conflicts == []


def test_after_a_reboot_a_machine_that_was_replaced_mounts_nothing(
    btrfs_path: Path, there: Machine, store: Path
) -> None:
    with place(btrfs_path, "here", "no-token") as daemon:
        with started(daemon, boot="first") as here:
            made = here.saved_with("hello", store=store)
        there.take_over(made, store)
        with started(daemon, boot="second") as here:
            assert "another machine took it over" in here.refusal()


def test_a_store_that_is_away_after_a_reboot_stops_nobody_and_is_asked_later(btrfs_path: Path, store: Path) -> None:
    with place(btrfs_path, "here", "no-token") as daemon:
        with started(daemon, boot="first") as here:
            here.saved_with("hello", store=store)
        away = store.rename(store.with_name("away"))
        # What is left of a share that is not mounted: an empty folder.
        store.mkdir()
        with started(daemon, boot="second") as here:
            assert here.read() == "hello"
            assert "unconfirmed" in here.status()
            assert "not mounted" in here.status()["problem"]
            here.write("without the store")
            assert (here.status()["state"], here.status()["bytes_waiting"] != "0") == ("pending", True)
            assert list(store.iterdir()) == []
            store.rmdir()
            away.rename(store)
            eventually(lambda: here.volume().confirmed, seen=here.volume)
            here.save()


def test_a_machine_that_went_on_without_its_store_gives_way_to_one_that_took_over(
    btrfs_path: Path, there: Machine, store: Path
) -> None:
    with place(btrfs_path, "here", "no-token") as daemon:
        with started(daemon, boot="first") as here:
            made = here.saved_with("hello", store=store)
        there.take_over(made, store)
        mark = store / "mosaic-store"
        mark.rename(store / "hidden")
        with started(daemon, boot="second") as here:
            here.write("only here")
            (store / "hidden").rename(mark)
            here.wait_for(TAKEN_OVER)
            assert here.conflict() == "only here"


def test_a_volume_is_taken_back_by_the_machine_that_lost_it(here: Machine, there: Machine, store: Path) -> None:
    made = here.saved_with("first", store=store)
    there.take_over(made, store)
    there.write("second")
    there.save()
    assert here.remove() == ""
    here.take_over(made, store)
    assert here.read() == "second"
    there.write("too late")
    there.daemon.inside_volume(made.public_key).wake()
    there.wait_for(TAKEN_OVER)


def test_a_daemon_that_is_restarted_while_it_is_making_a_volume_makes_it(
    btrfs_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(btrfs_path, "here", "no-token") as daemon:
        with monkeypatch.context() as never, started(daemon) as here:
            # Killed after the ledger has it: nothing was made on the disk, and nothing was sent.
            never.setattr(steps, "regain", lambda *_: None)
            never.setattr(creating, "_PATIENCE_SECONDS", 0.1)
            here.create(store=store)
            assert not list((btrfs_path / "here" / "live").iterdir())
        with started(daemon) as here:
            here.write("hello")
            here.save()
            assert here.read() == "hello"


def test_a_claim_whose_answer_was_lost_is_found_out_and_not_made_twice(
    here: Machine, there: Machine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = here.saved_with("hello", store=store)
    commit, lost = SlotLog.commit, [True]

    def losing(log: SlotLog, signed: bytes, *, wish: str | None = None) -> Literal["accepted", "stale"]:
        answer = commit(log, signed, wish=wish)
        if lost and lost.pop():
            raise StoreUnavailable("the store", "its answer was lost")
        return answer

    before = len(list((store / made.public_key).glob("s-*")))
    monkeypatch.setattr(SlotLog, "commit", losing)
    there.create(store=store, key_file=made.key_file, take_over="yes")
    there.wait_for(SAVED)
    assert there.volume().epoch == "1.2"
    assert len(list((store / made.public_key).glob("s-*"))) <= before + 2


def test_an_unchanged_volume_makes_no_request(here: Machine, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here.saved_with("hello", store=store)
    here.save()
    rounds, wait = threading.Semaphore(0), replication.look_at

    def counted(volume: Volume) -> int:
        rounds.release()
        return wait(volume)

    monkeypatch.setattr(replication, "look_at", counted)
    monkeypatch.setattr(scrubbing, "scrub_a_little", lambda *_: None)
    # The round that saved looks a second time and then copies its head: over when the next one has begun.
    for _ in range(3):
        assert rounds.acquire(timeout=60)
    asked: list[str] = []
    monkeypatch.setattr(MarkedFolder, "check", lambda _: asked.append("a request"))
    for _ in range(4):
        assert rounds.acquire(timeout=60)
    assert asked == []
