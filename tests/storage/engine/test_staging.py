"""Snapshots that are made by copying: whatever happens before them, what is stored is what the folder was."""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.storage.engine.beneath import directory, open_beneath, open_root
from mosaic.storage.engine.damage import CopyMissing
from mosaic.storage.engine.fingerprint import fingerprint
from mosaic.storage.engine.staging import Staging
from support.edits import Edit, edits, make
from support.reused_numbers import put_in_its_place
from support.trees import tree_difference
from support.volumes import Machine

pytestmark = pytest.mark.long


def nothing() -> None:
    """Nobody writes meanwhile."""


def stage(machine: Machine, live: Path, target: Path, *, meanwhile: Callable[[], None] = nothing) -> int:
    """Copy what changed since the machine replicated last; `meanwhile` is done before the app is held still."""
    known = machine.nodes.recognised(machine.newest.root) if machine.newest else None
    with Staging(live, target, is_known=known, check_room=lambda _: None) as staging:
        staging.copy_ahead()
        meanwhile()
        staging.copy_rest()
        return staging.finish()


@pytest.mark.long
@settings(max_examples=40)
@given(st.lists(st.tuples(edits, edits), min_size=1, max_size=3))
def test_what_is_stored_is_what_was_there_when_nobody_wrote_any_more(
    rounds: Sequence[tuple[Sequence[Edit], Sequence[Edit]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live, here = Path(folder) / "live", Machine()
        live.mkdir()
        for number, (before, late) in enumerate(rounds):
            make(live, before)
            taken_ns = time.time_ns()
            target = Path(folder) / f"staged-{number}"
            stage(here, live, target, meanwhile=partial(make, live, late))
            done = here.replicate_copies(target, taken_ns)
            restored = Path(folder) / f"restored-{number}"
            Machine(here.store).restore(done.root, restored)
            assert tree_difference(live, restored) == []


def settled(folder: Path) -> None:
    """Make every file older than any clock's step; only a real wait moves a ctime into the past."""
    newest = max(os.lstat(path).st_ctime_ns for path in [folder, *folder.rglob("*")])
    time.sleep(max(0.0, (newest + 1_100_000_000 - time.time_ns()) / 10**9))


def test_only_what_changed_is_copied_and_read(tmp_path: Path) -> None:
    live, here = tmp_path / "live", Machine()
    (live / "folder").mkdir(parents=True)
    for number in range(50):
        (live / "folder" / f"file{number}").write_bytes(os.urandom(2000))
    settled(live)
    stage(here, live, tmp_path / "one")
    assert here.replicate_copies(tmp_path / "one", time.time_ns()).read_bytes == 100_000

    (live / "folder" / "file7").write_bytes(b"changed")
    (live / "folder").rename(live / "renamed")
    stage(here, live, tmp_path / "two")
    copies = [path for path in (tmp_path / "two" / "tree").rglob("*") if path.is_file()]
    done = here.replicate_copies(tmp_path / "two", time.time_ns())
    assert [path.name for path in copies] == ["file7"]
    assert (done.read_bytes, done.files) == (7, 50)
    Machine(here.store).restore(done.root, tmp_path / "restored")
    assert tree_difference(live, tmp_path / "restored") == []


def make_file(path: Path) -> None:
    path.write_bytes(b"content of a file")


def make_link(path: Path) -> None:
    path.symlink_to("elsewhere")


KINDS = {"file": make_file, "link": make_link, "fifo": os.mkfifo, "folder": os.mkdir}


@pytest.mark.parametrize("after", KINDS)
@pytest.mark.parametrize("before", ["file", "link", "fifo"])
def test_a_file_with_the_number_of_one_that_has_gone_is_stored_as_what_it_is(
    tmp_path: Path, before: str, after: str
) -> None:
    live, here = tmp_path / "live", Machine()
    live.mkdir()
    KINDS[before](live / "old")
    stage(here, live, tmp_path / "one", meanwhile=partial(put_in_its_place, live / "old", live / "new", KINDS[after]))
    done = here.replicate_copies(tmp_path / "one", time.time_ns())
    Machine(here.store).restore(done.root, tmp_path / "restored")
    assert tree_difference(live, tmp_path / "restored") == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_attribute_that_was_taken_off_between_two_looks_is_not_stored(tmp_path: Path, kind: str) -> None:
    live, here = tmp_path / "live", Machine()
    live.mkdir()
    KINDS[kind](live / "page")
    os.setxattr(live / "page", "user.stays", b"1")
    os.setxattr(live / "page", "user.goes", b"1")
    stage(here, live, tmp_path / "one", meanwhile=lambda: os.removexattr(live / "page", "user.goes"))
    done = here.replicate_copies(tmp_path / "one", time.time_ns())
    Machine(here.store).restore(done.root, tmp_path / "restored")
    assert os.listxattr(tmp_path / "restored" / "page") == ["user.stays"]


@pytest.mark.parametrize("after", ["link", "fifo", "folder"])
@pytest.mark.parametrize("before", ["file", "link"])
def test_what_takes_the_place_of_a_file_that_is_about_to_be_read_ends_no_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    live, here = tmp_path / "live", Machine()
    live.mkdir()
    KINDS[before](live / "page")
    copy = Staging._copy

    def exchanged(self: Staging, fd: int, name: bytes, found: os.stat_result) -> os.stat_result | None:
        monkeypatch.undo()
        (live / "page").unlink()
        KINDS[after](live / "page")
        return copy(self, fd, name, found)

    monkeypatch.setattr(Staging, "_copy", exchanged)
    stage(here, live, tmp_path / "one")
    done = here.replicate_copies(tmp_path / "one", time.time_ns())
    Machine(here.store).restore(done.root, tmp_path / "restored")
    assert tree_difference(live, tmp_path / "restored") == []


def test_a_folder_that_was_moved_between_two_looks_is_not_missed(tmp_path: Path) -> None:
    live, here = tmp_path / "live", Machine()
    (live / "a").mkdir(parents=True)
    (live / "z" / "inner" / "deep").mkdir(parents=True)
    (live / "z" / "inner" / "deep" / "page").write_bytes(b"content")

    def move() -> None:
        (live / "z" / "inner").rename(live / "a" / "inner")

    stage(here, live, tmp_path / "one", meanwhile=move)
    done = here.replicate_copies(tmp_path / "one", time.time_ns())
    Machine(here.store).restore(done.root, tmp_path / "restored")
    assert (tmp_path / "restored" / "a" / "inner" / "deep" / "page").read_bytes() == b"content"


def test_a_snapshot_that_lacks_a_copy_is_refused_and_never_stored(tmp_path: Path) -> None:
    live, here = tmp_path / "live", Machine()
    live.mkdir()
    (live / "page").write_bytes(b"content")
    stage(here, live, tmp_path / "one")
    (tmp_path / "one" / "tree" / "page").unlink()
    with pytest.raises(CopyMissing):
        here.replicate_copies(tmp_path / "one", time.time_ns())


def test_files_that_change_and_vanish_while_they_are_read_end_no_snapshot(tmp_path: Path) -> None:
    live, here = tmp_path / "live", Machine()
    live.mkdir()
    (live / "still").write_bytes(b"nobody touches this")
    known = [0]
    written: dict[str, list[bytes]] = {"still": [b"nobody touches this"]}

    def restless(_: int) -> None:
        """Called before each copy: the app is not held still."""
        known[0] += 1
        name, content = f"new-{known[0] % 7}", os.urandom(known[0] * 1000)
        (live / name).write_bytes(content)
        written.setdefault(name, []).append(content)
        with contextlib.suppress(FileNotFoundError):
            (live / f"new-{(known[0] + 3) % 7}").unlink()

    restless(0)
    for number in range(20):
        target = tmp_path / f"staged-{number}"
        with Staging(live, target, is_known=None, check_room=restless) as staging:
            staging.copy_ahead()
            staging.copy_rest()
            staging.finish()
        done = here.replicate_copies(target, time.time_ns())
        Machine(here.store).restore(done.root, tmp_path / f"restored-{number}")
        found = {path.name: path.read_bytes() for path in (tmp_path / f"restored-{number}").iterdir()}
        assert "still" in found
        assert len(found) > 1
        assert all(content in written[name] for name, content in found.items())


def test_a_path_that_is_longer_than_the_system_takes_at_once_is_stored(tmp_path: Path) -> None:
    live, here = tmp_path / "live", Machine()
    live.mkdir()
    path = (b"d" * 200,) * 21
    fd = open_root(live)
    for name in path:
        os.mkdir(name, dir_fd=fd)
        below = open_beneath(fd, (name,))
        os.close(fd)
        fd = below
    write_in(fd, b"content")
    os.close(fd)
    stage(here, live, tmp_path / "one")
    done = here.replicate_copies(tmp_path / "one", time.time_ns())
    Machine(here.store).restore(done.root, tmp_path / "restored")
    fd = open_root(tmp_path / "restored")
    try:
        with directory(fd, path) as bottom, os.fdopen(os.open("page", os.O_RDONLY, dir_fd=bottom), "rb") as file:
            assert file.read() == b"content"
    finally:
        os.close(fd)


def write_in(folder_fd: int, content: bytes) -> None:
    with os.fdopen(os.open("page", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=folder_fd), "wb") as file:
        file.write(content)


def test_the_number_of_a_folder_changes_with_every_change_and_else_stays(tmp_path: Path) -> None:
    live = tmp_path / "live"
    (live / "folder").mkdir(parents=True)
    page = live / "folder" / "page"
    page.write_bytes(b"one")
    settled(live)
    numbers = [fingerprint(live)]
    assert fingerprint(live) == numbers[0]
    assert stage(Machine(), live, tmp_path / "staged") == numbers[0]
    for change in (
        lambda: page.write_bytes(b"two"),
        lambda: page.chmod(0o600),
        lambda: page.rename(live / "folder" / "other"),
        lambda: (live / "folder" / "other").unlink(),
    ):
        change()
        numbers.append(fingerprint(live))
    assert len(set(numbers)) == 5


def test_right_after_a_change_no_two_looks_are_alike(tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"one")
    assert fingerprint(tmp_path) != fingerprint(tmp_path)
