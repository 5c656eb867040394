"""Looking into a stored state shows what a restore would bring, and nothing else."""

import os
import random
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.core.errors import Corrupt, Unavailable
from mosaic.storage.engine.browse import Browser, Entry, PathDamaged, PathMissing, PathOfAnotherType, browse
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.records import (
    NODE_MAX,
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
    FILE,
    LINK,
    ODD_NAMES,
    beside_a_good_one,
    hostile_trees,
    store_tree,
)
from support.stores import FailingStore, MemoryStore
from support.volumes import KEYS, Machine

pytestmark = pytest.mark.long

_TYPES = {
    stat.S_IFREG: NodeType.FILE,
    stat.S_IFDIR: NodeType.DIRECTORY,
    stat.S_IFLNK: NodeType.SYMLINK,
    stat.S_IFIFO: NodeType.FIFO,
}


@contextmanager
def looking_into(store: Store, root: RootRef) -> Iterator[Browser]:
    known = ChunkIndex()
    known.load(store, KEYS)
    with browse(root, KEYS, store, known=known) as browser:
        yield browser


def everything(browser: Browser, path: tuple[bytes, ...] = ()) -> Iterator[tuple[tuple[bytes, ...], Entry]]:
    for entry in browser.list(path):
        yield (*path, entry.name), entry
        if entry.type is NodeType.DIRECTORY:
            yield from everything(browser, (*path, entry.name))


def is_as(entry: Entry, path: Path) -> bool:
    status = path.lstat()
    return entry == Entry(
        name=entry.name,
        type=_TYPES[stat.S_IFMT(status.st_mode)],
        size=0 if path.is_dir() and not path.is_symlink() else status.st_size,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        links=1 if path.is_dir() and not path.is_symlink() else status.st_nlink,
        target=os.fsencode(path.readlink()) if path.is_symlink() else None,
    )


