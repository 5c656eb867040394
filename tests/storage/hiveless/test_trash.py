"""`docker volume rm` of a volume without a Hive: away from the engine, and back for 30 days."""

import shutil
from pathlib import Path

import pytest

from mosaic.adapters import btrfs
from mosaic.adapters.storage_client import StorageRefused
from mosaic.storage.hiveless import trash
from support.hiveless import SAVED, Machine, started
from support.storage_daemon import place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs


def test_a_removed_volume_comes_back_with_what_was_not_replicated(here: Machine, store: Path) -> None:
    here.made(store=store)
    here.save()
    here.write("not replicated yet")
    assert here.remove() == ""
    assert here.daemon.engine("VolumeDriver.List")["Volumes"] == []
    assert here.volume().state == "in the trash"
    here.daemon.client.trash_restore("notes")
    assert here.read() == "not replicated yet"
    here.save()


def test_a_new_volume_of_a_removed_ones_name_is_empty_and_each_has_its_own_key(here: Machine, store: Path) -> None:
    old = here.made(store=store)
    here.write("old")
    here.remove()
    assert here.create(store=store) == ""
    assert list(here.daemon.mount("notes").iterdir()) == []
    here.daemon.unmount("notes")
    assert Path(old.key_file).exists()
    with pytest.raises(StorageRefused, match="another volume of the name notes"):
        here.daemon.client.trash_restore(old.public_key[:12])
    here.remove()
    with pytest.raises(StorageRefused, match="2 volumes named 'notes' in the trash"):
        here.daemon.client.trash_restore("notes")
    here.daemon.client.trash_restore(old.public_key[:12])
    assert here.read() == "old"


def test_a_volume_in_use_is_not_removed(here: Machine, store: Path) -> None:
    here.made(store=store)
    here.daemon.mount("notes")
    assert "still mounted" in here.remove()
    here.daemon.unmount("notes")
    assert here.remove() == ""


def test_the_trash_is_emptied_of_a_volume_on_request_and_its_store_and_key_stay(here: Machine, store: Path) -> None:
    made = here.saved_with("hello", store=store)
    here.remove()
    here.daemon.client.trash_delete("notes")
    assert here.daemon.client.hiveless().volumes == []
    assert not btrfs.exists(here.daemon.inside_volume(made.public_key).places.live(here.id_of(made)))
    assert Path(made.key_file).exists()
    here.made(store=store, key_file=made.key_file)
    here.wait_for(SAVED)
    assert here.read() == "hello"


def test_after_thirty_days_the_local_copy_goes_also_over_a_restart(
    btrfs_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(btrfs_path, "here", "no-token") as daemon:
        with started(daemon) as here:
            made = here.made(store=store)
            here.write("hello")
            here.remove()
        with started(daemon) as here:
            assert here.volume().state == "in the trash"
        monkeypatch.setattr(trash, "KEPT_NS", 0)
        with started(daemon) as here:
            eventually(lambda: here.daemon.client.hiveless().volumes == [])
            assert not btrfs.exists(btrfs_path / "here" / "live" / made.public_key)
        with started(daemon) as here:
            assert here.daemon.client.hiveless().volumes == []


def test_a_volume_that_was_replicated_elsewhere_goes_on_in_another_store_only_with_its_history(
    here: Machine, store: Path
) -> None:
    made = here.saved_with("hello", store=store)
    here.remove()
    other = store.with_name("other-nas")
    other.mkdir()
    said = here.create(store=other, key_file=made.key_file)
    assert f"was replicated to {store}" in said
    shutil.copytree(store / made.public_key, other / made.public_key)
    here.made(store=other, key_file=made.key_file)
    assert here.read() == "hello"
    here.write("in the other store")
    here.save()
    assert len(list((other / made.public_key).glob("s-*"))) > len(list((store / made.public_key).glob("s-*")))


def test_an_engine_that_forgot_the_options_finds_the_volume(here: Machine, store: Path) -> None:
    here.made(store=store)
    assert here.create() == ""
    assert "belong to an app or have a store" in here.create("other")
