"""Snapshots by copying of a folder that nobody holds still: fuzzy, but whole, and the next one is right."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.storage.engine import staging
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.roots import Replication, Skipped
from mosaic.storage.engine.staging import Staging
from support.edits import Edit, edits, make
from support.reused_numbers import put_in_its_place
from support.trees import tree_difference
from support.volumes import Machine

pytestmark = pytest.mark.long

SOON_NS = 10**10


class Restless(Staging):
    """Somebody writes just before some of the looks into folders, and of the copies. Both are counted from 1."""

    meanwhile: Callable[[int], None]
    before_copy: Callable[[int], None]
    looks = 0
    copies = 0

    def _entries(self, fd: int, path: Components) -> list[tuple[bytes, os.stat_result | Skipped]]:
        self.looks += 1
        self.meanwhile(self.looks)
        return super()._entries(fd, path)

    def _copy_found(self, fd: int, name: bytes, found: os.stat_result) -> os.stat_result | None:
        self.copies += 1
        self.before_copy(self.copies)
        return super()._copy_found(fd, name, found)


def tick(folder: Path) -> None:
    """Wait until the clock of the file system has moved: only its times say that something changed."""
    probe = folder / "probe"
    probe.touch()
    began = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == began:
        os.utime(probe)


def nothing(_: int) -> None:
    """Nobody writes."""


def snapshot(
    here: Machine,
    live: Path,
    target: Path,
    meanwhile: Callable[[int], None] = nothing,
    *,
    before_copy: Callable[[int], None] = nothing,
    settled: bool = False,
) -> Replication:
    """Copy and replicate. `settled` says that its files are older than any clock's step."""
    known = here.nodes.recognised(here.newest.root) if here.newest else None
    taken_ns = time.time_ns() + (SOON_NS if settled else 0)
    copying = Restless(live, target, is_known=known, check_room=lambda _: None)
    copying.meanwhile = meanwhile
    copying.before_copy = before_copy
    with copying:
        copying.copy_ahead()
        copying.copy_rest()
        copying.finish()
    done = here.replicate_copies(target, taken_ns)
    tick(target.parent)
    return done


