"""Whatever a stored tree says, nothing outside the target is written, and nothing runs for ever.

Such a tree can be made only by a holder of the volume's keys: a compromised
device of the same owner.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.core.errors import Corrupt
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.pages import Root, decode_page, decode_root, encode_page, encode_root
from mosaic.storage.engine.records import (
    CHUNK_BYTES,
    NODE_MAX,
    Node,
    NodeType,
    decode_node,
    encode_entry,
    encode_node,
    entry_key,
    group_key,
    node_key,
)
from mosaic.storage.engine.restore import RestoreIncomplete
from support.hostile_trees import CONTAINS_ITSELF, DIRECTORY, FILE, ODD_NAMES, beside_a_good_one, store_tree
from support.stores import MemoryStore
from support.trees import tree_difference
from support.volumes import Machine


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_that_leads_elsewhere_is_refused_and_the_rest_restored(tmp_path: Path, name: bytes) -> None:
    store = MemoryStore()
    root = store_tree(store, beside_a_good_one(name))
    with pytest.raises(RestoreIncomplete):
        Machine(store).restore(root, tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["good"]
    assert Machine(store).verify(root).damaged != ()


@pytest.mark.parametrize(
    "name", [b"security.mosaic", b"security.selinux", b"system.odd", b"user.a\0b", b"user." + b"x" * 300]
)
def test_an_attribute_that_no_volume_keeps_is_named_and_not_written(tmp_path: Path, name: bytes) -> None:
    store = MemoryStore()
    odd = replace(DIRECTORY, xattrs=((name, b"of the tree"),))
    root = store_tree(store, {node_key(1): encode_node(odd)})
    restored = Machine(store).restore(root, tmp_path / "target")
    assert [one.path for one in restored.lost] == [""]
    assert os.listxattr(tmp_path / "target") == []


def test_a_directory_that_contains_itself_is_entered_once(tmp_path: Path) -> None:
    store = MemoryStore()
    root = store_tree(store, CONTAINS_ITSELF)
    with pytest.raises(RestoreIncomplete) as incomplete:
        Machine(store).restore(root, tmp_path / "target")
    assert incomplete.value.paths == ("a/again", "a/up")


def test_a_link_beside_a_directory_of_its_name_is_not_followed(tmp_path: Path) -> None:
    """Names are unique within a directory, so a tree can't swap a link for a directory half-way."""
    store = MemoryStore()
    (tmp_path / "outside").mkdir()
    link = Node(NodeType.SYMLINK, 0o777, 0, 0, 0, 10, 2, (), b"../outside")
    root = store_tree(
        store,
        {
            node_key(1): encode_node(DIRECTORY),
            node_key(2): encode_node(link),
            node_key(3): encode_node(FILE),
            entry_key(1, b"a"): encode_entry(2),
            entry_key(2, b"evil"): encode_entry(3),
        },
    )
    Machine(store).restore(root, tmp_path / "target")
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (group_key(2, 0) + b"longer", bytes(64 * 32)),
        (group_key(2, 0), bytes(31)),
        (group_key(2, 0), b"x" * 65 * 32),
        (group_key(2, 9), b"x" * 32),
    ],
    ids=["a key that is too long", "an id cut short", "too many ids", "ids beyond the end"],
)
def test_a_group_that_makes_no_sense_costs_its_file_and_no_other(tmp_path: Path, key: bytes, value: bytes) -> None:
    store = MemoryStore()
    big = replace(FILE, size=100 * CHUNK_BYTES)
    root = store_tree(
        store,
        {
            node_key(1): encode_node(DIRECTORY),
            node_key(2): encode_node(big),
            node_key(3): encode_node(FILE),
            entry_key(1, b"big"): encode_entry(2),
            entry_key(1, b"good"): encode_entry(3),
            key: value,
        },
    )
    with pytest.raises(RestoreIncomplete) as incomplete:
        Machine(store).restore(root, tmp_path / "target")
    assert incomplete.value.paths == ("big",)
    assert (tmp_path / "target" / "good").is_file()
    assert Machine(store).verify(root).damaged == ("big",)