@settings(max_examples=10)
@given(edits, edits, st.randoms(use_true_random=False))
def test_every_path_is_what_it_was_and_every_file_reads_byte_for_byte(
    first: list[Edit], second: list[Edit], lot: random.Random
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        here = Machine()
        make(source, first)
        here.replicate(source)
        make(source, second)
        with looking_into(here.store, here.replicate(source).root) as browser:
            found = dict(everything(browser))
            assert sorted(found) == sorted(_all_below(source))
            assert is_as(browser.stat(()), source)
            for path, entry in found.items():
                original = source / os.fsdecode(b"/".join(path))
                assert is_as(entry, original)
                assert browser.stat(path) == entry
                if entry.type is NodeType.FILE:
                    content = original.read_bytes()
                    assert b"".join(browser.read(path)) == content
                    start, length = lot.randrange(entry.size + 10), lot.randrange(entry.size + 10)
                    assert b"".join(browser.read(path, start=start, length=length)) == content[start : start + length]


def _all_below(source: Path) -> Iterator[tuple[bytes, ...]]:
    for folder, folders, files in os.walk(source):
        above = tuple(os.fsencode(part) for part in Path(folder).relative_to(source).parts)
        yield from ((*above, os.fsencode(name)) for name in [*folders, *files])


@pytest.fixture
def volume(tmp_path: Path) -> tuple[MemoryStore, RootRef]:
    source = tmp_path / "source"
    (source / "folder" / "inner").mkdir(parents=True)
    (source / "folder" / "link").symlink_to("inner")
    (source / "folder" / "text").write_bytes(b"x" * 100)
    (source / "noise").write_bytes(random.Random(1).randbytes(1_000_000))
    os.mkfifo(source / "fifo")
    store = MemoryStore()
    return store, Machine(store).replicate(source).root


@pytest.mark.parametrize(
    ("path", "words", "hint"),
    [
        ((b"nothing",), "has no nothing", "list the volume's own directory"),
        ((b"folder", b"no\n", b"thing"), "folder has no no\\\\n", "list folder"),
        ((b"folder", b"link", b"file"), "folder/link is a symbolic link", "it points at inner"),
        ((b"folder", b"text", b"file"), "folder/text is a file", "nothing is below it"),
        ((b"fifo", b"file"), "fifo is a fifo", "nothing is below it"),
        ((b"folder", b"..", b"noise"), "folder has no ..", "list folder"),
        ((b"folder/text",), "has no folder/text", "list the volume"),
        ((b"",), "has no empty name", "list the volume"),
        ((b"x" * 70_000,), "has no x", "list the volume"),
    ],
)
def test_a_path_that_leads_nowhere_is_missing_and_the_hint_says_where_to_look(
    volume: tuple[MemoryStore, RootRef], path: tuple[bytes, ...], words: str, hint: str
) -> None:
    with looking_into(*volume) as browser:
        for look in (browser.stat, browser.list, browser.read):
            with pytest.raises(PathMissing, match=words) as missing:
                look(path)
            assert hint in missing.value.hint


def test_a_link_is_described_and_neither_listed_nor_read(volume: tuple[MemoryStore, RootRef]) -> None:
    with looking_into(*volume) as browser:
        assert browser.stat((b"folder", b"link")).target == b"inner"
        with pytest.raises(PathOfAnotherType, match="folder/link is a symbolic link, not a directory"):
            browser.list((b"folder", b"link"))
        with pytest.raises(PathOfAnotherType, match="folder/link is a symbolic link, not a file"):
            browser.read((b"folder", b"link"))
        with pytest.raises(PathOfAnotherType, match="the volume's own directory is a directory"):
            browser.read(())
        with pytest.raises(PathOfAnotherType, match="noise is a file"):
            browser.list((b"noise",))


def test_a_long_directory_is_listed_in_parts(tmp_path: Path) -> None:
    here = Machine()
    for number in range(1500):
        (tmp_path / f"{number:04}").touch()
    with looking_into(here.store, here.replicate(tmp_path).root) as browser:
        names = [entry.name for entry in browser.list(())]
        assert names == [b"%04d" % number for number in range(1500)]
        assert [entry.name for entry in browser.list((), after=b"0733")] == names[734:]
        assert [entry.name for entry in browser.list((), after=b"07331")] == names[734:]
        assert list(browser.list((), after=names[-1])) == []


def test_a_file_of_exabytes_is_read_where_one_looks(tmp_path: Path) -> None:
    """A hole costs nothing to pass, and no more is in memory than is handed over."""
    here = Machine()
    with (tmp_path / "huge").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"end")
    with looking_into(here.store, here.replicate(tmp_path).root) as browser:
        assert b"".join(browser.read((b"huge",), start=(1 << 40) - 5)) == bytes(5) + b"end"
        assert set(next(browser.read((b"huge",)))) == {0}
    store = MemoryStore()
    everything_zero = Node(NodeType.FILE, 0o644, 0, 0, 0, SIZE_MAX, 1, (), b"")
    root = store_tree(
        store,
        {
            node_key(1): encode_node(DIRECTORY),
            node_key(2): encode_node(everything_zero),
            entry_key(1, b"a"): encode_entry(2),
        },
    )
    with looking_into(store, root) as browser:
        assert b"".join(browser.read((b"a",), start=SIZE_MAX - 7)) == bytes(7)
        assert list(browser.read((b"a",), start=SIZE_MAX + 7)) == []


def test_damaged_chunks_are_told_with_the_path_and_no_byte_is_made_up(volume: tuple[MemoryStore, RootRef]) -> None:
    store, root = volume
    content = {}
    with looking_into(store, root) as browser:
        content[b"noise"] = b"".join(browser.read((b"noise",)))
    known = ChunkIndex()
    known.load(store, KEYS)
    (name,) = [name for name, whole in store.objects.items() if len(whole) > 500_000]
    whole = store.objects[name]
    # Which chunk lies in the middle of the pack is not said; that it costs that chunk only is.
    store.objects[name] = whole[:500_000] + bytes([whole[500_000] ^ 1]) + whole[500_001:]
    met = b""
    with browse(root, KEYS, store, known=known) as browser:
        assert [entry.name for entry in browser.list(())] == [b"fifo", b"folder", b"noise"]
        assert b"".join(browser.read((b"folder", b"text"))) == b"x" * 100
        with pytest.raises(PathDamaged, match="noise is damaged") as damaged:
            for block in browser.read((b"noise",)):
                met += block
        assert damaged.value.path == (b"noise",)
    assert content[b"noise"].startswith(met)
    assert 0 < len(met) < len(content[b"noise"])


