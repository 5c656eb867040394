"""Looking at every record of a tree once, in the order in which they lie: much faster than walking its paths."""

from collections.abc import Iterator

from mosaic.core.errors import Corrupt
from mosaic.storage.engine.nodeset import NodeSet
from mosaic.storage.engine.records import (
    ALL_RECORDS,
    GROUP_IDS,
    ROOT_NODE,
    ZERO_CHUNK,
    Node,
    NodeType,
    decode_entry,
    decode_node,
    entry_name,
    group_index,
    inline_ids,
    is_entry,
    is_group,
    is_node,
    node_of,
    split_ids,
)
from mosaic.storage.engine.tree import Tree


class Survey:
    """One look at a tree. When `chunks` has ended, the rest is known.

    `is_whole` is False when a page can't be read, or a record contradicts
    another: then a walk by paths tells whom that hits. Directories that are
    below themselves are not looked for; a walk does not enter them twice.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._named = NodeSet()
        self._ends: dict[int, int] = {}
        self.is_whole = True
        self.files = 0
        self.blobs = 0

    def chunks(self) -> Iterator[bytes]:
        """Yield the id of every chunk that a file has; one that several have comes several times."""
        nodes = NodeSet()
        for key, value in self._tree.range(ALL_RECORDS, self._odd):
            try:
                if is_entry(key):
                    self._entry(key, value)
                elif is_group(key):
                    yield from self._group(key, value)
                elif is_node(key):
                    number, node = node_of(key), decode_node(value)
                    nodes.add(number)
                    yield from self._node(number, node)
            except Corrupt as damage:
                self._odd(damage)
        # Every entry leads to a node, and every node but the top one has an entry.
        self._named.add(ROOT_NODE)
        if self._ends or not nodes.same_as(self._named):
            self.is_whole = False

    def _odd(self, _: Corrupt) -> None:
        self.is_whole = False

    def _entry(self, key: bytes, value: bytes) -> None:
        entry_name(key)
        self._named.add(decode_entry(value))

    def _group(self, key: bytes, value: bytes) -> Iterator[bytes]:
        ids = split_ids(value)
        number = node_of(key)
        self._ends[number] = group_index(key) * GROUP_IDS + len(ids)
        if len(ids) > GROUP_IDS:
            self.is_whole = False
        return self._counted(ids)

    def _node(self, number: int, node: Node) -> Iterator[bytes]:
        """Groups sort before nodes: what a file's groups said is held against its size here."""
        if node.type is NodeType.FILE:
            self.files += 1
        if number == ROOT_NODE and node.type is not NodeType.DIRECTORY:
            self.is_whole = False
        end = self._ends.pop(number, 0)
        if end > (node.chunk_count if node.group_count else 0):
            self.is_whole = False
        return self._counted(inline_ids(node) if node.type is NodeType.FILE and not node.group_count else [])

    def _counted(self, ids: list[bytes]) -> Iterator[bytes]:
        for blob in ids:
            if blob != ZERO_CHUNK:
                self.blobs += 1
                yield blob
