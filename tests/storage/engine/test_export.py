"""What `tar` makes of an exported state is the state (G2), and an export that met damage makes `tar` fail."""

import io
import os
import random
import struct
import tarfile
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings

from mosaic.adapters.process import Finished, attempt
from mosaic.core.errors import Corrupt, Unavailable
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.export import Exported, ExportIncomplete, export
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.records import (
    SIZE_MAX,
    Node,
    NodeType,
    encode_entry,
    encode_node,
    entry_key,
    group_key,
    node_key,
)
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.store import Store
from support.edits import Edit, edits, make
from support.hostile_trees import (
    CONTAINS_ITSELF,
    DIRECTORY,
    ODD_NAMES,
    beside_a_good_one,
    hostile_trees,
    store_tree,
)
from support.stores import FailingStore, MemoryStore
from support.trees import holds_xattrs, tree_difference
from support.volumes import KEYS, Machine

pytestmark = pytest.mark.long


def export_to(archive: Path, store: Store, root: RootRef) -> Exported:
    known = ChunkIndex()
    known.load(store, KEYS)
    with archive.open("wb") as file:
        return export(root, KEYS, store, file.write, known=known)


def unpack(archive: Path, target: Path) -> Finished:
    """Unpack as the documentation of `export` says."""
    target.mkdir()
    words = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-p", "-x", "-f", str(archive), "-C", str(target)]
    return attempt(["tar", *words], deadline_seconds=60)


def comes_back(source: Path) -> tuple[Exported, Path]:
    """Export a folder, unpack it, and compare."""
    here = Machine()
    archive, target = source.parent / "archive.tar", source.parent / "target"
    done = export_to(archive, here.store, here.replicate(source).root)
    unpacked = unpack(archive, target)
    assert (unpacked.code, unpacked.stderr) == (0, b"")
    assert tree_difference(source, target) == []
    assert archive.stat().st_size == done.written_bytes
    return done, target


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    top.mkdir()
    return top


@settings(max_examples=10)
@given(edits, edits)
def test_tar_makes_of_every_export_what_was_replicated(first: list[Edit], second: list[Edit]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder, "source")
        top.mkdir()
        make(top, first)
        make(top, second)
        here = Machine()
        export_to(Path(folder, "archive.tar"), here.store, here.replicate(top).root)
        assert unpack(Path(folder, "archive.tar"), Path(folder, "target")).code == 0
        assert tree_difference(top, Path(folder, "target")) == []


def test_everything_that_a_file_has_comes_back(source: Path) -> None:
    inner = source / "a" / "b"
    inner.mkdir(parents=True)
    (source / "a" / "z").mkdir()
    for number, mode in enumerate((0o600, 0o444, 0o4755, 0o2711)):
        (inner / f"{mode:o}").write_bytes(b"x" * number * 511)
        (inner / f"{mode:o}").chmod(mode)
    os.mkfifo(inner / "fifo", 0o640)
    (inner / "soft").symlink_to("/absolute/../nowhere\n\udcff" + "y" * 200)
    os.link(inner / "soft", source / "soft too", follow_symlinks=False)
    os.link(inner / "444", source / "a" / "z" / ("long" * 60))
    os.link(inner / "444", source / "-rf *")
    os.link(inner / "fifo", source / "fifo")
    for name in (b"\xff\xfe", b"new\nline", b" ", b"\\", "ü".encode(), b"y" * 255):
        (source / os.fsdecode(name)).write_bytes(name)
    (source / "a" / "z").chmod(0o555)
    for instant, path in enumerate([*sorted(source.rglob("*"), reverse=True), source]):
        os.utime(path, ns=(instant, instant * 1_000_000_007 + 1), follow_symlinks=False)
    done, target = comes_back(source)
    assert (done.files, done.directories) == (12, 4)
    assert (target / "a" / "b" / "444").stat().st_nlink == 3


def test_times_before_1970_and_of_the_next_centuries_come_back(source: Path) -> None:
    for number, instant in enumerate((0, 1, 10**9, 2**33 * 10**9 + 5)):
        (source / f"file{number}").touch()
        os.utime(source / f"file{number}", ns=(instant, instant))
    (source / "old").touch()
    os.utime(source / "old", ns=(0, -1_500_000_000))
    here = Machine()
    export_to(source.parent / "a.tar", here.store, here.replicate(source).root)
    # GNU tar warns about files that are that old.
    assert unpack(source.parent / "a.tar", source.parent / "target").code == 0
    assert tree_difference(source, source.parent / "target") == []