@pytest.fixture(autouse=True, scope="module")
def _few_shelves() -> Iterator[None]:
    """Making and removing 256 folders takes longer than all that these tests do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "_SHELVES", 2)
        yield


def the_page_goes(live: Path) -> None:
    (live / "d" / "page").unlink()


def the_page_is_replaced(live: Path) -> None:
    (live / "d" / "draft").write_bytes(b"another")
    (live / "d" / "draft").rename(live / "d" / "page")


def the_page_moves(live: Path) -> None:
    (live / "d" / "page").rename(live / "a" / "page of d")


def the_folder_goes(live: Path) -> None:
    shutil.rmtree(live / "d")


def the_folder_becomes_a_link(live: Path) -> None:
    shutil.rmtree(live / "d")
    (live / "d").symlink_to("a")


def the_folder_moves_to_one_that_was_read(live: Path) -> None:
    (live / "d").rename(live / "z" / "d")


def the_folder_moves_to_one_that_will_be_read(live: Path) -> None:
    (live / "d").rename(live / "a" / "d")


def folders_are_exchanged(live: Path) -> None:
    (live / "d").rename(live / "aside")
    (live / "a").rename(live / "d")
    (live / "aside").rename(live / "a")


CHANGES = [
    the_page_goes,
    the_page_is_replaced,
    the_page_moves,
    the_folder_goes,
    the_folder_becomes_a_link,
    the_folder_moves_to_one_that_was_read,
    the_folder_moves_to_one_that_will_be_read,
    folders_are_exchanged,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_changes_after_its_name_was_read_is_stored_whole(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    live, here = tmp_path / "live", Machine()
    for name in "adz":
        (live / name / "sub").mkdir(parents=True)
        (live / name / "page").write_bytes(name.encode() * 5)
        (live / name / "sub" / "page").write_bytes(b"x")
    tick(tmp_path)
    snapshot(here, live, tmp_path / "one", settled=True)

    def between_two_folders(look: int) -> None:
        # 7 folders are looked at ahead. Then come `live`, what is in "z", and "d".
        if look == 7 + 4:
            change(live)

    done = snapshot(here, live, tmp_path / "two", between_two_folders)
    other = Machine(here.store)
    other.restore(done.root, tmp_path / "fuzzy")
    assert {path.name for path in (tmp_path / "fuzzy").iterdir()} >= {"z"}
    assert other.verify(done.root).damaged == ()

    done = snapshot(here, live, tmp_path / "three")
    Machine(here.store).restore(done.root, tmp_path / "right")
    assert tree_difference(live, tmp_path / "right") == []


def test_a_file_that_moves_between_two_looks_is_in_one_place(tmp_path: Path) -> None:
    live, here = tmp_path / "live", Machine()
    (live / "a").mkdir(parents=True)
    (live / "z").mkdir()
    (live / "z" / "page").write_bytes(b"content")
    tick(tmp_path)
    snapshot(here, live, tmp_path / "one", settled=True)

    def after_z_was_read(look: int) -> None:
        if look == 3 + 3:
            (live / "z" / "page").rename(live / "a" / "page")

    done = snapshot(here, live, tmp_path / "two", after_z_was_read)
    Machine(here.store).restore(done.root, tmp_path / "fuzzy")
    assert list((tmp_path / "fuzzy").rglob("page")) == [tmp_path / "fuzzy" / "a" / "page"]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_file_that_gets_a_second_name_keeps_its_first(tmp_path: Path, is_known: bool) -> None:
    live, here = tmp_path / "live", Machine()
    for folder in "az":
        (live / folder).mkdir(parents=True)
    if not is_known:
        snapshot(here, live, tmp_path / "one", settled=True)
    (live / "z" / "page").write_bytes(b"content")
    tick(tmp_path)
    if is_known:
        snapshot(here, live, tmp_path / "one", settled=True)

    def after_z_was_read(look: int) -> None:
        if look == 3 + 3:
            (live / "a" / "second").hardlink_to(live / "z" / "page")
            (live / "a" / "second").write_bytes(b"written since")

    done = snapshot(here, live, tmp_path / "two", after_z_was_read)
    Machine(here.store).restore(done.root, tmp_path / "fuzzy")
    for name in ("a/second", "z/page"):
        assert (tmp_path / "fuzzy" / name).read_bytes() == b"written since"


def make_file(path: Path) -> None:
    path.write_bytes(b"another content")


def make_link(path: Path) -> None:
    path.symlink_to("another target")


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "page").write_bytes(b"inside")


def make_file_of_two_names(path: Path) -> None:
    path.write_bytes(b"another content")
    path.with_name(f"{path.name}, its second name").hardlink_to(path)


KINDS = {
    "file": make_file,
    "two names": make_file_of_two_names,
    "link": make_link,
    "fifo": os.mkfifo,
    "folder": make_folder,
}


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("after", KINDS)
@pytest.mark.parametrize("before", ["file", "link", "fifo"])
def test_a_file_that_gets_the_number_of_one_that_was_just_read_is_not_taken_for_it(
    tmp_path: Path, before: str, after: str, is_known: bool
) -> None:
    live, here = tmp_path / "live", Machine()
    (live / "a").mkdir(parents=True)
    (live / "z").mkdir()
    if not is_known:
        tick(tmp_path)
        snapshot(here, live, tmp_path / "one", settled=True)
    if before == "file":
        (live / "z" / "old").write_bytes(b"content")
    elif before == "link":
        (live / "z" / "old").symlink_to("its old target")
    else:
        os.mkfifo(live / "z" / "old")
    tick(tmp_path)
    if is_known:
        snapshot(here, live, tmp_path / "one", settled=True)

    def after_z_was_read(look: int) -> None:
        if look == 3 + 3:
            put_in_its_place(live / "z" / "old", live / "a" / "new", KINDS[after])

    done = snapshot(here, live, tmp_path / "two", after_z_was_read)
    fuzzy = tmp_path / "fuzzy"
    Machine(here.store).restore(done.root, fuzzy)
    for path in fuzzy.rglob("new"):
        assert stat.S_IFMT(path.lstat().st_mode) == stat.S_IFMT((live / "a" / "new").lstat().st_mode)
        assert not path.is_file() or path.read_bytes() == b"another content"
        assert not path.is_symlink() or str(path.readlink()) == "another target"
    for path in fuzzy.rglob("old"):
        assert not path.is_dir()
        assert not path.is_file() or path.read_bytes() == b"content"
        assert not path.is_symlink() or str(path.readlink()) == "its old target"

    done = snapshot(here, live, tmp_path / "three")
    Machine(here.store).restore(done.root, tmp_path / "right")
    assert tree_difference(live, tmp_path / "right") == []


@pytest.mark.parametrize("after", KINDS)
@pytest.mark.parametrize("before", ["file", "link"])
def test_what_another_file_is_put_in_the_place_of_just_before_it_is_copied_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    live, here = tmp_path / "live", Machine()
    live.mkdir()
    KINDS[before](live / "page")
    copy, copied = Staging._copy, list[bytes]()

    def exchanged(self: Staging, fd: int, name: bytes, found: os.stat_result) -> os.stat_result | None:
        copied.append(name)
        if len(copied) == 2:
            (live / "page").rename(tmp_path / "its number is not free")
            KINDS[after](live / "page")
        return copy(self, fd, name, found)

    monkeypatch.setattr(Staging, "_copy", exchanged)
    done = snapshot(here, live, tmp_path / "one")
    Machine(here.store).restore(done.root, tmp_path / "fuzzy")
    assert [path.name for path in (tmp_path / "fuzzy").iterdir()] == ([] if after == "folder" else ["page"])
    done = snapshot(here, live, tmp_path / "two")
    Machine(here.store).restore(done.root, tmp_path / "right")
    assert tree_difference(live, tmp_path / "right") == []


def test_an_attribute_that_is_taken_off_while_a_file_is_copied_ends_no_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, here = tmp_path / "live", Machine()
    live.mkdir()
    (live / "page").write_bytes(b"content")
    os.setxattr(live / "page", "user.stays", b"1")
    listed = os.listxattr
    monkeypatch.setattr(os, "listxattr", lambda *args, **words: [*listed(*args, **words), "user.gone"])
    done = snapshot(here, live, tmp_path / "one")
    monkeypatch.undo()
    Machine(here.store).restore(done.root, tmp_path / "restored")
    assert os.listxattr(tmp_path / "restored" / "page") == ["user.stays"]


@settings(max_examples=60)
@given(
    edits,
    st.dictionaries(st.integers(2, 12), edits, max_size=4),
    st.dictionaries(st.integers(1, 16), edits, max_size=3),
)
def test_a_snapshot_of_a_folder_that_is_written_to_is_whole_and_the_next_ones_are_right(
    before: Sequence[Edit], meanwhile: dict[int, Sequence[Edit]], at_copies: dict[int, Sequence[Edit]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        live, here = folder / "live", Machine()
        live.mkdir()
        make(live, before)
        tick(folder)
        snapshot(here, live, folder / "one", settled=True)
        fuzzy = snapshot(
            here,
            live,
            folder / "two",
            lambda look: make(live, meanwhile.get(look, ())),
            before_copy=lambda copy: make(live, at_copies.get(copy, ())),
        )
        there = Machine(here.store)
        there.restore(fuzzy.root, folder / "fuzzy")
        assert there.verify(fuzzy.root).damaged == ()

        done = snapshot(here, live, folder / "three")
        Machine(here.store).restore(done.root, folder / "right")
        assert tree_difference(live, folder / "right") == []

        # What was restored of it, in two places or in one, lives on as what it is there.
        make(folder / "fuzzy", before)
        done = there.replicate(folder / "fuzzy", settled=True)
        Machine(here.store).restore(done.root, folder / "later")
        assert tree_difference(folder / "fuzzy", folder / "later") == []