def test_a_store_that_does_not_answer_is_not_called_damaged(volume: tuple[MemoryStore, RootRef]) -> None:
    store, root = volume
    known = ChunkIndex()
    known.load(store, KEYS)
    failing = FailingStore(store, fails_at=2, after=False)
    with browse(root, KEYS, failing, known=known) as browser, pytest.raises(Unavailable):
        list(browser.read((b"noise",)))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_that_leads_elsewhere_is_damage_to_its_directory_and_the_rest_is_listed(name: bytes) -> None:
    store = MemoryStore()
    root = store_tree(store, beside_a_good_one(name))
    listed = []
    with looking_into(store, root) as browser:
        with pytest.raises(PathDamaged, match="the volume's own directory"):
            for entry in browser.list(()):
                listed.append(entry.name)
        with pytest.raises(PathMissing):
            browser.stat((name,))
    assert listed == [b"good"]


@pytest.mark.parametrize("child", [7, 0, NODE_MAX, NODE_MAX + 1])
def test_an_entry_that_points_nowhere_is_damage_that_names_it(child: int) -> None:
    store = MemoryStore()
    root = store_tree(store, {node_key(1): encode_node(DIRECTORY), entry_key(1, b"a"): encode_entry(child)})
    with looking_into(store, root) as browser, pytest.raises(PathDamaged, match="a is damaged"):
        browser.stat((b"a",))


def test_a_directory_that_contains_itself_is_not_entered_twice() -> None:
    store = MemoryStore()
    root = store_tree(store, CONTAINS_ITSELF)
    with looking_into(store, root) as browser:
        for path in ((b"a", b"again"), (b"a", b"up"), (b"a", b"again", b"again")):
            with pytest.raises(PathDamaged, match="contains itself"):
                browser.stat(path)


def test_what_lies_beside_a_link_of_its_name_is_not_found() -> None:
    store = MemoryStore()
    root = store_tree(
        store,
        {
            node_key(1): encode_node(DIRECTORY),
            node_key(2): encode_node(LINK),
            node_key(3): encode_node(FILE),
            entry_key(1, b"a"): encode_entry(2),
            entry_key(2, b"evil"): encode_entry(3),
        },
    )
    with looking_into(store, root) as browser, pytest.raises(PathMissing, match="a is a symbolic link"):
        browser.stat((b"a", b"evil"))


def test_a_chunk_of_another_length_than_its_place_is_damage(tmp_path: Path) -> None:
    here = Machine()
    (tmp_path / "file").write_bytes(b"y" * 100)
    here.replicate(tmp_path)
    assert isinstance(here.store, MemoryStore)
    assert here.newest is not None
    root = here.newest.root  # a blob that exists, and is 74 bytes
    lying = Node(NodeType.FILE, 0o644, 0, 0, 0, 75, 1, (), root)
    records = {
        node_key(1): encode_node(DIRECTORY),
        node_key(2): encode_node(lying),
        entry_key(1, b"a"): encode_entry(2),
        # Chunks beyond the end of the file.
        node_key(3): encode_node(Node(NodeType.FILE, 0o644, 0, 0, 0, 400_000, 1, (), b"")),
        group_key(3, 0): root * 64,
        entry_key(1, b"b"): encode_entry(3),
    }
    with looking_into(here.store, store_tree(here.store, records)) as browser:
        for name in (b"a", b"b"):
            with pytest.raises(PathDamaged):
                list(browser.read((name,)))


@settings(max_examples=30)
@given(hostile_trees())
def test_a_hostile_tree_gives_what_is_there_or_damage_and_nothing_else(records: dict[bytes, bytes]) -> None:
    store = MemoryStore()
    try:
        with looking_into(store, store_tree(store, records)) as browser:
            _look_at_all(browser, ())
    except Corrupt:
        pass


def _look_at_all(browser: Browser, path: tuple[bytes, ...]) -> None:
    try:
        for entry in browser.list(path):
            inner = (*path, entry.name)
            assert b"/" not in entry.name
            try:
                assert browser.stat(inner) == entry
                if entry.type is NodeType.FILE:
                    assert len(b"".join(browser.read(inner, length=500_000))) == min(entry.size, 500_000)
                elif entry.type is NodeType.DIRECTORY:
                    _look_at_all(browser, inner)
            except PathDamaged:
                pass
    except PathDamaged:
        pass
