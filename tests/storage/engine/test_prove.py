"""A folder is proved to hold a stored state by what it is, and whatever differs is found."""

import os
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings

from mosaic.storage.engine import verify
from mosaic.storage.engine.export import export
from mosaic.storage.engine.fetch import Asked, Fetcher, Take
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.prove import Proof, prove
from mosaic.storage.engine.roots import Progress, RootRef
from mosaic.storage.engine.verify import verify_all
from support.edits import Edit, edits, make
from support.stores import MemoryStore
from support.trees import holds_xattrs
from support.volumes import KEYS, Machine

CHUNK = 65_536


def known_of(store: MemoryStore) -> ChunkIndex:
    known = ChunkIndex()
    known.load(store, KEYS)
    return known


def proved(here: Machine, root: RootRef, folder: Path) -> Proof:
    assert isinstance(here.store, MemoryStore)
    return prove(root, KEYS, here.store, folder, known=known_of(here.store))


@pytest.fixture
def restored(tmp_path: Path) -> tuple[Machine, RootRef, Path]:
    """A volume with one of everything, and its restored copy."""
    source = tmp_path / "source"
    (source / "mail").mkdir(parents=True)
    (source / "mail" / "inbox").write_bytes(os.urandom(3 * CHUNK + 5))
    (source / "notes").write_text("short")
    os.link(source / "notes", source / "mail" / "again")
    (source / "way").symlink_to("notes")
    os.mkfifo(source / "pipe")
    with (source / "holes").open("wb") as file:
        file.truncate(40 * CHUNK)
        file.seek(20 * CHUNK)
        file.write(b"x" * 10)
    here = Machine()
    root = here.replicate(source).root
    target = tmp_path / "target"
    here.restore(root, target)
    return here, root, target


@settings(max_examples=10)
@given(edits, edits)
def test_whatever_is_restored_is_proved_to_be_what_was_stored(first: list[Edit], second: list[Edit]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.mkdir()
        here = Machine()
        make(source, first)
        here.replicate(source)
        make(source, second)
        root = here.replicate(source).root
        here.restore(root, target)
        found = proved(here, root, target)
        assert (found.difference_count, found.differing) == (0, ())


def test_a_proof_says_how_much_was_compared(restored: tuple[Machine, RootRef, Path]) -> None:
    found = proved(*restored)
    assert (found.files, found.directories) == (3, 2)
    assert found.content_bytes == 3 * CHUNK + 5 + len("short") + CHUNK


def _flip(path: Path, at: int) -> None:
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(times.st_mtime_ns, times.st_mtime_ns))


def _keeping_times(change: Callable[[Path], object]) -> Callable[[Path], None]:
    """Change something in the folder without moving its own time."""

    def changed(target: Path) -> None:
        times = target.stat().st_mtime_ns
        change(target)
        os.utime(target, ns=(times, times))

    return changed


def _replace_link(target: Path) -> None:
    times = (target / "way").lstat().st_mtime_ns
    (target / "way").unlink()
    (target / "way").symlink_to("pipes")
    os.utime(target / "way", ns=(times, times), follow_symlinks=False)


def _part_names(target: Path) -> None:
    times = (target / "notes").stat().st_mtime_ns
    (target / "notes").unlink()
    (target / "notes").write_text("short")
    os.utime(target / "notes", ns=(times, times))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda target: _flip(target / "mail" / "inbox", 2 * CHUNK + 9), "mail/inbox"),
        (lambda target: _flip(target / "mail" / "inbox", 3 * CHUNK + 4), "mail/inbox"),
        (lambda target: _flip(target / "holes", 39 * CHUNK), "holes"),
        (lambda target: _flip(target / "holes", 20 * CHUNK + 700), "holes"),
        (lambda target: (target / "notes").chmod(0o600), "notes"),
        (lambda target: os.utime(target / "pipe", ns=(1, 1)), "pipe"),
        (_keeping_times(_replace_link), "way"),
        (_keeping_times(_part_names), "mail/again"),
        (_keeping_times(lambda target: (target / "pipe").unlink()), "pipe"),
        (_keeping_times(lambda target: (target / "more").touch()), "."),
    ],
)
def test_whatever_differs_is_named(
    restored: tuple[Machine, RootRef, Path], change: Callable[[Path], object], path: str
) -> None:
    here, root, target = restored
    change(target)
    found = proved(here, root, target)
    assert path in [one.path for one in found.differing]
    assert found.difference_count == len(found.differing) <= 2


def test_an_attribute_that_differs_is_named(tmp_path: Path) -> None:
    if not holds_xattrs(tmp_path):
        pytest.skip("files here hold no attributes")
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "file").touch()
    os.setxattr(source / "file", "user.kind", b"note")
    here = Machine()
    root = here.replicate(source).root
    here.restore(root, target)
    assert proved(here, root, target).difference_count == 0
    os.setxattr(target / "file", "user.kind", b"mote")
    assert [one.path for one in proved(here, root, target).differing] == ["file"]


def test_states_are_verified_together_and_what_they_share_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(os.urandom(40 * CHUNK))
    here = Machine()
    first = here.replicate(tmp_path).root
    (tmp_path / "new").write_bytes(os.urandom(2 * CHUNK))
    second = here.replicate(tmp_path).root
    assert isinstance(here.store, MemoryStore)
    both = verify_all((first, second), KEYS, here.store, known=known_of(here.store))
    assert (both.damaged, both.files) == (((), ()), 3)
    assert both.read_bytes < 60 * CHUNK
    # The pack that only the second state needs.
    newest = list(here.store.objects)[-1]
    del here.store.objects[newest]
    damaged = verify_all((first, second), KEYS, here.store, known=known_of(here.store)).damaged
    assert damaged == ((), (".",))


def test_a_part_of_a_state_is_exported_with_whole_paths(restored: tuple[Machine, RootRef, Path]) -> None:
    import io
    import tarfile

    here, root, _ = restored
    assert isinstance(here.store, MemoryStore)
    known = known_of(here.store)
    for below, names in (((b"mail",), ["./mail", "./mail/again", "./mail/inbox"]), ((b"notes",), ["./notes"])):
        written = io.BytesIO()
        export(root, KEYS, here.store, written.write, known=known, below=below)
        written.seek(0)
        with tarfile.open(fileobj=written) as archive:
            assert sorted(archive.getnames()) == names
            assert archive.getmember(names[-1] if len(names) == 1 else "./mail/again").size == len("short")


class Endless(Fetcher):
    """Has every blob at once."""

    def ask(self, blobs: Sequence[bytes], take: Take) -> Asked:
        for blob in blobs:
            take(blob, bytes(300))
        return Asked((), {}, (), take)


def test_a_verification_keeps_nothing_of_what_it_has_read() -> None:
    blobs, moved = 100_000, [0]

    def note(progress: Progress) -> None:
        moved[0] = progress.moved_bytes

    with Endless(KEYS, MemoryStore(), ChunkIndex()) as fetcher:
        names = (number.to_bytes(32, "big") for number in range(blobs))
        tracemalloc.start()
        try:
            assert verify._read(names, verify._CheckedAll((), fetcher), fetcher, note) == set()
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert moved[0] > blobs * 299
    # A number for each blob would be some 4 MB.
    assert peak_bytes < 1_000_000
