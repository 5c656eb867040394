"""An audit finds whatever the search for changes overlooked, names it, and never cries wolf."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from mosaic.adapters import btrfs
from mosaic.adapters.btrfs_send import difference
from mosaic.core.auditing import Suspects
from mosaic.core.errors import Corrupt
from mosaic.crypto.volume_keys import volume_keys
from mosaic.storage.engine.attributes import holdable
from mosaic.storage.engine.audit import Audit, audit
from mosaic.storage.engine.changes import Hints, Spot, gather
from mosaic.storage.engine.replicate import replicate
from mosaic.storage.engine.roots import Progress, RootRef
from mosaic.storage.engine.send_stream import commands
from mosaic.storage.engine.suspects import mark_suspects, suspects_in
from support.edits import Edit, edits, make
from support.stores import MemoryStore
from support.trees import holds_xattrs, tree_fingerprint
from support.volumes import KEYS, Machine

pytestmark = pytest.mark.long

CHUNK = 65_536
MARK = (
    "6528e5ad28ec3d4480bbe15892d65b07f6a2e68412e7a77bf5b6377357df4343"
    "73e99d9a83c1a9f0361eda3526b19ae60be46b466ac9e123bf52a2e22902760a"
)
EXAMPLES = int(os.environ.get("MOSAIC_EXAMPLES", "15"))


def audited(here: Machine, folder: Path, root: RootRef | None = None) -> Audit:
    wanted = root or here.newest
    assert wanted is not None
    here.known.load(here.store, KEYS)
    return audit(wanted, KEYS, here.store, folder, known=here.known)


@settings(deadline=None, max_examples=EXAMPLES)
@given(edits, edits, edits)
def test_an_audit_of_what_was_stored_rightly_finds_nothing(
    first: Sequence[Edit], second: Sequence[Edit], third: Sequence[Edit]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.mkdir()
        here = Machine()
        for todo in (first, second):
            make(source, todo)
            here.replicate(source)
            assert audited(here, source).differing == ()
        assert here.newest is not None
        # On another machine every file has another inode, and the tree goes on with the numbers that it has.
        there = Machine(here.store if isinstance(here.store, MemoryStore) else None)
        there.restore(here.newest, target)
        assert audited(there, target).differing == ()
        make(target, third)
        there.replicate(target)
        assert audited(there, target).differing == ()
        there.forget()
        there.replicate(target)
        assert audited(there, target).differing == ()


@settings(deadline=None, max_examples=EXAMPLES)
@given(edits, edits)
def test_whatever_was_overlooked_is_found(first: Sequence[Edit], second: Sequence[Edit]) -> None:
    """The state of before is what an engine stores that overlooks everything."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.mkdir()
        here = Machine()
        make(source, first)
        here.replicate(source)
        before = tree_fingerprint(source)
        make(source, second)
        found = audited(here, source)
        assert (found.difference_count > 0) == (before != tree_fingerprint(source))
        assert len(found.differing) == found.difference_count


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with one of everything."""
    top = tmp_path / "source"
    (top / "mail" / "old").mkdir(parents=True)
    (top / "mail" / "inbox").write_bytes(os.urandom(3 * CHUNK + 5))
    (top / "mail" / "old" / "letter").write_text("dear")
    (top / "notes").write_text("short")
    os.link(top / "notes", top / "mail" / "again")
    os.link(top / "notes", top / "mail" / "third")
    (top / "twin").write_text("short")
    (top / "way").symlink_to("notes")
    os.mkfifo(top / "pipe")
    with (top / "holes").open("wb") as file:
        file.truncate(400 * CHUNK)
        file.seek(20 * CHUNK)
        file.write(b"x" * 10)
        file.seek(300 * CHUNK)
        file.write(b"y" * 10)
    return top


def keeping_times(change: Callable[[Path], object]) -> Callable[[Path], None]:
    """Change something without moving the times of any directory."""

    def changed(top: Path) -> None:
        times = {path: path.stat().st_mtime_ns for path in (top, top / "mail", top / "mail" / "old")}
        change(top)
        for path, mtime_ns in times.items():
            if path.is_dir():
                os.utime(path, ns=(mtime_ns, mtime_ns))

    return changed


def flip(path: Path, at: int) -> None:
    """Change one byte, keeping size and times."""
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def point_elsewhere(top: Path) -> None:
    times = (top / "way").lstat().st_mtime_ns
    (top / "way").unlink()
    (top / "way").symlink_to("twins")
    os.utime(top / "way", ns=(times, times), follow_symlinks=False)


def become_a_file(top: Path) -> None:
    (top / "pipe").unlink()
    (top / "pipe").touch()


def swap_links(top: Path) -> None:
    """Give a name of one file to its twin, whose content is the same."""
    times = (top / "notes").stat().st_mtime_ns
    os.utime(top / "twin", ns=(times, times))
    (top / "other").write_text("short")
    os.utime(top / "other", ns=(times, times))
    os.link(top / "other", top / "other2")
    os.link(top / "other", top / "other3")
    for name, fresh in (("notes", "other"), ("mail/again", "other2")):
        (top / fresh).rename(top / name)
    (top / "other3").unlink()


CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "a byte of a big file": (lambda top: flip(top / "mail" / "inbox", 2 * CHUNK), {"mail/inbox"}),
    "the last byte": (lambda top: flip(top / "mail" / "inbox", 3 * CHUNK + 4), {"mail/inbox"}),
    "a byte in a hole": (lambda top: flip(top / "holes", 100 * CHUNK + 7), {"holes"}),
    "a byte between holes": (lambda top: flip(top / "holes", 300 * CHUNK), {"holes"}),
    "a byte of a small file": (lambda top: flip(top / "mail" / "old" / "letter", 0), {"mail/old/letter"}),
    "a mode": (lambda top: (top / "mail" / "inbox").chmod(0o600), {"mail/inbox"}),
    "a directory's mode": (lambda top: (top / "mail" / "old").chmod(0o700), {"mail/old"}),
    "the top directory's mode": (lambda top: top.chmod(0o700), {"."}),
    "a time": (lambda top: os.utime(top / "twin", ns=(1, 1)), {"twin"}),
    "a name": (keeping_times(lambda top: (top / "twin").rename(top / "twist")), {"twin", "twist"}),
    "a directory's name": (
        keeping_times(lambda top: (top / "mail" / "old").rename(top / "older")), {"mail/old", "older"},
    ),
    "a new file": (keeping_times(lambda top: (top / "mail" / "old" / "new").touch()), {"mail/old/new"}),
    "a file that went": (keeping_times(lambda top: (top / "mail" / "old" / "letter").unlink()), {"mail/old/letter"}),
    "a folder that went": (keeping_times(lambda top: shutil.rmtree(top / "mail" / "old")), {"mail/old"}),
    "a link's target": (keeping_times(point_elsewhere), {"way"}),
    "a pipe that is a file now": (
        keeping_times(become_a_file), {"pipe"},
    ),
    "a file that grew": (lambda top: os.truncate(top / "twin", 6), {"twin"}),
}  # fmt: skip


@pytest.mark.parametrize(("change", "paths"), CHANGES.values(), ids=CHANGES)
def test_one_change_that_was_overlooked_is_named_by_its_path(
    source: Path, change: Callable[[Path], object], paths: set[str]
) -> None:
    here = Machine()
    here.replicate(source)
    change(source)
    found = audited(here, source)
    assert {one.path for one in found.differing} == paths, found.differing


def test_a_changed_attribute_or_owner_is_named_by_its_path(source: Path) -> None:
    if not holds_xattrs(source):
        pytest.skip("files here have no extended attributes")
    os.setxattr(source / "notes", "user.kept", b"1")
    here = Machine()
    here.replicate(source)
    os.setxattr(source / "twin", "user.new", b"1")
    os.removexattr(source / "notes", "user.kept")
    os.setxattr(source / "mail", "user.folder", b"1")
    assert {one.path for one in audited(here, source).differing} >= {"twin", "mail"}
    assert {one.path for one in audited(here, source).differing} & {"notes", "mail/again", "mail/third"}


def test_attributes_that_the_file_system_cannot_hold_are_no_difference(source: Path) -> None:
    if not holds_xattrs(source):
        pytest.skip("files here have no extended attributes")
    os.setxattr(source / "twin", "user.wide", b"1" * 100)
    here = Machine()
    root = here.replicate(source).root
    os.removexattr(source / "twin", "user.wide")
    found = audit(root, KEYS, here.store, source, known=here.known, held=lambda _: ())
    assert found.differing == ()
    assert audit(root, KEYS, here.store, source, known=here.known, held=lambda asked: asked).difference_count == 1


def test_what_a_file_system_can_hold_is_tried_out_where_the_files_lie(tmp_path: Path) -> None:
    if not holds_xattrs(tmp_path):
        pytest.skip("files here have no extended attributes")
    small, huge = (b"user.small", b"1"), (b"user.huge", b"1" * 60_000)
    kept = holdable(tmp_path, (small, huge, (b"nonsense.name", b"1")))
    assert small in kept
    assert (b"nonsense.name", b"1") not in kept
    # Where it can't be tried out, nothing is excused.
    assert holdable(tmp_path / "missing", (small,)) == (small,)
    assert list(tmp_path.iterdir()) == []


def test_a_mark_in_the_store_is_these_bytes_for_ever_and_another_volumes_says_nothing() -> None:
    store = MemoryStore()
    mark_suspects(store, KEYS, Suspects(3, 12))
    mark_suspects(store, KEYS, Suspects(3, 12))
    name = "a-00000000000000000003-00000000000000000012"
    assert store.objects == {name: bytes.fromhex(MARK)}
    assert list(suspects_in(store, KEYS.volume)) == [Suspects(3, 12)]
    other = volume_keys(bytes(32))
    assert list(suspects_in(store, other.volume)) == []
    store.objects["a-00000000000000000003-00000000000000000013"] = store.objects[name]
    store.objects["a-odd"] = b"odd"
    assert list(suspects_in(store, KEYS.volume)) == [Suspects(3, 12)]


def test_names_that_belong_to_other_files_than_before_are_found(source: Path) -> None:
    here = Machine()
    here.replicate(source)
    keeping_times(swap_links)(source)
    found = {one.path for one in audited(here, source).differing}
    assert found & {"notes", "mail/again", "mail/third"}


def test_a_tree_whose_pages_are_damaged_is_no_difference(source: Path) -> None:
    here = Machine()
    here.replicate(source)
    assert isinstance(here.store, MemoryStore)
    for name, whole in here.store.objects.items():
        here.store.objects[name] = whole[:100] + bytes(byte ^ 1 for byte in whole[100:])
    with pytest.raises(Corrupt):
        assert here.newest is not None
        audit(here.newest, KEYS, here.store, source, known=here.known)


def test_an_audit_says_how_much_it_read_and_can_be_ended(source: Path) -> None:
    here = Machine()
    root = here.replicate(source).root
    told: list[Progress] = []
    found = audit(root, KEYS, here.store, source, known=here.known, on_progress=told.append)
    assert (found.files, found.directories) == (5, 3)
    assert found.read_bytes == 3 * CHUNK + 5 + 4 + 5 + 5 + 2 * CHUNK
    assert told

    class Enough(Exception):
        pass

    def enough(_: Progress) -> None:
        raise Enough

    with pytest.raises(Enough):
        audit(root, KEYS, here.store, source, known=here.known, on_progress=enough)


def test_many_differences_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    here = Machine()
    here.replicate(source)
    for number in range(150):
        (source / f"{number:03}").touch()
    found = audited(here, source)
    assert found.difference_count == 151
    assert len(found.differing) == 100


# What is claimed of live files.


class Live:
    """A folder without snapshots, and what this machine remembers of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machine = Machine()

    def replicate(self) -> None:
        self.machine.replicate(self.folder, settled=True)

    def audit(self) -> Audit:
        newest = self.machine.newest
        assert newest is not None
        with self.machine.nodes.claims(newest.root) as claimed:
            assert claimed is not None
            return audit(newest, KEYS, self.machine.store, self.folder, known=self.machine.known, claimed=claimed)


