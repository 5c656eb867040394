"""The stores that come with the engine do what a store must."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conformance.store_suite import StoreSuite
from mosaic.adapters.blobs import FolderBlobs, FolderStore, ObjectDamaged, ObjectExists, ObjectRefused
from mosaic.core.ids import VolumeId
from support.stores import MemoryStore


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestFolderStore(StoreSuite):
    many = 60

    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        return FolderBlobs(tmp_path / "blobs").volume(VolumeId("ab" * 32))


def test_volumes_do_not_see_each_other(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.volume(VolumeId("aa" * 32)).put("p-1", b"one")
    blobs.volume(VolumeId("bb" * 32)).put("p-1", b"two")
    assert blobs.volume(VolumeId("aa" * 32)).get("p-1") == b"one"


def test_what_is_longer_than_any_object_is_damaged_and_not_read(tmp_path: Path) -> None:
    with (tmp_path / "h-1").open("wb") as file:
        file.truncate(2**32)
    with pytest.raises(ObjectDamaged, match="no object has more"):
        FolderStore(tmp_path).get("h-1")


def test_a_volume_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    for name in ("..", "../x", "", "A" * 64, "a" * 63, "a" * 64 + "\n"):
        with pytest.raises(ObjectRefused):
            FolderBlobs(tmp_path).volume(VolumeId(name))


def test_two_processes_that_put_one_name_do_not_both_win(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from mosaic.adapters.blobs import FolderStore, ObjectExists\n"
        "store = FolderStore(Path(sys.argv[1]))\n"
        "for at in range(50):\n"
        "    try: store.put(f'h-{at}', sys.argv[2].encode())\n"
        "    except ObjectExists: continue\n"
        "    print(at)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    won = [set(writer.communicate(timeout=60)[0].split()) for writer in writers]
    assert not won[0] & won[1]
    assert len(won[0] | won[1]) == 50


def test_what_a_crashed_writer_left_is_no_object_and_goes_away_after_a_day(tmp_path: Path) -> None:
    FolderStore(tmp_path).put("p-1", b"one")
    old, young = tmp_path / ".incoming" / "old", tmp_path / ".incoming" / "young"
    for leftover in (old, young):
        leftover.write_bytes(b"half of an obj")
    os.utime(old, (time.time() - 90_000, time.time() - 90_000))
    store = FolderStore(tmp_path)
    store.put("p-2", b"two")
    assert [entry.name for entry in store.list("")] == ["p-1", "p-2"]
    assert not old.exists()
    assert young.exists()


def test_a_failed_put_leaves_nothing_behind(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("p-1", b"one")
    with pytest.raises(ObjectExists):
        store.put("p-1", b"two")
    assert list((tmp_path / ".incoming").iterdir()) == []
