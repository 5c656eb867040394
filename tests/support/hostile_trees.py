"""Trees that no honest machine stores, for tests of what reads them."""

from collections.abc import Mapping

from hypothesis import strategies as st

from mosaic.storage.engine.grow import grow
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.pack import Kind
from mosaic.storage.engine.pages import Root, encode_root
from mosaic.storage.engine.records import Node, NodeType, encode_entry, encode_node, entry_key, group_key, node_key
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.upload import Uploader
from support.stores import MemoryStore
from support.volumes import KEYS

DIRECTORY = Node(NodeType.DIRECTORY, 0o755, 0, 0, 0, 0, 1, (), b"")
FILE = Node(NodeType.FILE, 0o644, 0, 0, 0, 0, 1, (), b"")
LINK = Node(NodeType.SYMLINK, 0o777, 0, 0, 0, 9, 2, (), b"../escape")
_BIG = 400_000
ODD_NAMES = [b"..", b".", b"", b"../evil", b"/evil", b"a/b", b"nul\0", b"x" * 256]
"""Names that lead elsewhere, or that no file system has."""

CONTAINS_ITSELF = {
    node_key(1): encode_node(DIRECTORY),
    node_key(2): encode_node(DIRECTORY),
    entry_key(1, b"a"): encode_entry(2),
    entry_key(2, b"again"): encode_entry(2),
    entry_key(2, b"up"): encode_entry(1),
}

_SANE = {
    node_key(1): encode_node(DIRECTORY),
    node_key(2): encode_node(DIRECTORY),
    node_key(3): encode_node(Node(NodeType.FILE, 0o644, 0, 0, 0, _BIG, 2, ((b"user.a", b"b"),), b"")),
    node_key(4): encode_node(LINK),
    node_key(5): encode_node(Node(NodeType.FILE, 0o644, 0, 0, 0, 10, 1, (), bytes(32))),
    group_key(3, 0): bytes(32) + b"\1" * 32,
    entry_key(1, b"a"): encode_entry(2),
    entry_key(1, b"b"): encode_entry(3),
    entry_key(2, b"c"): encode_entry(4),
    entry_key(2, b"d"): encode_entry(5),
    entry_key(2, b"e"): encode_entry(3),
}


def store_tree(store: MemoryStore, records: Mapping[bytes, bytes]) -> RootRef:
    """Store a tree with exactly these records."""
    known = ChunkIndex()
    with Uploader(KEYS, store, known) as uploader:
        top = grow(
            None,
            iter(sorted(records.items())),
            write=lambda page: uploader.add(page, Kind.PAGE),
            cut_key=KEYS.current.blob_id,
        )
        blob = uploader.add(encode_root(Root(top.level, top.page, 100, 0, 0, 0)), Kind.ROOT)
        uploader.finish()
    found = known.find(blob)
    assert found is not None
    return RootRef(blob, found.head.pack)


def beside_a_good_one(name: bytes) -> dict[bytes, bytes]:
    """Return the records of a tree that has a file by the name `good`, and by this one too."""
    return {
        node_key(1): encode_node(DIRECTORY),
        node_key(2): encode_node(FILE),
        entry_key(1, name): encode_entry(2),
        entry_key(1, b"good"): encode_entry(2),
    }


@st.composite
def hostile_trees(draw: st.DrawFn) -> dict[bytes, bytes]:
    """A tree with some records that are gone, changed, cut, lead elsewhere or have impossible names."""
    records = dict(_SANE)
    for key in draw(st.lists(st.sampled_from(sorted(_SANE)), min_size=1, max_size=3)):
        value = records.pop(key, b"\0")
        at = draw(st.integers(0, len(value)))
        match draw(st.integers(0, 5)):
            case 0:
                records[key] = value[:at]
            case 1:
                records[key] = value[:at] + draw(st.binary(min_size=1, max_size=9)) + value[at + 1 :]
            case 2:
                records[key + b"\0"] = value
            case 3:
                records[entry_key(draw(st.integers(1, 2)), draw(st.sampled_from(ODD_NAMES)))] = encode_entry(3)
            case 4:
                records[entry_key(draw(st.integers(1, 2)), b"loop")] = encode_entry(draw(st.integers(1, 2)))
            case _:
                pass
    return records or {node_key(9): encode_node(FILE)}