@settings(deadline=None, max_examples=EXAMPLES)
@given(edits, edits)
def test_live_files_that_changed_since_are_no_difference(first: Sequence[Edit], second: Sequence[Edit]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live = Live(Path(folder))
        make(live.folder, first)
        live.replicate()
        assert live.audit().differing == ()
        make(live.folder, second)
        assert live.audit().differing == ()


@pytest.mark.parametrize("name", ["mail/inbox", "mail/old/letter"])
def test_a_live_file_that_is_claimed_not_to_have_changed_and_did_is_named(source: Path, name: str) -> None:
    live = Live(source)
    live.replicate()
    before = (source / name).stat()
    flip(source / name, 2)
    # No time tells: as if the clock had stood still, or memory that is mapped were written.
    live.machine.nodes.begin(live.machine.newest.root if live.machine.newest else None)
    was = live.machine.nodes.find(before.st_ino)
    assert was is not None
    live.machine.nodes.put(was.node, (source / name).stat())
    assert live.machine.newest is not None
    live.machine.nodes.commit(live.machine.newest.root, taken_ns=time.time_ns() + 10**10)
    assert [one.path for one in live.audit().differing] == [name]


# On btrfs, by hints.


class Hinted:
    """A subvolume that is replicated by hints, with a source of hints that may leave something out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.live = folder / "live"
        btrfs.create(self.live)
        self.machine = Machine()
        self.snapshots: list[Path] = []

    def replicate(self, forget: Callable[[Spot], object] = lambda _: None) -> Path:
        snapshot = self.folder / f"snapshot{len(self.snapshots)}"
        btrfs.sync(self.folder)
        btrfs.snapshot(self.live, snapshot)
        machine, hints = self.machine, Hints(_uuid(snapshot), "", None)
        if self.snapshots:
            with difference(snapshot, self.snapshots[-1]) as stream:
                told = gather(commands(stream))
            forget(told)
            hints = Hints(_uuid(snapshot), _uuid(self.snapshots[-1]), told)
        self.snapshots.append(snapshot)
        machine.known.load(machine.store, KEYS)
        machine.newest = replicate(
            snapshot, KEYS, machine.store, previous=machine.newest, known=machine.known,
            nodes=machine.nodes, taken_ns=time.time_ns(), hints=hints,
        ).root  # fmt: skip
        return snapshot

    def end(self) -> None:
        for path in (*self.snapshots, self.live):
            btrfs.delete(path)


def _uuid(snapshot: Path) -> str:
    found = btrfs.look(snapshot)
    assert found is not None
    return found.uuid


@pytest.fixture
def hinted(btrfs_path: Path) -> Iterator[Hinted]:
    made = Hinted(btrfs_path)
    yield made
    made.end()


@pytest.mark.btrfs
@settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits, edits, edits)
def test_an_audit_of_what_was_stored_by_hints_finds_nothing(
    btrfs_path: Path, first: Sequence[Edit], second: Sequence[Edit], third: Sequence[Edit]
) -> None:
    volume = Hinted(btrfs_path)
    try:
        for todo in (first, second, third):
            make(volume.live, todo)
            snapshot = volume.replicate()
            assert audited(volume.machine, snapshot).differing == ()
    finally:
        volume.end()


def _forget(name: bytes, *, as_name: bool = False) -> Callable[[Spot], object]:
    def forget(told: Spot) -> None:
        told.children.pop(name, None)
        if as_name:
            told.names.discard(name)

    return forget


@pytest.mark.btrfs
def test_a_path_that_the_hints_left_out_is_found_and_a_look_at_everything_mends_it(hinted: Hinted) -> None:
    for name in ("kept", "left-out", "moved"):
        (hinted.live / name).write_bytes(os.urandom(300_000))
    hinted.replicate()
    flip(hinted.live / "left-out", 200_000)
    (hinted.live / "moved").rename(hinted.live / "elsewhere")
    flip(hinted.live / "kept", 0)

    def forget(told: Spot) -> None:
        _forget(b"left-out")(told)
        _forget(b"moved", as_name=True)(told)
        _forget(b"elsewhere", as_name=True)(told)

    snapshot = hinted.replicate(forget)
    assert {one.path for one in audited(hinted.machine, snapshot).differing} == {"left-out", "moved", "elsewhere"}
    hinted.machine.nodes.distrust()
    snapshot = hinted.replicate()
    assert audited(hinted.machine, snapshot).differing == ()