@pytest.mark.parametrize("child", [7, 0, NODE_MAX, NODE_MAX + 1])
def test_an_entry_that_points_nowhere_is_named(tmp_path: Path, child: int) -> None:
    store = MemoryStore()
    root = store_tree(store, {node_key(1): encode_node(DIRECTORY), entry_key(1, b"a"): encode_entry(child)})
    with pytest.raises(RestoreIncomplete) as incomplete:
        Machine(store).restore(root, tmp_path / "target")
    assert incomplete.value.paths == ("a",)


def test_a_tree_without_a_top_directory_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store = MemoryStore()
    for records in ({node_key(2): encode_node(DIRECTORY)}, {node_key(1): encode_node(FILE)}):
        root = store_tree(store, records)
        with pytest.raises(Corrupt):
            Machine(store).verify(root)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\x09" + encode_node(FILE)[1:],
        encode_node(FILE)[:-1],
        encode_node(FILE) + b"\0",
        encode_node(DIRECTORY) + b"tail",
        encode_node(Node(NodeType.FILE, 0o644, 0, 0, 0, 100_000, 1, (), bytes(32))),
        encode_node(Node(NodeType.FILE, 0o10644, 0, 0, 0, 0, 1, (), b"")),
        encode_node(Node(NodeType.FILE, 0o644, 0, 0, 0, 1 << 63, 1, (), b"")),
        encode_node(Node(NodeType.SYMLINK, 0o777, 0, 0, 0, 3, 1, (), b"a\0b")),
        encode_node(Node(NodeType.SYMLINK, 0o777, 0, 0, 0, 0, 1, (), b"")),
        encode_node(FILE)[:-2] + b"\x00\x01",
    ],
)
def test_a_record_that_contradicts_itself_is_refused(record: bytes) -> None:
    with pytest.raises(TreeMalformed):
        decode_node(record)


@pytest.mark.parametrize(
    "page",
    [
        b"",
        encode_page(0, []),
        encode_page(1, [(b"a", bytes(32))]),
        encode_page(0, [(b"b", b""), (b"a", b"")]),
        encode_page(0, [(b"a", b""), (b"a", b"")]),
        encode_page(0, [(b"a", b"")]) + b"\0",
        encode_page(0, [(b"a", b"")])[:-1],
        b"\0\xff\xff\xff\xff",
    ],
)
def test_a_page_that_is_none_is_refused(page: bytes) -> None:
    with pytest.raises(TreeMalformed):
        decode_page(page, level=0)


def test_a_root_record_that_is_none_is_refused() -> None:
    good = encode_root(Root(0, bytes(32), 2, 0, 1, 0))
    for bad in (b"", good[:-1], good + b"\0", b"X" + good[1:], good[:8] + b"\x03" + good[9:]):
        with pytest.raises(TreeMalformed):
            decode_root(bad)


@pytest.mark.parametrize("name", ["one", "other"])
def test_a_file_that_a_tree_has_twice_without_knowing_it_is_two_files_from_then_on(tmp_path: Path, name: str) -> None:
    """Fuzzy snapshots of earlier versions had a file twice that moved while they were made."""
    store = MemoryStore()
    records = {
        node_key(1): encode_node(DIRECTORY),
        node_key(2): encode_node(FILE),
        entry_key(1, b"one"): encode_entry(2),
        entry_key(1, b"other"): encode_entry(2),
    }
    machine, restored = Machine(store), tmp_path / "restored"
    machine.restore(store_tree(store, records), restored)
    (restored / name).write_bytes(b"what is written later")
    done = machine.replicate(restored, settled=True)
    Machine(store).restore(done.root, tmp_path / "later")
    assert tree_difference(restored, tmp_path / "later") == []
