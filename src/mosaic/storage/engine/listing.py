"""Walking a stored tree by its paths."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.errors import Corrupt
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.nodeset import NodeSet
from mosaic.storage.engine.records import ROOT_NODE, Node, NodeType, decode_entry, entries_of, entry_name
from mosaic.storage.engine.tree import Tree

OnLost: TypeAlias = Callable[[Components, Corrupt], None]
"""Told the path of something that can't be listed: a file, or a directory of which something is missing."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One name in the tree. The volume's own directory has no parent and no name: both are empty."""

    parent: Components
    name: bytes
    number: int
    node: Node

    @property
    def path(self) -> Components:
        """The path from the volume's directory."""
        return (*self.parent, self.name) if self.name else ()


def walk(tree: Tree, on_lost: OnLost) -> Iterator[Listed]:
    """Yield every name, a directory before what is in it and the names of one directory one after another.

    The tree is not trusted to be one: a directory that turns up twice is not
    entered again.

    Raises:
        Corrupt: the volume's own directory can't be read.
    """
    top = tree.node(ROOT_NODE)
    if top is None or top.type is not NodeType.DIRECTORY:
        raise TreeMalformed("it has no top directory")
    yield Listed((), b"", ROOT_NODE, top)
    entered = NodeSet()
    entered.add(ROOT_NODE)
    left: list[tuple[int, Components]] = [(ROOT_NODE, ())]
    while left:
        number, path = left.pop()
        for listed in _directory(tree, number, path, on_lost):
            if listed.node.type is NodeType.DIRECTORY:
                if not entered.add(listed.number):
                    on_lost(listed.path, TreeMalformed("a directory has two names"))
                    continue
                left.append((listed.number, listed.path))
            yield listed


def _directory(tree: Tree, number: int, path: Components, on_lost: OnLost) -> Iterator[Listed]:
    for key, value in tree.range(entries_of(number), lambda damage: on_lost(path, damage)):
        inner = path
        try:
            name = entry_name(key)
            inner = (*path, name)
            child = decode_entry(value)
            node = tree.node(child)
            if node is None:
                raise TreeMalformed("an entry points at no node")
        except Corrupt as damage:
            on_lost(inner, damage)
            continue
        yield Listed(path, name, child, node)
