"""What a change costs: what did not change is neither read nor sent."""

import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.storage.engine.damage import BlobDamaged
from mosaic.storage.engine.fill import written_parts
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.records import ZERO_CHUNK
from mosaic.storage.engine.replicate import replicate
from mosaic.storage.engine.roots import Progress
from support.stores import MemoryStore
from support.trees import tree_difference
from support.volumes import KEYS, Machine

pytestmark = pytest.mark.long


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Thirty directories of twenty files, and a file of 4 MB. Nothing in it can be compressed."""
    noise = random.Random(1)
    top = tmp_path / "source"
    for folder in range(30):
        (top / f"dir{folder}").mkdir(parents=True)
        for number in range(20):
            (top / f"dir{folder}" / f"file{number}").write_bytes(noise.randbytes(200))
    (top / "big").write_bytes(noise.randbytes(4_000_000))
    return top


@pytest.fixture
def here() -> Machine:
    return Machine(MemoryStore())


def test_nothing_changed_means_nothing_read_and_nothing_sent(source: Path, here: Machine) -> None:
    first = here.replicate(source, settled=True)
    store = here.store
    assert isinstance(store, MemoryStore)
    puts = store.puts
    again = here.replicate(source, settled=True)
    assert again.root == first.root
    assert (again.read_bytes, again.uploaded_bytes, store.puts) == (0, 0, puts)
    assert (again.files, again.content_bytes) == (first.files, first.content_bytes)


def test_a_file_that_was_only_touched_is_read_and_its_new_time_sent(source: Path, here: Machine) -> None:
    here.replicate(source, settled=True)
    os.utime(source / "dir1" / "file1", ns=(1, 1))
    touched = here.replicate(source, settled=True)
    assert touched.read_bytes == 200
    assert 0 < touched.uploaded_bytes < 20_000


def test_a_small_write_in_a_big_file_sends_one_chunk_and_few_pages(source: Path, here: Machine) -> None:
    here.replicate(source, settled=True)
    with (source / "big").open("r+b") as file:
        file.seek(2_345_678)
        file.write(b"changed")
    changed = here.replicate(source, settled=True)
    assert 65_536 < changed.uploaded_bytes < 85_000
    assert changed.uploaded_packs == 1


def test_renaming_all_directories_sends_no_content_and_few_pages(source: Path, here: Machine, tmp_path: Path) -> None:
    here.replicate(source, settled=True)
    for folder in range(30):
        (source / f"dir{folder}").rename(source / f"moved{folder}")
    renamed = here.replicate(source, settled=True)
    assert renamed.read_bytes == 0
    assert renamed.uploaded_bytes < 15_000
    here.restore(renamed.root, tmp_path / "target")
    assert tree_difference(source, tmp_path / "target") == []


def test_moving_a_file_to_another_directory_sends_no_content(source: Path, here: Machine) -> None:
    here.replicate(source, settled=True)
    (source / "big").rename(source / "dir3" / "large")
    moved = here.replicate(source, settled=True)
    # A rename moves the file's ctime, so it is read again.
    assert moved.uploaded_bytes < 20_000


def test_a_machine_that_forgot_everything_reads_all_and_sends_nothing(source: Path, here: Machine) -> None:
    first = here.replicate(source, settled=True)
    here.forget()
    again = here.replicate(source, settled=True)
    assert again.root == first.root
    assert again.read_bytes == first.read_bytes
    assert again.uploaded_bytes == 0


def test_a_machine_that_forgot_everything_matches_files_by_their_paths(source: Path, here: Machine) -> None:
    here.replicate(source, settled=True)
    here.forget()
    (source / "dir0" / "file0").rename(source / "dir0" / "file00")
    again = here.replicate(source, settled=True)
    assert again.uploaded_bytes < 20_000


def test_the_first_replication_after_a_restore_reads_nothing_again(
    source: Path, here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = here.replicate(source, settled=True)
    there = Machine(here.store)
    later = time.time_ns() + 10_000_000_000
    monkeypatch.setattr("mosaic.storage.engine.restore.time.time_ns", lambda: later)
    there.restore(state.root, tmp_path / "target")
    again = there.replicate(tmp_path / "target", settled=True)
    assert again.root == state.root
    assert (again.read_bytes, again.uploaded_bytes) == (0, 0)


def test_a_file_that_changed_within_a_tick_of_the_snapshot_is_read_again(source: Path, here: Machine) -> None:
    here.replicate(source, settled=False)
    again = here.replicate(source, settled=True)
    assert again.read_bytes > 4_000_000
    assert again.uploaded_bytes == 0


def test_a_memory_of_another_state_is_not_believed(source: Path, here: Machine) -> None:
    first = here.replicate(source, settled=True)
    (source / "dir1" / "file1").write_bytes(b"second")
    here.replicate(source, settled=True)
    here.newest = first.root
    (source / "dir1" / "file2").write_bytes(b"third")
    third = here.replicate(source, settled=True)
    here.newest = None
    here.forget()
    assert here.verify(third.root).damaged == ()
    assert third.read_bytes > 4_000_000


def test_a_previous_state_that_the_store_lost_is_an_error_and_none_writes_everything_anew(source: Path) -> None:
    here, other = Machine(), Machine()
    state = here.replicate(source, settled=True)
    other.newest = state.root
    with pytest.raises(BlobDamaged):
        other.replicate(source)
    other.newest = None
    anew = other.replicate(source)
    assert other.verify(anew.root).damaged == ()


def test_a_failed_replication_leaves_the_memory_of_the_state_before(source: Path, here: Machine) -> None:
    here.replicate(source, settled=True)
    (source / "dir1" / "file1").write_bytes(b"changed")

    class Stopped(Exception):
        pass

    def stop(_: Progress) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        replicate(
            source,
            KEYS,
            here.store,
            previous=here.newest,
            known=here.known,
            nodes=here.nodes,
            taken_ns=0,
            on_progress=stop,
        )
    again = here.replicate(source, settled=True)
    assert again.read_bytes == len(b"changed")


def test_holes_are_not_stored_and_come_back_as_holes(here: Machine, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "sparse").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"in the middle")
    with (source / "zeros").open("wb") as file:
        file.write(bytes(1_000_000))
    state = here.replicate(source)
    assert state.uploaded_bytes < 5_000
    here.restore(state.root, tmp_path / "target")
    target = tmp_path / "target" / "sparse"
    assert target.stat().st_size == 1 << 40
    assert target.stat().st_blocks * 512 < 1_000_000
    assert (tmp_path / "target" / "zeros").read_bytes() == bytes(1_000_000)
    with target.open("rb") as file:
        file.seek((1 << 39) - 1)
        assert file.read(15) == b"\0in the middle\0"


def test_holes_within_a_chunk_need_no_room_either(here: Machine, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "database").open("wb") as file:
        for number in range(64):
            # A page of each chunk, here and there, and an end that is no page's.
            file.seek(number * 65_536 + number % 16 * 4096)
            file.write(number.to_bytes(8, "big") * 512)
        file.truncate(64 * 65_536 + 100)
    here.restore(here.replicate(source).root, tmp_path / "target")
    restored = tmp_path / "target" / "database"
    assert restored.read_bytes() == (source / "database").read_bytes()
    assert restored.stat().st_blocks * 512 <= 66 * 4096


@given(st.lists(st.one_of(st.just(bytes(4096)), st.just(b"x" * 4096), st.just(bytes(4095) + b"y")), max_size=9))
def test_only_pages_of_zeros_are_left_to_be_holes(pages: list[bytes]) -> None:
    content = b"".join(pages) + b"\0\0"
    found = bytearray(len(content))
    for start, end in written_parts(content):
        assert bytes(4096) not in [content[page : page + 4096] for page in range(start, end, 4096)]
        found[start:end] = content[start:end]
    assert found == content


def test_content_that_lies_twice_is_sent_once(here: Machine, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    content = random.Random(2).randbytes(1_000_000)
    for number in range(5):
        (source / f"copy{number}").write_bytes(content)
    assert here.replicate(source).uploaded_bytes < 1_020_000


def test_only_what_a_base_lacks_is_fetched(source: Path, here: Machine, tmp_path: Path) -> None:
    old = here.replicate(source, settled=True)
    there = Machine(here.store)
    there.restore(old.root, tmp_path / "base")
    with (source / "big").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"changed")
        file.truncate(3_900_000)
    (source / "dir1").rename(source / "elsewhere")
    new = here.replicate(source, settled=True)
    done = there.restore(new.root, tmp_path / "target", base=(tmp_path / "base", old.root))
    assert tree_difference(source, tmp_path / "target") == []
    assert done.cloned_bytes > 4_000_000
    # One chunk, the file's new last chunk, and the pages of the tree.
    assert done.fetched_bytes < 500_000


def test_a_chunk_of_zeros_replaces_what_a_base_has_there(here: Machine, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"x" * 300_000)
    old = here.replicate(source)
    with (source / "file").open("r+b") as file:
        file.seek(65_536)
        file.write(bytes(65_536))
    new = here.replicate(source)
    base = tmp_path / "base"
    here.restore(old.root, base)
    here.restore(new.root, tmp_path / "target", base=(base, old.root))
    assert tree_difference(source, tmp_path / "target") == []
    assert bytes(32) == ZERO_CHUNK


def test_a_node_map_that_is_no_database_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "nodes").write_bytes(b"not a database, but long enough to look like one" * 100)
    assert NodeMap(tmp_path / "nodes").begin(bytes(32)) is False