def test_extended_attributes_and_access_control_lists_come_back(source: Path) -> None:
    if not holds_xattrs(source):
        pytest.skip("this file system has no user attributes")
    (source / "folder").mkdir()
    (source / "folder" / "file").touch()
    for path in (source / "folder" / "file", source / "folder", source):
        os.setxattr(path, "user.colour", b"blue\0\xff\n=")
        os.setxattr(path, "user.empty", b"")
        os.setxattr(path, "user.a=b%c%3D\udcfe", b"odd")
        os.setxattr(path, "user.long", b"x" * 983)
    entries = [(0x01, 6, -1), (0x02, 4, 1234), (0x04, 4, -1), (0x10, 4, -1), (0x20, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(source / "folder" / "file", "system.posix_acl_access", acl)
        os.setxattr(source / "folder", "system.posix_acl_default", acl)
    except OSError:
        pytest.skip("this file system has no access control lists")
    _, target = comes_back(source)
    assert os.getxattr(target / "folder" / "file", "system.posix_acl_access") == acl


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owners_and_capabilities_come_back(source: Path) -> None:
    for number, owner in enumerate(((1000, 1001), (0, 70), (4_000_000_000, 4_000_000_001))):
        (source / f"file{number}").touch()
        os.chown(source / f"file{number}", *owner)
        (source / f"file{number}").chmod(0o6755)
    os.chown(source, 999, 999)
    try:
        os.setxattr(source / "file0", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
        os.setxattr(source / "file1", "trusted.overlay.opaque", b"y")
    except OSError:
        pytest.skip("this machine lets nobody set capabilities")
    comes_back(source)


def test_a_file_with_long_holes_costs_what_is_stored_of_it(source: Path) -> None:
    with (source / "database").open("wb") as file:
        file.write(b"begin")
        for place in (3_000_000, 3_500_000, 1 << 34):
            file.seek(place)
            file.write(b"middle")
        file.truncate((1 << 34) + 50_000_000)
    with (source / "empty").open("wb") as file:
        file.truncate(1 << 40)
    (source / "short").write_bytes(bytes(900_000))
    here = Machine()
    archive = source.parent / "archive.tar"
    assert export_to(archive, here.store, here.replicate(source).root).written_bytes < 2_000_000
    assert unpack(archive, source.parent / "target").code == 0
    for name in ("database", "empty", "short"):
        original, copy = (source / name).stat(), (source.parent / "target" / name).stat()
        assert (copy.st_size, copy.st_mtime_ns) == (original.st_size, original.st_mtime_ns)
    with (source.parent / "target" / "database").open("rb") as file:
        assert file.read(3_500_100) == b"begin" + bytes(2_999_995) + b"middle" + bytes(499_994) + b"middle" + bytes(94)
        file.seek((1 << 34) - 1)
        assert file.read(8) == b"\0middle\0"
    with tarfile.open(archive) as read:
        assert {one.name: one.size for one in read if one.isreg()} == {
            "./database": (1 << 34) + 50_000_000,
            "./empty": 1 << 40,
            "./short": 900_000,
        }


def test_an_empty_volume_is_a_whole_archive(source: Path) -> None:
    done, target = comes_back(source)
    assert (done.files, done.directories, done.written_bytes) == (0, 1, 10_240)
    assert list(target.iterdir()) == []


def small_volume(source: Path) -> tuple[MemoryStore, RootRef]:
    (source / "a").mkdir()
    (source / "a" / "good").write_bytes(random.Random(3).randbytes(300))
    (source / "a" / "text").write_bytes(b"compressed " * 60)
    (source / "a" / "long").write_bytes(random.Random(4).randbytes(200_100))
    (source / "link").symlink_to("good")
    (source / "z").mkdir()
    store = MemoryStore()
    return store, Machine(store).replicate(source).root


def test_no_part_of_what_is_written_at_once_passes_for_an_archive(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed between two writes has written something that tar refuses."""
    monkeypatch.setattr("mosaic.storage.engine.export._WRITE_BYTES", 1)
    store, root = small_volume(source)
    written: list[bytes] = []
    known = ChunkIndex()
    known.load(store, KEYS)
    export(root, KEYS, store, written.append, known=known)
    assert len(written) > 8  # one a member, and one a chunk
    for count in range(len(written)):
        listed = attempt(["tar", "-t"], stdin=b"".join(written[:count]), deadline_seconds=60)
        assert listed.code != 0, f"{count} of {len(written)} writes"
    assert attempt(["tar", "-t"], stdin=b"".join(written), deadline_seconds=60).code == 0


def test_a_store_that_stops_answering_leaves_no_whole_archive(source: Path) -> None:
    store, root = small_volume(source)
    known = ChunkIndex()
    known.load(store, KEYS)
    calls = 1
    while True:
        failing = FailingStore(store, fails_at=calls, after=False)
        written = io.BytesIO()
        try:
            export(root, KEYS, failing, written.write, known=known)
        except Unavailable:
            assert attempt(["tar", "-t"], stdin=written.getvalue(), deadline_seconds=60).code != 0
            calls += 1
        else:
            break
    assert calls > 1


def test_damage_costs_the_files_that_it_hits_and_tar_fails_after_the_others(source: Path) -> None:
    (source / "a").write_bytes(b"a" * 100)
    (source / "m").write_bytes(random.Random(1).randbytes(900_000))
    (source / "z").write_bytes(b"z" * 100)
    store = MemoryStore()
    root = Machine(store).replicate(source).root
    ((name, whole),) = store.objects.items()
    store.objects[name] = whole[:500_000] + bytes([whole[500_000] ^ 1]) + whole[500_001:]
    archive, target = source.parent / "archive.tar", source.parent / "target"
    with pytest.raises(ExportIncomplete) as incomplete:
        export_to(archive, store, root)
    assert incomplete.value.paths == ("m",)
    unpacked = unpack(archive, target)
    assert unpacked.code != 0
    assert "Unexpected EOF" in unpacked.last_lines()
    assert [line.split(":")[0] for line in tree_difference(source, target)] in (["m"], ["", "m"])
    original, copy = (source / "m").read_bytes(), (target / "m").read_bytes()
    differs = [at // 65_536 for at in range(0, 900_000, 65_536) if original[at : at + 65_536] != copy[at : at + 65_536]]
    assert len(differs) == 1
    assert set(copy[differs[0] * 65_536 : differs[0] * 65_536 + 1000]) == {0}
    with pytest.raises(tarfile.ReadError), tarfile.open(archive) as read:
        read.getnames()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_no_name_that_leads_elsewhere_is_written(tmp_path: Path, name: bytes) -> None:
    store = MemoryStore()
    root = store_tree(store, beside_a_good_one(name))
    with pytest.raises(ExportIncomplete) as incomplete:
        export_to(tmp_path / "archive.tar", store, root)
    assert incomplete.value.paths == (".",)
    listed = attempt(["tar", "-t", "-f", str(tmp_path / "archive.tar")], deadline_seconds=60)
    assert listed.text.split() == ["./", "./good"]


def test_a_directory_that_contains_itself_is_written_once(tmp_path: Path) -> None:
    store = MemoryStore()
    root = store_tree(store, CONTAINS_ITSELF)
    with pytest.raises(ExportIncomplete) as incomplete:
        export_to(tmp_path / "archive.tar", store, root)
    assert incomplete.value.paths == ("a/again", "a/up")


def test_a_tree_that_says_what_no_file_can_be_is_named_and_the_rest_written(tmp_path: Path) -> None:
    store = MemoryStore()
    huge = Node(NodeType.FILE, 0o644, 0, 0, -(2**62) * 10**9 - 1, SIZE_MAX, 1, (), b"")
    odd = Node(NodeType.FILE, 0o644, 0, 0, 0, 0, 9, ((b"", b"1"), (b"user.a\0b", b"2"), (b"user.c", b"3")), b"")
    root = store_tree(
        store,
        {
            node_key(1): encode_node(DIRECTORY),
            node_key(2): encode_node(huge),
            node_key(3): encode_node(odd),
            node_key(4): encode_node(Node(NodeType.FILE, 0o644, 0, 0, 0, 400_000, 1, (), b"")),
            group_key(4, 0): b"cut",
            entry_key(1, b"huge"): encode_entry(2),
            entry_key(1, b"lists"): encode_entry(4),
            entry_key(1, b"odd"): encode_entry(3),
        },
    )
    with pytest.raises(ExportIncomplete) as incomplete:
        export_to(tmp_path / "archive.tar", store, root)
    assert incomplete.value.paths == ("lists", "odd")
    listed = attempt(["tar", "-t", "-f", str(tmp_path / "archive.tar")], deadline_seconds=60)
    assert listed.text.split() == ["./", "./huge", "./lists", "./odd"]


@settings(max_examples=30)
@given(hostile_trees())
def test_a_hostile_tree_is_exported_or_damaged_and_nothing_else(records: dict[bytes, bytes]) -> None:
    store = MemoryStore()
    root = store_tree(store, records)
    known = ChunkIndex()
    known.load(store, KEYS)
    written = io.BytesIO()
    try:
        done = export(root, KEYS, store, written.write, known=known)
    except TreeMalformed:
        assert written.getvalue() == b""
    except ExportIncomplete as incomplete:
        assert incomplete.paths
    else:
        assert done.written_bytes == len(written.getvalue())


def test_nothing_is_written_of_a_state_whose_root_is_gone() -> None:
    written: list[bytes] = []
    with pytest.raises(Corrupt):
        export(RootRef(bytes(32), bytes(16)), KEYS, MemoryStore(), written.append, known=ChunkIndex())
    assert written == []


def test_a_long_file_is_never_in_memory(source: Path) -> None:
    with (source / "long").open("wb") as file:
        for number in range(4):
            file.write(random.Random(number).randbytes(8_000_000))
    store = MemoryStore()
    root = Machine(store).replicate(source).root
    known = ChunkIndex()
    known.load(store, KEYS)
    tracemalloc.start()
    try:
        export(root, KEYS, store, len, known=known)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 24_000_000
